"""Reads a folder of runs: each file is checked by itself, so that one bad file is named and harms no other."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mstudy.errors import LogError
from mstudy.runlog.schema import (
    COMPLETED,
    DIVERGED,
    HEAVY_BALL,
    METADATA_KEY,
    OPTIMIZERS,
    OPTIONAL_COLUMNS,
    REQUIRED_METADATA,
    SCHEMA_VERSION,
    SGD,
    STATUSES,
)
from mstudy.tables import CELL, RUNS

POINTS_SCHEMA = pl.Schema(
    {"step": pl.Int64(), "loss": pl.Float64()} | {name: pl.Float64() for name in OPTIONAL_COLUMNS}
)


@dataclass(frozen=True)
class Problem:
    """A file that cannot be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class RunFolder:
    """runs: one row a run (tables.RUNS). points: `run_id` and the log's columns, one row a logged step, in order."""

    runs: pl.DataFrame
    points: pl.DataFrame
    problems: list[Problem]


def read_runs(folder: Path, skip_bad: bool = False) -> RunFolder:
    """Read every `*.parquet` below `folder`.

    Raises LogError when the folder is missing, empty or without a readable run, when two files claim one run, and,
    unless `skip_bad`, when any file is bad.
    """
    runs, points, problems, n_files = _read_all(folder)
    if not runs:
        raise LogError(
            f"{folder} must hold at least one readable run, found {n_files} files, none readable; "
            f"the first: {problems[0].path}: {problems[0].reason}"
        )
    if problems and not skip_bad:
        raise LogError(_describe(problems, n_files, folder))
    doubles = _find_doubles(runs)
    if doubles:
        raise LogError(f"Each run must occur once: {doubles[0].path}: {doubles[0].reason}")
    return RunFolder(RUNS.frame(runs), pl.concat(points), problems)


def check_runs(folder: Path) -> tuple[int, list[Problem]]:
    """Number of files, and every problem in them. Raises LogError when the folder is missing or empty."""
    runs, _, problems, n_files = _read_all(folder)
    return n_files, problems + _find_doubles(runs)


def _read_all(folder: Path) -> tuple[list[dict[str, Any]], list[pl.DataFrame], list[Problem], int]:
    """Rows of tables.RUNS, their points, the bad files, and how many files there are."""
    paths = _list_files(folder)
    runs: list[dict[str, Any]] = []
    points: list[pl.DataFrame] = []
    problems: list[Problem] = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            run, rows = _read_one(path, name)
        except LogError as error:
            problems.append(Problem(name, str(error)))
            continue
        runs.append(run)
        points.append(rows)
    return runs, points, problems, len(paths)


def _list_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise LogError(f"The runs folder must exist, found none at {folder}.")
    paths = sorted(p for p in folder.rglob("*.parquet") if not p.name.startswith("."))
    if not paths:
        raise LogError(f"The runs folder must hold runs, found no *.parquet file in {folder}.")
    return paths


def _describe(problems: list[Problem], n_files: int, folder: Path) -> str:
    shown = "; ".join(f"{p.path}: {p.reason}" for p in problems[:5])
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    return (
        f"Every run must be readable, found {len(problems)} of {n_files} files bad in {folder}: {shown}{more} "
        f"Mend or remove them, or leave them out with --skip-bad."
    )


def _find_doubles(runs: list[dict[str, Any]]) -> list[Problem]:
    """Two files of one run, or two runs of one cell and seed, would count one observation twice."""
    problems: list[Problem] = []
    for key, what in ((("run_id",), "run_id"), ((*CELL, "seed"), "setting, learning rate and seed")):
        seen: dict[tuple[Any, ...], str] = {}
        for run in runs:
            first = seen.setdefault(tuple(run[column] for column in key), run["path"])
            if first != run["path"] and all(p.path != run["path"] for p in problems):
                problems.append(Problem(run["path"], f"it has the same {what} as {first}; remove one of the two."))
    return problems


def _read_one(path: Path, name: str) -> tuple[dict[str, Any], pl.DataFrame]:
    rows = _read_rows(path)
    metadata = _read_metadata(path)
    run = _describe_run(metadata, name)
    _check_rows(rows, run)
    last_step = rows.item(-1, "step")
    run |= {"n_points": len(rows), "last_step": last_step, "final_loss": _final_loss(rows, run["status"])}
    return run, rows.select(pl.lit(run["run_id"]).alias("run_id"), pl.all())


