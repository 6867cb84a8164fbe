"""Where the files of data sets lie, and how a compressed one is read."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

from mstudy.core.errors import DataError
from mstudy.data.catalogue import Entry

BROKEN_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)


def data_root() -> Path:
    """Return $MSTUDY_DATA if set, else mstudy/data in the user's cache."""
    if chosen := os.environ.get("MSTUDY_DATA"):
        return Path(chosen).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # A relative XDG_CACHE_HOME is to be ignored, says its specification.
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "mstudy" / "data"


def own_folder(entry: Entry) -> Path:
    """Return where fetched files of this data set go."""
    return data_root() / entry.name


def folders(entry: Entry) -> list[Path]:
    """Return where files of this data set may lie, the user's own first."""
    return [own_folder(entry), *map(Path, entry.system)]


def locate(entry: Entry) -> tuple[Path, ...] | None:
    """Return the files to read: the best complete list of the first folder that has one; None if there is none.

    Presence alone is looked at; content was checked when the files were fetched.
    """
    for folder in folders(entry):
        for layout in entry.layouts:
            paths = tuple(folder / name for name in layout)
            if all(path.is_file() for path in paths):
                return paths
    return None


def required_files(entry: Entry) -> tuple[Path, ...]:
    """Return the files as `locate` does. Raises DataError where nothing is found."""
    paths = locate(entry)
    if paths is None:
        raise DataError(_missing(entry))
    return paths


def _missing(entry: Entry) -> str:
    names = sorted({name for layout in entry.layouts for name in layout})
    present = [name for name in names if any((folder / name).is_file() for folder in folders(entry))]
    wanted = ", or ".join(" and ".join(layout) for layout in entry.layouts)
    places = " or ".join(map(str, folders(entry)))
    return (
        f"{entry.name} must have its files ({wanted}), found {' and '.join(present) or 'none'} in {places}; "
        f"run `mstudy data fetch {entry.name}`."
    )


def read_file(path: Path) -> bytes:
    """Return the content of a file, with gzip undone where the name ends in .gz.

    Raises DataError if that cannot be had.
    """
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except BROKEN_GZIP as error:
        raise DataError(f"{path} must be a whole gzip file, found a broken one ({error}); fetch it again.") from None
    except OSError as error:
        raise DataError(f"{path} must be readable, found: {error.strerror}.") from None
