"""Thrift's compact protocol, as far as the footer of a Parquet file uses it.

A structure is a dictionary from the number of a field to its kind and value. The value of a list is the kind of its
items and the items. The value of a boolean is its kind.
"""

from __future__ import annotations

from typing import Any

Field = tuple[int, Any]
Struct = dict[int, Field]
TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, STRUCT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12
ENCODED = -1  # kind of a list's items that are encoded structures already
_MAX_DEPTH = 16  # of structures in structures; a footer has eight
_LONG_LIST = 15  # items from which on a list's length is a number of its own
_MAX_VARINT_BITS = 70


class _Reader:
    """Reads one value after the other. Raises ValueError where the bytes end or are none of the protocol."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def struct(self, depth: int) -> Struct:
        if depth > _MAX_DEPTH:
            raise ValueError("structures must not nest that deep")
        fields: Struct = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self._integer()
            fields[number] = (kind, self._value(kind, depth))
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        match kind:
            case 1 | 2:
                return kind
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._integer()
            case 7:
                return self._take(8)
            case 8:
                return self._take(self._varint())
            case 9 | 10:
                return self._list(depth)
            case 12:
                return self.struct(depth + 1)
            case _:
                raise ValueError(f"kind {kind} must be one that footers have")

    def _list(self, depth: int) -> tuple[int, list[Any]]:
        head = self._byte()
        length, kind = head >> 4, head & 15
        length = self._varint() if length == _LONG_LIST else length
        if length > len(self._content) - self._at:  # each item has one byte at least
            raise ValueError("a list must end within the footer")
        read_as = BYTE if kind in (TRUE, FALSE) else kind
        return kind, [self._value(read_as, depth) for _ in range(length)]

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, n_bytes: int) -> bytes:
        end = self._at + n_bytes
        if end > len(self._content):
            raise ValueError("a value must end within the footer")
        taken = self._content[self._at : end]
        self._at = end
        return taken

    def _varint(self) -> int:
        number = 0
        for shift in range(0, _MAX_VARINT_BITS, 7):
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
        raise ValueError("a number must have at most 64 bits")

    def _integer(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)


def decode(content: bytes) -> Struct:
    """Return the structure that the bytes begin with. Raises ValueError where they are none."""
    return _Reader(content).struct(0)


def encode(fields: Struct) -> bytes:
    """Return the bytes of a structure."""
    parts: list[bytes] = []
    before = 0
    for number in sorted(fields):
        kind, value = fields[number]
        step = number - before
        parts.append(bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + _integer(number))
        parts.append(_encoded(kind, value))
        before = number
    return b"".join([*parts, b"\0"])


def _encoded(kind: int, value: Any) -> bytes:
    match kind:
        case 1 | 2:
            return b""
        case 3:
            return bytes([value])
        case 4 | 5 | 6:
            return _integer(value)
        case 7:
            return bytes(value)
        case 8:
            return _varint(len(value)) + bytes(value)
        case 9 | 10:
            return _encoded_list(*value)
        case 12:
            return encode(value)
        case _:
            raise ValueError(f"kind {kind} must be one that footers have")


def _encoded_list(kind: int, items: list[Any]) -> bytes:
    shown = STRUCT if kind == ENCODED else kind
    n = len(items)
    head = bytes([n << 4 | shown]) if n < _LONG_LIST else bytes([_LONG_LIST << 4 | shown]) + _varint(n)
    if kind == ENCODED:
        return head + b"".join(items)
    written_as = BYTE if kind in (TRUE, FALSE) else kind
    return head + b"".join([_encoded(written_as, item) for item in items])


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _integer(number: int) -> bytes:
    return _varint(number << 1 if number >= 0 else (-number << 1) - 1)
