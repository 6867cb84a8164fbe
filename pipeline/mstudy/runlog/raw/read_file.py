"""Reads a file whole, if it is one and of a size that memory holds."""

from __future__ import annotations

import os
import stat
from typing import Any

MAX_BYTES = 2**31  # of a log: more than its largest number of rows takes


class TooLargeError(OSError):
    """A file is larger than what is read of its kind."""


def read_file(path: str, n_bytes: int | None, max_bytes: int, start: int = 0) -> bytes:
    """Return the content of a file, or n_bytes from `start` on. Raises OSError for what is no file, or a larger one."""
    # Without waiting: a pipe that stands here would have no end, and may have no beginning.
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise OSError("a pipe, a device or a folder")
        file.seek(start)
        return bytes(read_bounded(file, about.st_size, n_bytes, max_bytes))


def read_bounded(file: Any, size: int, n_bytes: int | None, max_bytes: int) -> Any:
    """Return n_bytes of an open file, or all of it. Raises TooLargeError where that is more than max_bytes."""
    if n_bytes is None and size > max_bytes:
        raise TooLargeError(f"at most {max_bytes:,} bytes are read, found {size:,}")
    return file.read(size if n_bytes is None else n_bytes)
