"""The files of a source. Nothing is left out in silence: what may not be listed is an error, the rest is counted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import NoReturn

from mstudy.core.errors import LogError, shown
from mstudy.core.outside import kind_of_other

_LINK, _OTHER = "links that are not followed", "entries that are no plain files"


def files_below(root: Path, *patterns: str) -> list[Path]:
    """Return plain files below the folder, or the file itself; a link to a folder, or out of this one, is passed over.

    Raises LogError where the source, or a folder in it, cannot be read.
    """
    if S_ISREG(_mode_of_source(root)):
        return [root]
    plain = (path for path, why_not in _entries(root) if why_not is None)
    return sorted(path for path in plain if any(fnmatchcase(path.name, pattern) for pattern in patterns))


def passed_over(root: Path) -> tuple[str, ...]:
    """Return notes on what in the source is not read, whatever its name: how many, and the first."""
    if S_ISREG(_mode_of_source(root)):
        return ()
    found: dict[str, list[Path]] = {}
    for path, why_not in _entries(root):
        if why_not is not None:
            found.setdefault(why_not, []).append(path)
    return tuple(f"passed over: {len(paths)} {why}, the first {min(paths)}" for why, paths in sorted(found.items()))


def is_plain(path: Path) -> bool:
    """Return whether a plain file is there. Raises LogError where the system does not say."""
    try:
        return S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        _refuse(error, path)


def _mode_of_source(root: Path) -> int:
    try:
        mode = root.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise LogError(f"The source must exist, found nothing at {root}.") from None
    except OSError as error:
        raise LogError(f"The source must be readable, found {shown(str(root))}: {error.strerror}.") from None
    if not (S_ISREG(mode) or S_ISDIR(mode)):
        raise LogError(f"The source must be a file or a folder, found {kind_of_other(mode)} at {root}.")
    return mode


def _entries(root: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield what lies below a folder, and why it is not read; None where it is."""
    home = root.resolve()
    for folder, folders, names in os.walk(root, onerror=_refuse):
        yield from ((Path(folder, name), _LINK) for name in folders if Path(folder, name).is_symlink())
        for name in names:
            path = Path(folder, name)
            yield path, _why_not(path, home)


def _why_not(path: Path, home: Path) -> str | None:
    if path.is_symlink() and not (path.resolve().is_relative_to(home) and path.exists()):
        return _LINK
    try:
        return None if S_ISREG(path.stat().st_mode) else _OTHER
    except FileNotFoundError:  # it was there a moment ago
        return _OTHER
    except OSError as error:
        _refuse(error, path)


def _refuse(error: OSError, path: Path | None = None) -> NoReturn:
    where = shown(str(path or error.filename))
    raise LogError(f"All that lies in the source must be readable, found {where}: {error.strerror}.") from None
