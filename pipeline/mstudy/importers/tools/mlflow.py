"""MLflow: its database, or its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mstudy.importers.kind import Kind

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


def find(source: Path, mapping: Mapping) -> list[Found]:
    """Return the runs of a database or of `mlruns/`."""
    from mstudy.importers.databases.mlflow import find_mlflow

    return find_mlflow(source)


KIND = Kind(
    name="mlflow",
    help="MLflow's mlflow.db or mlruns/.",
    example="mstudy import mlflow mlflow.db --out runs/",
    find=find,
)
