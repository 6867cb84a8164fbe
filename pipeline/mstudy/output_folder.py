"""The folder that an analysis writes: apart from the runs, locked against a second analysis, replaced at the end."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mstudy.core.errors import ConfigError, LogError
from mstudy.core.files import move_into_place
from mstudy.core.outside import lie_apart

try:
    import fcntl
except ImportError:  # Windows has no flock
    fcntl = None  # type: ignore[assignment]

UNFINISHED = ".unfinished-"  # what a killed analysis leaves begins so, and the next one removes it
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL)  # what file systems without locks answer
_REMOTE = "://"


def require_apart(out: Path, other: str | os.PathLike[str], names: tuple[str, str] = ("OUT", "RUNS")) -> None:
    """Raise ConfigError where one of two folders is or holds the other, also through links. names: for the sentence."""
    if _REMOTE not in os.fspath(other) and not lie_apart(out, Path(other)):
        raise ConfigError(
            f"{names[0]} and {names[1]} must be folders apart, neither inside the other, found {out} and "
            f"{os.fspath(other)}; choose another {names[0]}."
        )


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep a second analysis from writing the same folder while the context lasts. Raises LogError where one does.

    The lock is on the folder itself and ends with this process, however that ends: nothing stays behind. Where the
    file system has no locks, none is taken; the stamps still tell results apart that do not belong together.
    """
    descriptor = _open(out)
    try:
        _lock(descriptor, out)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def replaced_at_end(out: Path) -> Iterator[Path]:
    """Give a new folder to write results to; in the end its files take the places of those in `out`.

    If anything is raised, `out` stays as it was. `out` must be locked: what a killed analysis left is removed.
    """
    new = _new_folder(out)
    try:
        yield new
        _move_all(new, out)
    finally:
        shutil.rmtree(new, ignore_errors=True)  # the first error says why


def _move_all(new: Path, out: Path) -> None:
    try:
        for finished in sorted(path for path in new.rglob("*") if path.is_file()):
            place = out / finished.relative_to(new)
            place.parent.mkdir(parents=True, exist_ok=True)
            move_into_place(finished, place)
    except OSError as error:
        raise _unwritable(out, error) from None


def _new_folder(out: Path) -> Path:
    try:
        for left in out.glob(f"{UNFINISHED}*"):
            if not left.is_symlink():
                shutil.rmtree(left)
        return Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=out))
    except OSError as error:
        raise _unwritable(out, error) from None


def _open(out: Path) -> int:
    try:
        out.mkdir(parents=True, exist_ok=True)
        return os.open(out, os.O_RDONLY)
    except OSError as error:
        raise _unwritable(out, error) from None


def _unwritable(out: Path, error: OSError) -> LogError:
    return LogError(f"The output folder must be writable, found at {out}: {error.strerror or error}.")


def _lock(descriptor: int, out: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LogError(
            f"One analysis at a time may write {out}, found another at work there; wait for it, or choose another OUT."
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
