"""What lies in a folder: its files, and what cannot be listed or is no file, each said and none left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from mstudy.core.errors import LogError
from mstudy.tables.contracts import RUNS
from mstudy.tables.table import CACHE, PROBLEMS, RESULTS

SUFFIX = ".parquet"
MANIFESTS = ("manifest.csv", "manifest.json", "manifest.parquet")


@dataclass
class Listing:
    """Names relative to the folder, with forward slashes, sorted.

    names: of files. unlisted: folders, and why. links: to folders, not followed. no_files: what is named as a log or
    a manifest and is none, and what it is. outputs: folders of tables that an analysis wrote, whose files are no logs.
    """

    names: list[str] = field(default_factory=list)
    unlisted: list[tuple[str, str]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    no_files: list[tuple[str, str]] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


def list_folder(root: str) -> Listing:
    """Return what is in a folder, at any depth, hidden names left out.

    Raises LogError where there is none, or it cannot be listed.
    """
    try:
        entries = _entries(root)
    except (FileNotFoundError, NotADirectoryError):
        raise LogError(f"The runs folder must exist, found none at {root}.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LogError(f"The runs folder must be a folder that can be listed, found at {root}: {reason}.") from None
    listing = Listing()
    waiting = [("", entries)]
    while waiting:
        prefix, entries = waiting.pop()
        for folder in _sort_out(prefix, entries, listing):
            try:
                waiting.append((f"{folder}/", _entries(os.path.join(root, folder))))
            except OSError as error:
                listing.unlisted.append((folder, str(error.strerror)))
    return without_outputs(
        Listing(sorted(listing.names), sorted(listing.unlisted), sorted(listing.links), sorted(listing.no_files))
    )


def _entries(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _sort_out(prefix: str, entries: list[os.DirEntry[str]], listing: Listing) -> Iterator[str]:
    """Add the entries to the listing; yield the folders among them."""
    for entry in entries:
        name = prefix + entry.name
        try:
            if entry.is_dir(follow_symlinks=False):
                yield name
            elif entry.is_dir():
                listing.links.append(name)
            elif entry.is_file():
                listing.names.append(name)
            elif _is_wanted(name):
                kind = "a link that leads nowhere" if entry.is_symlink() else "a pipe, a socket or a device"
                listing.no_files.append((name, kind))
        except OSError as error:  # a link in a circle, or into a closed folder
            listing.no_files.append((name, str(error.strerror)))


def _is_wanted(name: str) -> bool:
    return name.endswith(SUFFIX) or name in MANIFESTS


def without_outputs(listing: Listing) -> Listing:
    """Return the listing without the tables and the cache of an analysis that wrote to the folder, or into it."""
    marks = {f"{RESULTS}/{RUNS.name}{SUFFIX}": RESULTS, f"{CACHE}/scan/index.json": CACHE}
    outputs = [
        name.removesuffix(mark) + folder
        for name in listing.names
        for mark, folder in marks.items()
        if name == mark or name.endswith(f"/{mark}")
    ]
    names = set(listing.names)
    outputs = [
        folder for folder in outputs if not folder.endswith(RESULTS) or folder.removesuffix(RESULTS) + PROBLEMS in names
    ]
    if not outputs:
        return listing
    inside = tuple(f"{folder}/" for folder in outputs)
    return replace(
        listing, names=[name for name in listing.names if not name.startswith(inside)], outputs=sorted(outputs)
    )
