"""TensorBoard: folders with event files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mstudy.importers.kind import Kind

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


def find(source: Path, mapping: Mapping) -> list[Found]:
    """Return the runs below a folder, or of one event file."""
    from mstudy.importers.tensorboard.find import find_tensorboard

    return find_tensorboard(source)


KIND = Kind(
    name="tensorboard",
    help="TensorBoard event files; a run is a folder.",
    example="mstudy import tensorboard logs/ --out runs/",
    find=find,
)
