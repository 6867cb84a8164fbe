"""Keras: what its CSVLogger writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mstudy.importers.kind import Kind

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


def find(source: Path, mapping: Mapping) -> list[Found]:
    """Return the logs below a folder, or one."""
    from mstudy.importers.tool_tables.keras import find_keras

    return find_keras(source, mapping)


KIND = Kind(
    name="keras",
    help="logs of Keras's CSVLogger, a row an epoch.",
    example="mstudy import keras training.log --out runs/ --map map.toml",
    find=find,
)
