"""The scalars of one TensorBoard event file, in some seconds for gigabytes.

Events of one length and one tag are equal but for time, step and value. So one of them is parsed, the others are
compared with it byte by byte, by numpy, and their values are read at the same place. What differs is parsed by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import LogError
from mstudy.importers.source_run import Series, Setting
from mstudy.importers.tensorboard.event import Event, parse_event
from mstudy.importers.tensorboard.protobuf import NoMessage
from mstudy.importers.tensorboard.tfrecord import Records, by_length, read_records

_MIN_EVENTS = 8  # of one length, below which NumPy's calls cost more than Python's loop
_FIRST_EVENTS = 20  # of which one holds the first scalar, behind the version and the like
_MAX_EVENT_BYTES = 512  # bytes of an event that is worth comparing
_STEP_AT, _TIME = 9, 0x09  # an event begins with its wall time: a key and eight bytes
_STEP_KEY = 0x10
_HASH = np.random.default_rng(0).integers(1, 2**63, size=_MAX_EVENT_BYTES, dtype=np.uint64)

Chunk = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]  # places in the file, steps, values


@dataclass
class EventFile:
    """wall_time: of the first event. hparams: those of a session's start. torn: where a torn tail begins, in bytes."""

    wall_time: float = 0.0
    hparams: dict[str, Setting] = field(default_factory=dict)
    torn: list[int] = field(default_factory=list)
    _chunks: dict[str, list[Chunk]] = field(default_factory=dict)
    _starts: list[tuple[int, int]] = field(default_factory=list)  # (place, step) of sessions begun again

    def series(self) -> dict[str, Series]:
        """Return each tag's values as written, with those before a restart at a smaller step left out."""
        by_tag = {}
        for tag, chunks in self._chunks.items():
            places, steps, values = (np.concatenate(part) for part in zip(*chunks, strict=True))
            order = np.argsort(places, kind="stable")
            places, steps, values = places[order], steps[order], values[order]
            keep = np.ones(len(steps), dtype=bool)
            for place, step in self._starts:
                keep &= (places > place) | (steps < step)
            by_tag[tag] = Series(steps[keep], values[keep])
        return by_tag

    def tags(self) -> set[str]:
        """Return the names of all scalars."""
        return set(self._chunks)

    def steps_of(self, tag: str) -> NDArray[np.int64]:
        """Return the steps of a tag, (n,), in any order, with those that a restart takes; (0,) of a tag not here."""
        return np.concatenate([np.zeros(0, np.int64), *(steps for _, steps, _ in self._chunks.get(tag, []))])

    def add(self, tag: str, places: NDArray[np.int64], steps: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Add values of a tag, in any order."""
        self._chunks.setdefault(tag, []).append((places, steps, values))

    def add_event(self, place: int, event: Event) -> None:
        """Add all that one parsed event says."""
        self.hparams |= event.hparams
        if event.is_start:
            self._starts.append((place, event.step))
        for scalar in event.scalars:
            self.add(scalar.tag, np.array([place]), np.array([event.step]), np.array([scalar.value]))


def read_event_file(path: Path) -> EventFile:
    """Read the scalars of a file. Raises LogError where it is damaged before its tail."""
    content, before = EventFile(), 0
    for records in read_records(path, content.torn):
        if before == 0:
            content.wall_time = _parse(records, 0, path).wall_time
        for length, which in by_length(records.lengths):
            if len(which) < _MIN_EVENTS or not _STEP_AT + 8 < length <= _MAX_EVENT_BYTES:
                rest = which
            else:
                rest = which[_read_alike(records, which, before, content, path)]
            for k in rest:
                content.add_event(before + int(k), _parse(records, int(k), path))
        before += len(records.starts)
    return content


def first_tag(path: Path) -> str | None:
    """Return the tag of the first scalar among the first events; None where none is, or where the file is damaged."""
    try:
        for records in read_records(path, []):
            for k in range(min(len(records.starts), _FIRST_EVENTS)):
                scalars = _parse(records, k, path).scalars
                if scalars:
                    return scalars[0].tag
            return None
    except LogError:
        pass  # the run says so when its turn comes
    return None


def _read_alike(
    records: Records, which: NDArray[np.int64], before: int, content: EventFile, path: Path
) -> NDArray[np.int64]:
    """Read those of the events (all of one length) that are like others; the rest's places in `which`."""
    columns = records.columns(which)
    left = np.ones(len(which), dtype=bool)
    for head, steps, members in _by_head(columns):
        for alike in _by_tag(columns[head:], members):
            first = int(alike[0])
            event = _parse(records, int(which[first]), path)
            if len(event.scalars) != 1 or event.scalars[0].dtype is None or event.hparams or event.is_start:
                continue
            scalar = event.scalars[0]
            dtype, place = np.dtype(scalar.dtype), scalar.place
            size = dtype.itemsize
            body = columns[:, alike]
            same = (body[head:place] == body[head:place, :1]).all(axis=0)
            same &= (body[place + size :] == body[place + size :, :1]).all(axis=0)
            alike, body = alike[same], body[:, same]
            values = np.ascontiguousarray(body[place : place + size].T).view(dtype)[:, 0].astype(np.float64)
            content.add(scalar.tag, before + which[alike], steps[alike], values)
            left[alike] = False
    return np.flatnonzero(left)


def _by_head(columns: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Yield (length of wall time and step, steps of all events, events with a head of that length)."""
    timed = columns[0] == _TIME
    with_step = timed & (columns[_STEP_AT] == _STEP_KEY)
    zeros = np.zeros(columns.shape[1], dtype=np.int64)
    if (timed & ~with_step).any():
        yield _STEP_AT, zeros, np.flatnonzero(timed & ~with_step)
    steps, under_way = zeros.copy(), with_step
    for k in range(min(8, len(columns) - _STEP_AT - 1)):  # 56 bits; steps beyond are parsed by themselves
        byte = columns[_STEP_AT + 1 + k]
        steps |= (byte & 0x7F).astype(np.int64) << (7 * k)
        ends = under_way & (byte < 0x80)
        if ends.any():
            yield _STEP_AT + 2 + k, steps, np.flatnonzero(ends)
        under_way = under_way & (byte >= 0x80)


def _by_tag(body: NDArray[np.uint8], members: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the members by tag length and, by a hash, tag: summary, value, tag, each length of one byte."""
    if len(body) < 7:
        return
    tagged = members[(body[0, members] == 0x2A) & (body[2, members] == 0x0A) & (body[4, members] == 0x0A)]
    for length in np.unique(body[5, tagged]):
        some = tagged[body[5, tagged] == length]
        end = min(6 + int(length), len(body))
        hashes = (body[6:end, some].astype(np.uint64) * _HASH[6:end, None]).sum(axis=0, dtype=np.uint64)
        order = np.argsort(hashes, kind="stable")
        yield from np.split(some[order], np.flatnonzero(np.diff(hashes[order])) + 1)


def _parse(records: Records, k: int, path: Path) -> Event:
    start = int(records.starts[k])
    try:
        return parse_event(records.buffer[start : start + int(records.lengths[k])].tobytes())
    except NoMessage as error:
        raise LogError(f"An event file must hold TensorBoard events, found {error} in {path}.") from None
