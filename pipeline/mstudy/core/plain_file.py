"""Files from outside are looked at before they are opened: a pipe would wait for ever, a huge file fill the memory."""

from __future__ import annotations

import stat
from pathlib import Path

from mstudy.core.errors import MstudyError

_OTHERS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def require_plain(path: Path, max_bytes: int, fault: type[MstudyError]) -> int:
    """Return the size of a file in bytes.

    Raises `fault` unless it is a plain file of at most `max_bytes`, OSError where it cannot be seen. A folder passes:
    the system refuses to read it.
    """
    found = path.stat()
    kind = kind_of_other(found.st_mode)
    if kind is not None:
        raise fault(f"{path} must be a plain file, found {kind}.")
    if found.st_size > max_bytes:
        raise fault(f"{path} must be at most {max_bytes:,} bytes, found {found.st_size:,}.")
    return found.st_size


def kind_of_other(mode: int) -> str | None:
    """Return what a file is by its mode; None if it is plain, a folder or a link."""
    return _OTHERS.get(stat.S_IFMT(mode))
