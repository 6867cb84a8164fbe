"""DeepOBS: one JSON document a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mstudy.importers.kind import Kind

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


def find(source: Path, mapping: Mapping) -> list[Found]:
    """Return the runs of DeepOBS."""
    from mstudy.importers.documents.deepobs import find_deepobs

    return find_deepobs(source, mapping)


KIND = Kind(
    name="deepobs",
    help="results of DeepOBS, a JSON document a run.",
    example="mstudy import deepobs results/ --out runs/ --skip-bad",
    find=find,
)
