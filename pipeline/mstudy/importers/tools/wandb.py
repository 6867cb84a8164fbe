"""Weights & Biases: exported histories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mstudy.importers.kind import Kind

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


def find(source: Path, mapping: Mapping) -> list[Found]:
    """Return the runs below a folder of exports, or of one."""
    from mstudy.importers.tool_tables.wandb import find_wandb

    return find_wandb(source, mapping)


KIND = Kind(
    name="wandb",
    help="histories exported from Weights & Biases, as Parquet, CSV or JSON lines.",
    example="mstudy import wandb exports/ --out runs/",
    find=find,
)
