"""Journals of a RunLogger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mstudy.importers.kind import Kind

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


def find(source: Path, mapping: Mapping) -> list[Found]:
    """Return the journals below a folder, or one."""
    from mstudy.importers.journals import find_journals

    return find_journals(source)


KIND = Kind(
    name="journal",
    help="the journals that killed runs of a RunLogger left.",
    example="mstudy import journal runs/ --out recovered/",
    find=find,
)
