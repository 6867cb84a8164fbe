"""Writes a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from mstudy.errors import LogError


def write_whole(path: Path, content: bytes | memoryview, what: str) -> None:
    """Make `path` hold `content`, its folder included; a reader sees the old file or the new one, never a part.

    Two writers do no harm: each has a temporary file of its own. Raises LogError, naming `what`, where the disk
    refuses.
    """
    temporary = path.with_name(f"{path.stem}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as sink:
            sink.write(content)
            sink.flush()
            os.fsync(sink.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):  # the folder itself refuses; the first error says why
            temporary.unlink(missing_ok=True)
        raise LogError(f"{what} must be writable, found at {path}: {error.strerror or error}.") from None
