"""Files and mappings from outside are checked before they are used.

A pipe would wait for ever, a huge file fill the memory, and a mapping that has a key twice says two things, of which a
reader would take the last in silence.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mstudy.core.errors import MstudyError, shown

_OTHERS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def require_plain(path: Path, max_bytes: int, fault: type[MstudyError]) -> int:
    """Return the size of a file in bytes.

    Raises `fault` unless it is a plain file of at most `max_bytes`, OSError where it cannot be seen. A folder passes:
    the system refuses to read it.
    """
    about = path.stat()
    kind = kind_of_other(about.st_mode)
    if kind is not None:
        raise fault(f"{path} must be a plain file, found {kind}.")
    if about.st_size > max_bytes:
        raise fault(f"{path} must be at most {max_bytes:,} bytes, found {about.st_size:,}.")
    return about.st_size


def kind_of_other(mode: int) -> str | None:
    """Return what a file is by its mode; None if it is plain, a folder or a link."""
    return _OTHERS.get(stat.S_IFMT(mode))


def lie_apart(one: Path, other: Path) -> bool:
    """Return whether neither of two folders is or holds the other, also through links and other spellings."""
    one, other = Path(os.path.realpath(one)), Path(os.path.realpath(other))
    return not (_is_within(one, other) or _is_within(other, one))


def _is_within(path: Path, folder: Path) -> bool:
    return any(_is_same(each, folder) for each in (path, *path.parents))


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path == other or path.samefile(other)
    except OSError:  # one of them is not there yet
        return False


class RepeatedKeyError(ValueError):
    """A key is there twice."""

    def __init__(self, key: object) -> None:
        super().__init__(f"each key must be given once, found {shown(key)} twice")
        self.key = key


def unique_keys(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return the pairs as a dictionary; the object_pairs_hook of json.loads. Raises RepeatedKeyError."""
    found: dict[Any, Any] = {}
    for key, value in pairs:
        if key in found:
            raise RepeatedKeyError(key)
        found[key] = value
    return found
