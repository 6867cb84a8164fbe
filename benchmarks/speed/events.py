"""Event files of any size, as torch's SummaryWriter would write them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from mstudy.importers.tensorboard.crc32c import masked_crc, masked_crcs
from numpy.typing import NDArray
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

TAGS = ("train/loss", "train/accuracy", "curvature/kappa", "lr")
_FIRST = 1 << 14  # from here to 2^21 a step takes three bytes, so that all events of a tag have one length
_STEP_AT = 10


def write_events(path: Path, megabytes: float) -> int:
    """Scalars of four tags at each step, in `path`; the number of events.

    tensorboard's own messages, of which time, step and value are changed, in frames with checksums.
    """
    events = [_event(tag) for tag in TAGS]
    size = sum(len(event) + 16 for event in events)
    n_steps = int(megabytes * 1e6 / size)
    assert n_steps < (1 << 21) - _FIRST, "a step would take four bytes"
    steps = np.arange(_FIRST, _FIRST + n_steps)
    rows = np.concatenate([_frames(event, steps, k) for k, event in enumerate(events)], axis=1)
    path.write_bytes(rows.tobytes())
    return n_steps * len(TAGS)


def _event(tag: str) -> bytes:
    value = Summary.Value(tag=tag, simple_value=1.0)
    message: bytes = Event(wall_time=1.0, step=_FIRST, summary=Summary(value=[value])).SerializeToString()
    return message


def _frames(event: bytes, steps: NDArray[np.int64], k: int) -> NDArray[np.uint8]:
    """One event a step, framed, (n_steps, length of a frame)."""
    data = np.tile(np.frombuffer(event, dtype=np.uint8), (len(steps), 1))
    data[:, 1:9] = (1.7e9 + 0.01 * steps + 0.001 * k).astype("<f8")[:, None].view(np.uint8)
    for byte in range(3):
        data[:, _STEP_AT + byte] = (steps >> 7 * byte & 0x7F) | (0x80 if byte < 2 else 0)
    data[:, -4:] = np.exp(-1e-5 * steps + k).astype("<f4")[:, None].view(np.uint8)
    length = struct.pack("<Q", len(event))
    head = np.frombuffer(length + struct.pack("<I", masked_crc(length)), dtype=np.uint8)
    crc = masked_crcs(np.ascontiguousarray(data.T)).astype("<u4")[:, None].view(np.uint8)
    return np.concatenate([np.tile(head, (len(steps), 1)), data, crc], axis=1)
