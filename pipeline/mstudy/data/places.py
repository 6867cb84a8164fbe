"""Where the files of data sets lie, and how a compressed one is read."""

from __future__ import annotations

import gzip
import io
import os
import stat
import zlib
from pathlib import Path

from mstudy.core.errors import DataError, shown
from mstudy.core.outside import require_plain
from mstudy.data.catalogue import Entry

BROKEN_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)
MAX_BYTES = 1 << 29  # of a file, and of what its gzip holds: thrice the largest that is known by name


def data_root() -> Path:
    """Return $MSTUDY_DATA if set, else mstudy/data in the user's cache. Raises DataError where there is no home."""
    chosen = os.environ.get("MSTUDY_DATA")
    try:
        return _cache() / "mstudy" / "data" if not chosen else Path(chosen).expanduser()
    except RuntimeError as error:  # so pathlib says that a user has no home
        raise DataError(f"MSTUDY_DATA must name a folder, found {shown(chosen)} ({error}); set it.") from None


def _cache() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # A relative XDG_CACHE_HOME is to be ignored, says its specification.
    return cache if cache.is_absolute() else Path.home() / ".cache"


def own_folder(entry: Entry) -> Path:
    """Return where fetched files of this data set go."""
    return data_root() / entry.name


def folders(entry: Entry) -> list[Path]:
    """Return where files of this data set may lie, the user's own first."""
    return [own_folder(entry), *map(Path, entry.system)]


def locate(entry: Entry) -> tuple[Path, ...] | None:
    """Return the files to read: from the first folder that holds all files of a list. Return None if no folder does.

    Presence alone is looked at; content was checked when the files were fetched. Raises DataError where a folder does
    not let us look.
    """
    for folder in folders(entry):
        for layout in entry.layouts:
            paths = tuple(folder / name for name in layout)
            if all(is_there(path) for path in paths):
                return paths
    return None


def is_there(path: Path) -> bool:
    """Return whether the path is a plain file, or a link to one. Raises DataError where the system does not say."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise DataError(f"{path} must be readable, found: {error.strerror}.") from None


def required_files(entry: Entry) -> tuple[Path, ...]:
    """Return the files as `locate` does. Raises DataError where nothing is found."""
    paths = locate(entry)
    if paths is None:
        raise DataError(_missing(entry))
    return paths


def _missing(entry: Entry) -> str:
    names = sorted({name for layout in entry.layouts for name in layout})
    present = [name for name in names if any(is_there(folder / name) for folder in folders(entry))]
    wanted = ", or ".join(" and ".join(layout) for layout in entry.layouts)
    places = " or ".join(map(str, folders(entry)))
    return (
        f"{entry.name} must have its files ({wanted}), found {' and '.join(present) or 'none'} in {places}; "
        f"run `mstudy data fetch {entry.name}`."
    )


def read_file(path: Path) -> bytes:
    """Return the content of a file, with gzip undone where the name ends in .gz.

    Raises DataError if that cannot be had, or is larger than MAX_BYTES.
    """
    data = read_raw(path)
    try:
        return undo_gzip(data, path) if path.suffix == ".gz" else data
    except BROKEN_GZIP as error:
        raise DataError(f"{path} must be a whole gzip file, found a broken one ({error}); fetch it again.") from None


def read_raw(path: Path) -> bytes:
    """Return the content of a file. Raises DataError if that cannot be had, or is larger than MAX_BYTES."""
    try:
        require_plain(path, MAX_BYTES, DataError)
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} must be readable, found: {error.strerror}.") from None


def undo_gzip(data: bytes, path: Path) -> bytes:
    """Return what a gzip holds. Raises one of BROKEN_GZIP, and DataError beyond MAX_BYTES: zeros shrink to nothing."""
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as content:
        plain = content.read(MAX_BYTES + 1)
    if len(plain) > MAX_BYTES:
        raise DataError(f"{path} must hold at most {MAX_BYTES:,} bytes, found more under its gzip.")
    return plain
