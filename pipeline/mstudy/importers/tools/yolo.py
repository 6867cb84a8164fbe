"""YOLO, of Ultralytics: results.csv and args.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mstudy.importers.kind import Kind

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


def find(source: Path, mapping: Mapping) -> list[Found]:
    """Return the folders with a results.csv."""
    from mstudy.importers.tool_tables.yolo import find_yolo

    return find_yolo(source, mapping)


KIND = Kind(
    name="yolo",
    help="folders of Ultralytics YOLO: results.csv and args.yaml.",
    example="mstudy import yolo runs/detect/ --out logs/ --map map.toml",
    find=find,
)
