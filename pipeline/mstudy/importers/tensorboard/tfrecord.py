"""TFRecord files: length (uint64), CRC of the length, data, CRC of the data, and so on; little-endian, CRCs masked.

The format is written down in tensorflow/core/lib/io/record_writer.h.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import LogError
from mstudy.importers.tensorboard.crc32c import masked_crc, masked_crcs

WINDOW = 1 << 25  # bytes held at a time
_HEAD, _FRAME = 12, 16
_NOTHING = bytes(_HEAD)  # no head of a record: its checksum would be wrong
_MAX_CHECKED_BYTES = 1 << 12  # of a record; longer ones hold pictures and the like, and are not read
_MIN_RECORDS = 8  # records of one length below which numpy's calls cost more than Python's loop


@dataclass(frozen=True)
class Records:
    """Whole records in `buffer`: where the data start (n,) and their lengths (n,), both in bytes."""

    buffer: NDArray[np.uint8]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def columns(self, which: NDArray[np.int64], first: int = 0, extra: int = 0) -> NDArray[np.uint8]:
        """Return the bytes of records of one length, (length + extra, n), from `first` bytes after their start."""
        width = int(self.lengths[which[0]]) + extra - first
        rows = np.lib.stride_tricks.sliding_window_view(self.buffer, width)[self.starts[which] + first]
        return np.ascontiguousarray(rows.T)


def read_records(path: Path, torn: list[int] | None = None) -> Iterator[Records]:
    """Yield the records of a file, some tens of megabytes at a time; the place of a torn tail is added to `torn`.

    A torn tail, left by a writer that was killed (a part of a record, or zeros), ends the file. Raises LogError where
    a checksum is wrong or the file cannot be read. Data of more than 4 KB are not checked.
    """
    torn = [] if torn is None else torn
    try:
        size = path.stat().st_size
        with path.open("rb") as source:
            offset = 0  # of the window in the file
            while offset + _FRAME <= size:
                source.seek(offset)
                window = source.read(WINDOW)
                starts, lengths, end = _walk(window)
                if len(starts) == 0:
                    if window[:_HEAD] == _NOTHING:
                        _require_zeros(source, offset, path)
                        torn.append(offset)
                        return
                    skipped = _skip(window, offset, size, path)
                    if skipped is None:
                        torn.append(offset)
                        return
                    offset += skipped
                    continue
                records = Records(np.frombuffer(window, dtype=np.uint8), np.array(starts), np.array(lengths))
                _check(records, offset, path)
                yield records
                offset += end
            if offset < size:
                torn.append(offset)
    except OSError as error:
        raise LogError(f"An event file must be readable, found {path}: {error.strerror or error}.") from None


def _walk(window: bytes) -> tuple[list[int], list[int], int]:
    """Return the starts and lengths of the whole records in the window, and where the last one ends."""
    starts, lengths, position, size = [], [], 0, len(window)
    length_at = struct.Struct("<Q").unpack_from
    while position + _FRAME <= size:
        (length,) = length_at(window, position)
        end = position + length + _FRAME
        if end > size or (length == 0 and window[position : position + _HEAD] == _NOTHING):
            break
        starts.append(position + _HEAD)
        lengths.append(length)
        position = end
    return starts, lengths, position


def _skip(window: bytes, offset: int, size: int, path: Path) -> int | None:
    """Return the bytes of a record that is larger than a window; None for a torn tail."""
    length, crc = struct.unpack_from("<QI", window)
    if crc != masked_crc(window[:8]):
        if not any(window) and offset + len(window) == size:
            return None
        raise _damage(path, offset)
    return None if offset + length + _FRAME > size else int(length + _FRAME)


def _require_zeros(source: IO[bytes], offset: int, path: Path) -> None:
    """Raise LogError unless the rest of the file is zeros, the tail that a crash of the system leaves."""
    for begin in _stretches_of_data(source, offset):
        source.seek(begin)
        window = source.read(WINDOW)
        if window.count(0) != len(window):
            raise _damage(path, offset)


def _stretches_of_data(source: IO[bytes], offset: int) -> Iterator[int]:
    """Yield where each next window of what is stored begins; holes of a sparse file are skipped."""
    size = os.fstat(source.fileno()).st_size
    while offset < size:
        try:
            offset = os.lseek(source.fileno(), offset, os.SEEK_DATA)
        except OSError:  # nothing but a hole is left
            return
        yield offset
        offset += WINDOW


def _check(records: Records, offset: int, path: Path) -> None:
    every = np.arange(len(records.starts))
    heads = np.lib.stride_tricks.sliding_window_view(records.buffer, _HEAD)[records.starts - _HEAD].T
    wrong = masked_crcs(np.ascontiguousarray(heads[:8])) != _number(heads[8:])
    if wrong.any():
        first = int(wrong.argmax())
        begin = int(records.starts[first]) - _HEAD
        if records.buffer[begin:].any():
            raise _damage(path, offset + begin)
    for _, which in by_length(records.lengths[every[~wrong]]):
        length = int(records.lengths[which[0]])
        if length > _MAX_CHECKED_BYTES:
            continue
        if len(which) < _MIN_RECORDS:
            bad = [k for k in which if not _is_right(records, k)]
        else:
            columns = records.columns(which, extra=4)
            bad = which[masked_crcs(columns[:length]) != _number(columns[length:])].tolist()
        if bad:
            raise _damage(path, offset + int(records.starts[bad[0]]) - _HEAD)


def by_length(lengths: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield the places of the records of each length, at most 2^15 at a time."""
    order = np.argsort(lengths, kind="stable")
    borders = np.flatnonzero(np.diff(lengths[order])) + 1
    for which in np.split(order, borders):
        for start in range(0, len(which), 1 << 15):
            yield int(lengths[which[0]]), which[start : start + (1 << 15)]


def _is_right(records: Records, k: int) -> bool:
    start, end = int(records.starts[k]), int(records.starts[k] + records.lengths[k])
    crc = int.from_bytes(records.buffer[end : end + 4].tobytes(), "little")
    return crc == masked_crc(records.buffer[start:end].tobytes())


def _number(columns: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Read a little-endian uint32 of four bytes, (4, n) to (n,)."""
    return np.ascontiguousarray(columns.T).view("<u4")[:, 0]


def _damage(path: Path, position: int) -> LogError:
    return LogError(f"An event file must be whole up to its tail, found a wrong checksum at byte {position} of {path}.")
