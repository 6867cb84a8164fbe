"""The wire format of protocol buffers: fields of a message, no schema. protobuf.dev, "Encoding"."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}


class NoMessage(ValueError):
    """The bytes are no message."""


def fields(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """Yield (number, wire type, first, end) of each field of data[start:end]; of a varint `first` is its value.

    Raises NoMessage where the bytes are none.
    """
    position, end = start, len(data) if end is None else end
    while position < end:
        key, position = varint(data, position, end)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, position = varint(data, position, end)
            yield number, kind, value, position
            continue
        if kind == BYTES:
            length, position = varint(data, position, end)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise NoMessage(f"wire type {kind}")
        if position + length > end:
            raise NoMessage("a field beyond its message")
        yield number, kind, position, position + length
        position += length


def varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return the whole number at the position, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), position
    raise NoMessage("a varint without an end")


def signed(value: int) -> int:
    """Return an int64 from its varint."""
    return value - 2**64 if value >= 2**63 else value
