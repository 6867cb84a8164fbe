"""The files of a source. Nothing is left out in silence: what may not be listed is an error, the rest is counted.

Links are followed, also out of the source, as the caches of hubs and of DVC need it: each folder once, so no loop ends
in itself.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import NoReturn

from mstudy.core.errors import LogError, shown
from mstudy.core.outside import kind_of_other

MAX_ENTRIES = 1_000_000  # files and folders of a source
_DEAD, _AGAIN = "links to nothing", "links to folders that are read already"
_OTHER, _OUT = "entries that are no plain files", "links that lead out of the source"
_Entry = tuple[Path, str | None]


def files_below(root: Path, *patterns: str) -> list[Path]:
    """Return plain files below the folder, or the file itself; links are followed.

    Raises LogError where the source, or a folder in it, cannot be read.
    """
    if S_ISREG(_mode_of_source(root)):
        return [root]
    plain = (path for path, about in _entries(root) if about in (None, _OUT) and not path.is_dir())
    return sorted(path for path in plain if any(fnmatchcase(path.name, pattern) for pattern in patterns))


def passed_over(root: Path) -> tuple[str, ...]:
    """Return notes on what in the source is not read, and on links out of it: how many, and the first."""
    if S_ISREG(_mode_of_source(root)):
        return ()
    found: dict[str, list[Path]] = {}
    for path, about in _entries(root):
        if about is not None:
            found.setdefault(about, []).append(path)
    return tuple(
        f"{'followed' if what == _OUT else 'passed over'}: {len(paths)} {what}, the first {min(paths)}"
        for what, paths in sorted(found.items())
    )


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


def _entries(root: Path) -> Iterator[_Entry]:
    """Yield the files below a folder, and links to folders, with what is to be said of them; None where it is nothing.

    What lies in the source itself goes before what a link leads to, so that a link to it adds nothing.
    """
    home = root.resolve()
    seen, linked, n_entries = {home}, [root], 0
    while linked:
        top = linked.pop(0)
        for folder, folders, names in os.walk(top, onerror=_refuse):
            n_entries += len(folders) + len(names)
            if n_entries > MAX_ENTRIES:
                raise LogError(f"A source must have at most {MAX_ENTRIES:,} files and folders, found more in {root}.")
            seen.add(Path(folder).resolve())
            paths = [Path(folder, name) for name in sorted(folders)]
            links = [path for path in paths if path.is_symlink()]
            folders[:] = [path.name for path in paths if path not in links and path.resolve() not in seen]
            linked += links
            yield from ((path, _about(path, home)) for path in (Path(folder, name) for name in names))
        while linked and linked[0].resolve() in seen:
            yield linked.pop(0), _AGAIN
        if linked:
            yield linked[0], _OUT


def _about(path: Path, home: Path) -> str | None:
    try:
        if not S_ISREG(path.stat().st_mode):
            return _OTHER
        return _OUT if path.is_symlink() and not path.resolve().is_relative_to(home) else None
    except FileNotFoundError:  # a link to nothing, or a file that was there a moment ago
        return _DEAD if path.is_symlink() else _OTHER
    except OSError as error:
        if path.is_symlink() and error.errno == errno.ELOOP:
            return _DEAD
        _refuse(error, path)


def _refuse(error: OSError, path: Path | None = None) -> NoReturn:
    where = shown(str(path or error.filename))
    raise LogError(f"All that lies in the source must be readable, found {where}: {error.strerror}.") from None
