"""Lightning: what its CSVLogger writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mstudy.importers.kind import Kind

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


def find(source: Path, mapping: Mapping) -> list[Found]:
    """Return the folders with a metrics.csv."""
    from mstudy.importers.tool_tables.lightning import find_lightning

    return find_lightning(source, mapping)


KIND = Kind(
    name="lightning",
    help="logs of Lightning's CSVLogger: metrics.csv and hparams.yaml.",
    example="mstudy import lightning lightning_logs/ --out runs/",
    find=find,
)
