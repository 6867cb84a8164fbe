"""The tools whose logs can be imported: one entry each. The command line is made of this list, so it needs no library.

Each `find` imports the reader of its tool itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


@dataclass(frozen=True)
class Kind:
    """One tool.

    name: the command is `mstudy import NAME`. help: what is imported, after the word "Import". example: a command line.
    find: (source, map) -> the runs of the source; raises LogError where it has none.
    """

    name: str
    help: str
    example: str
    find: Callable[[Path, Mapping], list[Found]]


def _tensorboard(source: Path, mapping: Mapping) -> list[Found]:
    from mstudy.importers.tensorboard.find import find_tensorboard

    return find_tensorboard(source)


def _wandb(source: Path, mapping: Mapping) -> list[Found]:
    from mstudy.importers.wandb import find_wandb

    return find_wandb(source, mapping)


def _mlflow(source: Path, mapping: Mapping) -> list[Found]:
    from mstudy.importers.mlflow import find_mlflow

    return find_mlflow(source)


def _csv(source: Path, mapping: Mapping) -> list[Found]:
    from mstudy.importers.csv import find_csv

    return find_csv(source, mapping)


def _journal(source: Path, mapping: Mapping) -> list[Found]:
    from mstudy.importers.journals import find_journals

    return find_journals(source)


KINDS = (
    Kind(
        "tensorboard",
        "TensorBoard event files; a run is a folder.",
        "mstudy import tensorboard logs/ --out runs/",
        _tensorboard,
    ),
    Kind(
        "wandb",
        "histories exported from Weights & Biases, as Parquet, CSV or JSON lines.",
        "mstudy import wandb exports/ --out runs/",
        _wandb,
    ),
    Kind("mlflow", "MLflow's mlflow.db or mlruns/.", "mstudy import mlflow mlflow.db --out runs/", _mlflow),
    Kind(
        "csv",
        "CSV, TSV or JSON lines, wide or long.",
        "mstudy import csv results.csv --out runs/ --map map.toml",
        _csv,
    ),
    Kind(
        "journal",
        "the journals that killed runs of a RunLogger left.",
        "mstudy import journal runs/ --out recovered/",
        _journal,
    ),
)
