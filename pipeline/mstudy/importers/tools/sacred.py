"""Sacred: folders of its FileStorageObserver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mstudy.importers.kind import Kind

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


def find(source: Path, mapping: Mapping) -> list[Found]:
    """Return the runs of a FileStorageObserver."""
    from mstudy.importers.documents.sacred import find_sacred

    return find_sacred(source, mapping)


KIND = Kind(
    name="sacred",
    help="folders of Sacred's FileStorageObserver: metrics.json, config.json and run.json.",
    example="mstudy import sacred experiments/ --out runs/",
    find=find,
)
