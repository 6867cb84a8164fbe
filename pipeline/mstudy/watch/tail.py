"""What has been appended to a file since it was last read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_MAX_BYTES = 1 << 24  # of one look, so that a long journal does not hold up the others
_MARK_BYTES = 64  # before the place that was read to: where they differ, the file was begun anew


@dataclass(frozen=True)
class Appended:
    """lines: whole ones, without their ends. anew: whether the file was begun anew, so that earlier lines are void."""

    lines: list[bytes]
    anew: bool


class Tail:
    """A file that grows by whole lines, and may be begun anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._mark = b""

    def read(self) -> Appended:
        """Return the whole lines that are new, of a long file a part of them. Raises OSError."""
        with self._path.open("rb") as file:
            file.seek(self._offset - len(self._mark))
            anew = file.read(len(self._mark)) != self._mark
            if anew:
                self._offset, self._mark = 0, b""
                file.seek(0)
            content = file.read(_MAX_BYTES)
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._mark = (self._mark + whole)[-_MARK_BYTES:]
        return Appended(whole.splitlines(), anew)
