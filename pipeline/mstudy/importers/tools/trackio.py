"""Trackio: its local database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mstudy.importers.kind import Kind

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


def find(source: Path, mapping: Mapping) -> list[Found]:
    """Return the runs of Trackio's databases."""
    from mstudy.importers.databases.trackio import find_trackio

    return find_trackio(source, mapping)


KIND = Kind(
    name="trackio",
    help="Trackio's local database, a file a project.",
    example="mstudy import trackio ~/.cache/huggingface/trackio/ --out runs/",
    find=find,
)
