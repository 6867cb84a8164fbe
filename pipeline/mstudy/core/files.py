"""Writes a file whole or not at all, so that it survives a power cut; reads results."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from mstudy.core.errors import LogError

TEMPORARY_SUFFIX = ".tmp"  # of a file that is being written; a kill leaves it
# What a system says of a network folder that is away for a while. A full disk, or a missing right, does not pass.
_PASSING = {
    number
    for name in ("EIO", "ESTALE", "ENOTCONN", "ETIMEDOUT", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH")
    if (number := getattr(errno, name, None)) is not None
}
_LOST_SECONDS = 60.0  # for which a folder may be away
_PAUSE_SECONDS = 1.0
_STEM_LENGTH = 50  # characters of a target's name in its temporary's, which may be no longer than 255 bytes


Value = TypeVar("Value")


def patiently(action: Callable[[], Value]) -> Value:
    """Do something with a file, again and again while its network folder is away, for a minute at most."""
    end = time.monotonic() + _LOST_SECONDS
    while True:
        try:
            return action()
        except OSError as error:
            if error.errno not in _PASSING or time.monotonic() > end:
                raise
        time.sleep(_PAUSE_SECONDS)


def write_whole(path: Path, content: bytes | memoryview, what: str, place: Path | None = None) -> None:
    """Write `content` to `path`, as `write_parts` does, and wait for a folder that is away for a while."""
    _refused_as_sentence(lambda: patiently(partial(_create_and_write, path, (content,))), what, place or path)


def write_parts(path: Path, parts: Iterable[bytes | memoryview], what: str, place: Path | None = None) -> None:
    """Write `parts`, one after the other, to `path` and create its folder. A reader sees the old file or the new one,
    never a part.

    Several writers of one file do no harm: each has a temporary file of its own, and the last one wins.
    what, place: what must be writable, and where, in the sentence of an error; `place` is `path` by default.
    Raise LogError if the disk refuses; the old file then stays, and nothing is left beside it.
    """
    _refused_as_sentence(lambda: _create_and_write(path, parts), what, place or path)


def _create_and_write(
    path: Path, parts: Iterable[bytes | memoryview], place: Callable[[Path, Path], None] | None = None
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, parts, place or move_into_place)


def _refused_as_sentence(write: Callable[[], None], what: str, place: Path) -> None:
    try:
        write()
    except OSError as error:
        raise LogError(f"{what} must be writable, found at {place}: {error.strerror or error}.") from None


def write_first(path: Path, content: bytes, what: str) -> None:
    """Write `content` to `path` unless a file is there: of several writers the first one wins, on any file system.

    Raise LogError if the disk refuses.
    """
    action = partial(_create_and_write, path, (content,), _link_into_place)
    _refused_as_sentence(lambda: patiently(action), what, path)


def write_json(value: Any, path: Path) -> None:
    """Write `value` as JSON, whole or not at all. NaN raises ValueError, because it is a mistake and no value."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    write_whole(path, text.encode(), "The output folder", path.parent)


def read_result(path: Path) -> bytes:
    """Read what an earlier step wrote. Raises LogError where it has not run, or the file cannot be read."""
    if not path.is_file():
        raise LogError(f"{path} must exist, found nothing there; run `dvc repro` or `mstudy analyze` first.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise LogError(f"{path} must be readable, found: {error.strerror or error}; mend its rights.") from None


def content_digest(content: bytes) -> str:
    """Return a digest that tells contents apart."""
    return blake2b(content, digest_size=16).hexdigest()


def move_into_place(finished: Path, path: Path) -> None:
    """Give a file, whose content is on the disk, its final name. Raise OSError if the disk refuses."""
    os.replace(finished, path)
    _sync_folder(path.parent)


def _link_into_place(finished: Path, path: Path) -> None:
    """Give a file a further name, its final one, unless another has it: a link is made by one writer only."""
    try:
        os.link(finished, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links; there the last writer wins
        os.replace(finished, path)
        return
    finished.unlink()
    _sync_folder(path.parent)


def _write(
    path: Path, parts: Iterable[bytes | memoryview], place: Callable[[Path, Path], None] = move_into_place
) -> None:
    # Nobody can foresee the name, and "x" makes a new file: a link that a stranger put there is never followed.
    temporary = path.with_name(f"{path.stem[:_STEM_LENGTH]}.{os.urandom(8).hex()}{TEMPORARY_SUFFIX}")
    sink = temporary.open("xb")
    try:
        with sink:
            for part in parts:
                sink.write(part)
            sink.flush()
            os.fsync(sink.fileno())
        place(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error says why
            temporary.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the system can open a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
