"""MLflow: the database `mlflow.db` (SQLite), or the folder `mlruns/`; both only read."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from mstudy.core.errors import LogError
from mstudy.core.outside import require_plain
from mstudy.core.statuses import RunStatus
from mstudy.importers.databases.sqlite import Database, columns_of, database_at, query
from mstudy.importers.settings.files import load_small
from mstudy.importers.source_files import files_below, is_plain
from mstudy.importers.source_run import MAX_BYTES, Found, Series, Setting, SourceRun

_DELETED = "deleted in MLflow"
_TRASH = ".trash"
_TABLES = ("runs", "metrics", "params")
_COMPLETED = ("FINISHED", 3, "3")  # a name in the database, its number in meta.yaml
_MAX_METRIC_BYTES = 1 << 31
_INFINITY = 1.79e308  # the database holds infinity as the largest float


def find_mlflow(root: Path) -> list[Found]:
    """Return the runs of a database, or of a folder that holds one, or of `mlruns/`.

    Raises LogError where there are none.
    """
    databases = files_below(root, "mlflow.db")
    if databases:
        return [run for path in databases for run in _runs_of_database(path)]
    runs = [p for p in files_below(root, "meta.yaml") if (p.parent / "metrics").is_dir()]
    if not runs:
        raise LogError(f"The source must hold mlflow.db or mlruns/, found neither in {root}.")
    return [
        Found(f"{p.parent.parent.name}/{p.parent.name}", partial(_read_folder, p), _DELETED if _is_deleted(p) else None)
        for p in runs
    ]


def _runs_of_database(path: Path) -> list[Found]:
    database = database_at(path, "MLflow's")
    has_experiments = {"experiment_id", "lifecycle_stage"} <= columns_of(database, "experiments")
    is_kept = has_experiments and "experiment_id" in columns_of(database, "runs")
    rows = query(database, _TABLES, _RUNS_OF_EXPERIMENTS if is_kept else _RUNS)
    return [
        Found(
            str(run),
            partial(_read_database, database, str(run), str(status)),
            None if stage == "active" and experiment != "deleted" else _DELETED,
        )
        for run, status, stage, experiment in rows
    ]


def _read_database(database: Database, run: str, status: str) -> SourceRun:
    metrics: dict[str, list[tuple[int, int, float]]] = {}
    text = "SELECT key, step, timestamp, value, is_nan FROM metrics WHERE run_uuid = ?"
    for key, step, time, value, is_nan in query(database, _TABLES, text, run):
        metrics.setdefault(str(key), []).append(_point(step, time, np.nan if is_nan else value, database.path))
    params: dict[str, Setting] = {str(k): str(v) for k, v in query(database, _TABLES, _PARAMS, run)}
    return _run(run, metrics, params, RunStatus.COMPLETED if status in _COMPLETED else RunStatus.INTERRUPTED, ())


_PARAMS = "SELECT key, value FROM params WHERE run_uuid = ?"
_RUNS = "SELECT run_uuid, status, lifecycle_stage, '' FROM runs ORDER BY rowid"
_RUNS_OF_EXPERIMENTS = (
    "SELECT r.run_uuid, r.status, r.lifecycle_stage, e.lifecycle_stage FROM runs r "
    "LEFT JOIN experiments e ON e.experiment_id = r.experiment_id ORDER BY r.rowid"
)


def _is_deleted(meta: Path) -> bool:
    """Return whether a run, or its experiment, was deleted; a file that says nothing of it is one of a run."""
    if _TRASH in meta.parts:
        return True
    for path in (meta, meta.parent.parent / "meta.yaml"):
        try:
            about = load_small(path) if is_plain(path) else {}
        except LogError:
            continue
        if isinstance(about, dict) and about.get("lifecycle_stage") == "deleted":
            return True
    return False


def _read_folder(meta: Path) -> SourceRun:
    folder = meta.parent
    about = load_small(meta)
    if not isinstance(about, dict):
        raise LogError(f"MLflow's meta.yaml must be a mapping, found {type(about).__name__} in {meta}.")
    metrics, notes = {}, []
    for path in files_below(folder / "metrics", "*"):
        metrics[_key(path, folder / "metrics")], note = _read_metric(path)
        notes += note
    params: dict[str, Setting] = {}
    if (folder / "params").is_dir():
        params = {
            _key(path, folder / "params"): _read_text(path).strip()
            for path in files_below(folder / "params", "*")
            if not path.is_symlink()  # MLflow writes none: it would lead to what is none of its own
        }
    status = RunStatus.COMPLETED if about.get("status") in _COMPLETED else RunStatus.INTERRUPTED
    return _run(f"{folder.parent.name}/{folder.name}", metrics, params, status, tuple(notes))


def _key(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise LogError(f"A parameter of MLflow must be at most a megabyte, found more in {path}.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LogError(f"A parameter of MLflow must be readable text, found {path}: {error}.") from None


def _read_metric(path: Path) -> tuple[list[tuple[int, int, float]], list[str]]:
    """Return lines "timestamp value step", and a note on a last line without its end, which is torn."""
    points: list[tuple[int, int, float]] = []
    require_plain(path, _MAX_METRIC_BYTES, LogError)
    with path.open("rb") as source:
        for number, line in enumerate(iter(partial(source.readline, MAX_BYTES), b""), 1):
            if not line.endswith(b"\n"):
                return points, [f"the last line of {path}, which has no end, is left out as torn"]
            words = line.split()
            try:
                time, value, step = words[0], words[1], words[2] if len(words) > 2 else b"0"
                points.append(_point(int(step), int(time), float(value), path))
            except (ValueError, IndexError):
                raise LogError(
                    f'A metric of MLflow must have lines "timestamp value step", found {line[:40]!r} '
                    f"in {path}, line {number}."
                ) from None
    return points, []


def _point(step: object, time: object, value: object, path: Path) -> tuple[int, int, float]:
    fine = isinstance(step, int) and isinstance(time, int) and isinstance(value, int | float)
    if not fine or not -(2**63) <= int(step) < 2**63:  # type: ignore[call-overload]
        raise LogError(f"A metric of MLflow must have a whole step and a number, found {step!r}, {value!r} in {path}.")
    number = float(value)  # type: ignore[arg-type]
    return int(step), int(time), np.copysign(np.inf, number) if abs(number) > _INFINITY else number  # type: ignore[call-overload]


def _run(
    name: str,
    metrics: dict[str, list[tuple[int, int, float]]],
    params: dict[str, Setting],
    status: RunStatus,
    notes: tuple[str, ...],
) -> SourceRun:
    series = {key: _series(points) for key, points in metrics.items() if points}
    written = {key: np.array([step for step, _, _ in points], dtype=np.int64) for key, points in metrics.items()}
    return SourceRun(name, series, params, status, notes, written)


def _series(points: list[tuple[int, int, float]]) -> Series:
    """Sort points by step; of two values at one step the one logged later stays."""
    last: dict[int, float] = {step: value for step, _, value in sorted(points, key=lambda point: point[:2])}
    return Series(np.array(list(last), dtype=np.int64), np.array(list(last.values()), dtype=np.float64))
