"""Tables of any make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mstudy.importers.kind import Kind

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


def find(source: Path, mapping: Mapping) -> list[Found]:
    """Return the runs of one table, or of all below a folder."""
    from mstudy.importers.tables.find_tables import find_csv

    return find_csv(source, mapping)


KIND = Kind(
    name="csv",
    help="CSV, TSV or JSON lines, wide or long.",
    example="mstudy import csv results.csv --out runs/ --map map.toml",
    find=find,
)
