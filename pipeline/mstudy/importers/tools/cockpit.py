"""Cockpit: one JSON document a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mstudy.importers.kind import Kind

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


def find(source: Path, mapping: Mapping) -> list[Found]:
    """Return the runs that a Cockpit watched."""
    from mstudy.importers.documents.cockpit import find_cockpit

    return find_cockpit(source, mapping)


KIND = Kind(
    name="cockpit",
    help="logs of Cockpit, a JSON document a run.",
    example="mstudy import cockpit logs/ --out runs/",
    find=find,
)
