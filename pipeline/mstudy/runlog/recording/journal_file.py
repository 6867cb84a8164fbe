"""The journal of a run under way as an open file: whole lines only, whatever the disk does."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

from mstudy.core.errors import LogError
from mstudy.runlog.recording.journal import journal_of

# Of this process, by real path: a notebook's cell that is run again has left its object alive.
_OPEN: WeakValueDictionary[str, JournalFile] = WeakValueDictionary()


class JournalFile:
    """The open journal of the log at `path`. One process has it open at a time.

    A line that the disk takes only in part is cut off again, so a full disk costs the rows that it refused and no
    others. The content is read through the open file: it is still there when the folder was moved or removed.
    """

    def __init__(self, path: Path, kept: int, take_over: bool = False) -> None:
        """Open the journal and keep its first `kept` bytes. Raises LogError where the disk or another process refuses.

        path: the place of the log, absolute, for a training loop may change the current folder. take_over: close what
        another object of this process has open there.
        """
        self._path = path
        self._place = journal_of(path)
        self._length = kept
        self._process = os.getpid()
        _end_other(self._place, self._process, take_over)
        self._file = _open(self._place, path)
        try:
            _lock(self._file, path)
            self._cut()
        except BaseException:
            self._file.close()
            raise
        _OPEN[os.path.realpath(self._place)] = self

    @property
    def process(self) -> int:
        """The process that opened it."""
        return self._process

    @property
    def closed(self) -> bool:
        """Whether the run has ended."""
        return self._file.closed

    def append(self, line: bytes) -> None:
        """Hand one whole line to the operating system. Raises LogError where it does not take all of it."""
        if self.closed:
            raise LogError(f"A run's log must be open and writable, found at {self._path}: it is closed.")
        self._cut()  # of what an earlier call could neither write nor cut off
        try:
            written = self._file.write(line)
        except OSError as error:
            self._cut_quietly()
            raise LogError(f"A run's log must be open and writable, found at {self._path}: {error}.") from None
        if written != len(line):
            self._cut_quietly()
            raise LogError(f"A run's log must be written, found no space for it at {self._path}.")
        self._length += written

    def content(self) -> bytes:
        """Return the whole lines."""
        try:
            self._file.seek(0)
            return self._file.read(self._length)
        except OSError as error:
            raise LogError(f"A run's journal must be readable, found at {self._place}: {error}.") from None

    def remove(self) -> None:
        """Close the journal and remove it."""
        self._file.close()
        with contextlib.suppress(OSError):  # the log stands; a journal that cannot be removed says the same
            self._place.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the journal and leave it where it is."""
        self._file.close()

    def _cut(self) -> None:
        try:
            if self._file.seek(0, 2) > self._length:
                self._file.truncate(self._length)
        except OSError as error:
            raise LogError(f"A run's log must be open and writable, found at {self._path}: {error}.") from None

    def _cut_quietly(self) -> None:
        with contextlib.suppress(LogError):  # the first error says why; the next line tries again
            self._cut()


def _end_other(place: Path, process: int, take_over: bool) -> None:
    """Close the journal of another object of this process, or say that there is one."""
    other = _OPEN.get(os.path.realpath(place))
    if other is None or other.closed or other.process != process:
        return
    if not take_over:
        raise LogError(
            "One process alone may log a run, and one object in it, found another object of this same process that has "
            f"{place} open, as a notebook's cell leaves it that is run again; end that one by its finish(), or begin "
            "anew with overwrite=True."
        )
    other.close()


def _open(place: Path, path: Path) -> BinaryIO:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        return place.open("a+b", buffering=0)
    except OSError as error:
        raise LogError(f"A run's log must be writable, found at {path}: {error.strerror or error}.") from None


def _lock(journal: BinaryIO, path: Path) -> None:
    """Keep a second process off: two loops that log one run would tear it."""
    try:
        import fcntl

        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LogError(
            f"One process alone may log a run, found another that logs {path}; in distributed training log in rank 0."
        ) from None
    except (ImportError, OSError):  # not a Unix, or a file system without locks: nothing keeps the second one off
        return