def _read_rows(path: Path) -> pl.DataFrame:
    try:
        found = pl.read_parquet_schema(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise LogError(f"not a whole Parquet file ({_first_line(error)}).") from None
    for column in ("step", "loss"):
        if column not in found:
            raise LogError(f"the column {column} must exist, found {', '.join(found)}.")
    wrong = [c for c in POINTS_SCHEMA if c in found and not found[c].is_numeric() and found[c] != pl.Null]
    if wrong:
        raise LogError(f"the column {wrong[0]} must hold numbers, found {found[wrong[0]]}.")
    present = [c for c in POINTS_SCHEMA if c in found]
    try:
        rows = pl.read_parquet(path, columns=present).cast({c: POINTS_SCHEMA[c] for c in present})
    except (pl.exceptions.PolarsError, OSError) as error:
        raise LogError(f"its rows cannot be read ({_first_line(error)}).") from None
    absent = [pl.lit(None, dtype=POINTS_SCHEMA[c]).alias(c) for c in POINTS_SCHEMA if c not in found]
    return rows.with_columns(absent).select(POINTS_SCHEMA.names())


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _read_metadata(path: Path) -> dict[str, Any]:
    text = pl.read_parquet_metadata(path).get(METADATA_KEY)
    if text is None:
        raise LogError(f"the file's metadata must hold the entry {METADATA_KEY!r}, found none.")
    try:
        metadata = json.loads(text)
    except ValueError:
        raise LogError(f"the metadata entry {METADATA_KEY!r} must be JSON, found {text[:40]!r}.") from None
    if not isinstance(metadata, dict):
        raise LogError(f"the metadata entry {METADATA_KEY!r} must be a JSON object, found {text[:40]!r}.")
    if metadata.get("schema", SCHEMA_VERSION) != SCHEMA_VERSION:
        raise LogError(f"the schema version must be {SCHEMA_VERSION}, found {metadata['schema']!r}.")
    return metadata


def _describe_run(metadata: dict[str, Any], name: str) -> dict[str, Any]:
    """The run's row of tables.RUNS, as far as the metadata says."""
    for key in REQUIRED_METADATA:
        if key not in metadata:
            raise LogError(f"the metadata must give {key}, found {', '.join(sorted(metadata)) or 'nothing'}.")
    optimizer, momentum = _optimizer(metadata)
    learning_rate = _number(metadata, "learning_rate", above=0.0)
    batch_size = int(_number(metadata, "batch_size", above=0.0))
    status = metadata.get("status", COMPLETED)
    if status not in STATUSES:
        raise LogError(f"status must be one of {', '.join(STATUSES)}, found {status!r}.")
    # Six digits: 0.1 * (1 - 0.9) / (1 - 0.9) must meet 0.1.
    eta_ef = float(f"{learning_rate / (1 - momentum):.6g}")
    diverged_step = metadata.get("diverged_step")
    return {
        "run_id": str(metadata.get("run_id", Path(name).stem)),
        "path": name,
        **{key: str(metadata.get(key, "")) for key in ("study", "model", "dataset", "objective")},
        "batch_size": batch_size,
        "n_train": metadata.get("n_train"),
        "eta_ef": eta_ef,
        "eta_ef_per_sample": eta_ef / batch_size,
        "optimizer": optimizer,
        "momentum": momentum,
        "learning_rate": learning_rate,
        "seed": int(_number(metadata, "seed")),
        "status": status,
        "diverged_step": None if diverged_step is None else int(diverged_step),
    }


def _optimizer(metadata: dict[str, Any]) -> tuple[str, float]:
    if "optimizer" not in metadata and "momentum" not in metadata:
        raise LogError("the metadata must give optimizer or momentum, found neither.")
    optimizer = metadata.get("optimizer")
    momentum = 0.0 if optimizer == SGD and "momentum" not in metadata else _number(metadata, "momentum")
    optimizer = optimizer or (HEAVY_BALL if momentum > 0 else SGD)
    if optimizer not in OPTIMIZERS:
        raise LogError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, found {optimizer!r}.")
    if not 0 <= momentum < 1:
        raise LogError(f"momentum must be at least 0 and below 1, found {momentum!r}.")
    if (optimizer == SGD) != (momentum == 0):
        raise LogError(f"momentum must be 0 for sgd and above 0 otherwise, found {momentum!r} with {optimizer!r}.")
    return optimizer, momentum


def _number(metadata: dict[str, Any], key: str, above: float = -math.inf) -> float:
    value = metadata.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= above:
        rule = f"a finite number above {above:g}" if above > -math.inf else "a finite number"
        raise LogError(f"{key} must be {rule}, found {value!r}.")
    return float(value)


def _check_rows(rows: pl.DataFrame, run: dict[str, Any]) -> None:
    if rows.is_empty():
        raise LogError("the log must hold at least one row, found none.")
    for column in ("step", "loss"):
        if rows[column].null_count() > 0:
            raise LogError(f"{column} must be given in every row, found {rows[column].null_count()} nulls.")
    backward = rows["step"].diff() <= 0
    if backward.any():
        row = int(backward.fill_null(False).arg_max() or 0)
        raise LogError(f"step must increase strictly, found {rows['step'][row]} after {rows['step'][row - 1]}.")
    if rows["step"][0] < 0:
        raise LogError(f"step must be at least 0, found {rows['step'][0]}.")
    finite = rows["loss"].is_finite()
    if not finite.all() and run["status"] != DIVERGED:
        row = int((~finite).arg_max() or 0)
        found = f"{rows['loss'][row]!r} at step {rows['step'][row]}"
        raise LogError(f"loss must be finite in a run that has not diverged, found {found}.")


def _final_loss(rows: pl.DataFrame, status: str) -> float | None:
    """Geometric mean of the loss over the last tenth of the steps: at the edge of stability one value is a lottery."""
    if status == DIVERGED:
        return None
    late = rows.filter(pl.col("step") >= 0.9 * pl.col("step").max())["loss"]
    positive = late.filter(late > 0).to_numpy()
    return float(np.exp(np.log(positive).mean())) if len(positive) == len(late) else float(late.to_numpy().mean())
