"""One TensorBoard event: its scalars, a restart, hyperparameters.

Messages and field numbers: tensorflow/core/util/event.proto, summary.proto, tensor.proto; tensorboard's
plugins/hparams/plugin_data.proto.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from mstudy.importers.source_run import Setting
from mstudy.importers.tensorboard.protobuf import BYTES, FIXED32, FIXED64, VARINT, NoMessage, fields, signed, varint
from mstudy.importers.tensorboard.text_hparams import is_of_settings, settings_in_text

_START = 1  # SessionLog.START
_HPARAMS = "hparams"
# TensorProto.dtype: numpy's name, and the field that holds the values unless tensor_content does.
_DTYPES = {1: ("<f4", 5), 2: ("<f8", 6), 3: ("<i4", 7), 9: ("<i8", 10), 19: ("<f2", 13)}
_CONTENT = 4
_STRING = 7  # TensorProto.dtype of text


@dataclass(frozen=True)
class Scalar:
    """dtype and place: the value's bytes in the event, where they lie together."""

    tag: str
    value: float
    dtype: str | None = None
    place: int = 0


@dataclass
class Event:
    """What of an event matters here."""

    step: int = 0
    wall_time: float = 0.0
    scalars: list[Scalar] = field(default_factory=list)
    is_start: bool = False
    hparams: dict[str, Setting] = field(default_factory=dict)


def parse_event(data: bytes) -> Event:
    """Read one event. Raises NoMessage where the bytes are none; what is of another kind is passed over."""
    event = Event()
    for number, kind, first, end in fields(data):
        if (number, kind) == (1, FIXED64):
            (event.wall_time,) = struct.unpack_from("<d", data, first)
        elif (number, kind) == (2, VARINT):
            event.step = signed(first)
        elif (number, kind) == (5, BYTES):
            _parse_summary(data, first, end, event)
        elif (number, kind) == (7, BYTES):
            event.is_start = any(field[:3] == (1, VARINT, _START) for field in fields(data, first, end))
    return event


def _parse_summary(data: bytes, start: int, end: int, event: Event) -> None:
    for number, kind, first, last in fields(data, start, end):
        if (number, kind) == (1, BYTES):
            _parse_value(data, first, last, event)


def _parse_value(data: bytes, start: int, end: int, event: Event) -> None:
    tag, scalar, text = "", None, None
    for number, kind, first, last in fields(data, start, end):
        if (number, kind) == (1, BYTES):
            tag = _text(data[first:last])
        elif (number, kind) == (2, FIXED32):
            scalar = Scalar("", float(struct.unpack_from("<f", data, first)[0]), "<f4", first)
        elif (number, kind) == (8, BYTES):
            scalar = _parse_tensor(data, first, last)
            text = (first, last)
        elif (number, kind) == (9, BYTES):
            event.hparams |= _parse_metadata(data, first, last)
    if text is not None and scalar is None and is_of_settings(tag):
        event.hparams |= settings_in_text(_parse_string(data, *text))
    if scalar is not None:
        event.scalars.append(Scalar(tag, scalar.value, scalar.dtype, scalar.place))


def _parse_tensor(data: bytes, start: int, end: int) -> Scalar | None:
    """Return the value of a tensor of one number; None of any other."""
    parts = list(fields(data, start, end))
    dtypes = [_DTYPES.get(first) for number, kind, first, _ in parts if (number, kind) == (1, VARINT)]
    if not dtypes or dtypes[-1] is None:
        return None
    dtype, own_field = dtypes[-1]
    values = [one for one in parts if one[0] in (own_field, _CONTENT) and one[0] != 2]
    if len(values) != 1:
        return None
    number, kind, first, last = values[0]
    if kind != VARINT and dtype in ("<f4", "<f8") and last - first == np.dtype(dtype).itemsize:
        return Scalar("", float(np.frombuffer(data, dtype, 1, first)[0]), dtype, first)
    if number == _CONTENT:
        one = last - first == np.dtype(dtype).itemsize
        return Scalar("", float(np.frombuffer(data, dtype, 1, first)[0])) if one else None
    return _parse_varints(data, dtype, kind, first, last)


def _parse_string(data: bytes, start: int, end: int) -> str:
    """Return the text of a tensor of text; nothing of any other."""
    parts = list(fields(data, start, end))
    if (1, VARINT, _STRING) not in {part[:3] for part in parts}:
        return ""
    texts = [data[first:last] for number, kind, first, last in parts if (number, kind) == (8, BYTES)]
    return b"\n".join(texts).decode("utf-8", "replace")


def _parse_varints(data: bytes, dtype: str, kind: int, first: int, last: int) -> Scalar | None:
    """Parse int_val, int64_val and half_val: one varint, packed or not."""
    if kind == BYTES:
        if first == last:
            return None
        first, end = varint(data, first, last)
        if end != last:
            return None
    elif kind != VARINT:
        return None
    if dtype == "<f2":
        return Scalar("", float(np.array([first & 0xFFFF], dtype="<u2").view("<f2")[0]))
    return Scalar("", float(signed(first)))


def _parse_metadata(data: bytes, start: int, end: int) -> dict[str, Setting]:
    """Parse the hyperparameters of a SummaryMetadata, if it is of that plugin's session start."""
    hparams: dict[str, Setting] = {}
    for number, kind, first, last in fields(data, start, end):
        if (number, kind) != (1, BYTES):
            continue
        plugin = {n: data[a:b] for n, k, a, b in fields(data, first, last) if k == BYTES}
        if plugin.get(1) != _HPARAMS.encode():
            continue
        for session in _inner(plugin.get(2, b""), 3):
            hparams |= dict(pair for entry in _inner(session, 1) if (pair := _parse_hparam(entry)) is not None)
    return hparams


def _parse_hparam(entry: bytes) -> tuple[str, Setting] | None:
    """Return a pair of the map: name, and a google.protobuf.Value."""
    name = "".join(_text(text) for text in _inner(entry, 1))
    for value in _inner(entry, 2):
        for number, kind, first, last in fields(value):
            if (number, kind) == (2, FIXED64):
                return name, float(struct.unpack_from("<d", value, first)[0])
            if (number, kind) == (3, BYTES):
                return name, _text(value[first:last])
            if (number, kind) == (4, VARINT):
                return name, bool(first)
    return None


def _inner(data: bytes, wanted: int) -> list[bytes]:
    return [data[first:end] for number, kind, first, end in fields(data) if (number, kind) == (wanted, BYTES)]


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise NoMessage("text that is not UTF-8") from None
