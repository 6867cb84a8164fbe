"""Writes a file whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from mstudy.core.errors import LogError


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


def write_text(text: str, out: Path) -> None:
    """Write a file, all or nothing."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = out.with_name(f"{out.name}.{os.getpid()}.tmp")
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, out)
    except OSError as error:
        raise LogError(f"The report must be writable, found at {out}: {error.strerror}.") from None


def write_json(value: Any, path: Path) -> None:
    """Write JSON, all or nothing; NaN is a mistake, not a value."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise LogError(f"The output folder must be writable, found at {path.parent}: {error.strerror}.") from None


def read_json(path: Path) -> Any:
    """Read what an earlier step wrote. Raises LogError where it has not run."""
    if not path.is_file():
        raise LogError(f"{path} must exist, found nothing there; run `dvc repro` or `mstudy analyze` first.")
    return json.loads(path.read_text(encoding="utf-8"))
