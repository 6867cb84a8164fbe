"""DVCLive: a folder of tables, one for each metric."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mstudy.importers.kind import Kind

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


def find(source: Path, mapping: Mapping) -> list[Found]:
    """Return the folders of DVCLive."""
    from mstudy.importers.tool_tables.dvclive import find_dvclive

    return find_dvclive(source, mapping)


KIND = Kind(
    name="dvclive",
    help="folders of DVCLive.",
    example="mstudy import dvclive dvclive/ --out runs/",
    find=find,
)
