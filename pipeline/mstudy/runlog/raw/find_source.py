"""From what a user names as RUNS to a source: a folder of logs or of packs, here or in an object store."""

from __future__ import annotations

import os
from pathlib import Path

from mstudy.core.errors import LogError
from mstudy.runlog.raw.pack_index import MARK
from mstudy.runlog.raw.packs import open_packs
from mstudy.runlog.raw.source import STORE, Source


def source_of(runs: str | os.PathLike[str] | Source) -> Source:
    """Return the source at a path or address.

    Raises LogError where it is an address of another kind than s3://, or a folder of packs that are not whole.
    """
    if isinstance(runs, Source):
        return runs
    root = os.fspath(runs)
    if "://" in root and not root.lower().startswith(STORE):
        raise LogError(f"The runs folder must be a path or s3://BUCKET/PREFIX, found {root}.")
    source = Source(root)
    return open_packs(root, source.list_files().names) if source.has(MARK) else source


def source_of_run(path: Path) -> tuple[Source, str]:
    """Return the source of one log and its name there: the folder that it lies in, or the packs that a folder above
    its path holds.
    """
    if not path.is_file():
        for folder in path.parents:
            if (folder / MARK).is_file():
                return source_of(folder), path.relative_to(folder).as_posix()
    return source_of(path.parent), path.name
