"""MLflow: the database `mlflow.db` (SQLite), or the folder `mlruns/`; both only read."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import weakref
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import numpy as np

from mstudy.core.errors import LogError
from mstudy.core.outside import require_plain
from mstudy.core.statuses import RunStatus
from mstudy.importers.settings import load_small
from mstudy.importers.source_files import files_below, is_plain
from mstudy.importers.source_run import MAX_BYTES, Found, Series, Setting, SourceRun

_TABLES = ("runs", "metrics", "params")
_COMPLETED = ("FINISHED", 3, "3")  # a name in the database, its number in meta.yaml
_WAL = 2  # in the header of a database, of either version: it is in WAL mode
_MAX_DATABASE_BYTES = 1 << 36
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
    return [Found(f"{p.parent.parent.name}/{p.parent.name}", partial(_read_folder, p)) for p in runs]


def _runs_of_database(path: Path) -> list[Found]:
    database = _database(path)
    rows = _query(database, "SELECT run_uuid, status FROM runs WHERE lifecycle_stage = 'active' ORDER BY rowid")
    return [Found(str(run), partial(_read_database, database, str(run), str(status))) for run, status in rows]


def _read_database(database: _Database, run: str, status: str) -> SourceRun:
    metrics: dict[str, list[tuple[int, int, float]]] = {}
    for key, step, time, value, is_nan in _query(
        database, "SELECT key, step, timestamp, value, is_nan FROM metrics WHERE run_uuid = ?", run
    ):
        metrics.setdefault(str(key), []).append(_point(step, time, np.nan if is_nan else value, database.path))
    params: dict[str, Setting] = {str(k): str(v) for k, v in _query(database, _PARAMS, run)}
    return _run(run, metrics, params, RunStatus.COMPLETED if status in _COMPLETED else RunStatus.INTERRUPTED)


_PARAMS = "SELECT key, value FROM params WHERE run_uuid = ?"


@dataclass(frozen=True, eq=False)
class _Database:
    """A database, and the address by which SQLite reads it without a trace in its folder."""

    path: Path
    address: str


def _database(path: Path) -> _Database:
    """Return how to read a database: where rows wait in a log beside it, a copy of both, until the import ends.

    A database in WAL mode without such a log is read as it is, without the files that SQLite would put beside it.
    """
    try:
        require_plain(path, _MAX_DATABASE_BYTES, LogError)
        beside = [path.with_name(f"{path.name}{ending}") for ending in ("-wal", "-journal")]
        waiting = [log for log in beside if is_plain(log) and log.stat().st_size]
        if waiting:
            folder = Path(tempfile.mkdtemp(prefix="mstudy-"))
            database = _Database(path, f"file:{quote(str(folder / path.name))}")
            weakref.finalize(database, shutil.rmtree, folder, ignore_errors=True)
            for file in (path, *waiting):
                shutil.copyfile(file, folder / file.name)
            return database
        with path.open("rb") as content:
            is_wal = _WAL in content.read(20)[18:20]
    except OSError as error:
        raise LogError(f"MLflow's database must be readable, found {path}: {error.strerror or error}.") from None
    options = "mode=ro&immutable=1" if is_wal else "mode=ro"
    return _Database(path, f"file:{quote(str(path.resolve()))}?{options}")


def _query(source: _Database, text: str, *arguments: str) -> list[tuple[object, ...]]:
    """Return rows of the database, opened only to be read; its own views, triggers and functions are not run."""
    path = source.path
    try:
        with closing(sqlite3.connect(source.address, uri=True)) as database:
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)  # of one value: a column can be computed
            database.execute("PRAGMA trusted_schema = OFF")
            plain = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
            tables = {name for (name,) in database.execute(plain)}
            absent = [name for name in _TABLES if name not in tables]
            if absent:
                raise LogError(f"MLflow's database must have the table {absent[0]}, found {sorted(tables)} in {path}.")
            return database.execute(text, arguments).fetchall()
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
        raise LogError(f"MLflow's database must be readable, found {path}: {error}.") from None


def _read_folder(meta: Path) -> SourceRun:
    folder = meta.parent
    about = load_small(meta)
    if not isinstance(about, dict):
        raise LogError(f"MLflow's meta.yaml must be a mapping, found {type(about).__name__} in {meta}.")
    metrics = {_key(path, folder / "metrics"): _read_metric(path) for path in files_below(folder / "metrics", "*")}
    params: dict[str, Setting] = {}
    if (folder / "params").is_dir():
        params = {
            _key(path, folder / "params"): _read_text(path).strip() for path in files_below(folder / "params", "*")
        }
    status = RunStatus.COMPLETED if about.get("status") in _COMPLETED else RunStatus.INTERRUPTED
    return _run(f"{folder.parent.name}/{folder.name}", metrics, params, status)


def _key(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise LogError(f"A parameter of MLflow must be at most a megabyte, found more in {path}.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LogError(f"A parameter of MLflow must be readable text, found {path}: {error}.") from None


def _read_metric(path: Path) -> list[tuple[int, int, float]]:
    """Return lines "timestamp value step"; a last line without its end is torn."""
    points = []
    require_plain(path, _MAX_METRIC_BYTES, LogError)
    with path.open("rb") as source:
        for number, line in enumerate(iter(partial(source.readline, MAX_BYTES), b""), 1):
            if not line.endswith(b"\n"):
                break
            words = line.split()
            try:
                time, value, step = words[0], words[1], words[2] if len(words) > 2 else b"0"
                points.append(_point(int(step), int(time), float(value), path))
            except (ValueError, IndexError):
                raise LogError(
                    f'A metric of MLflow must have lines "timestamp value step", found {line[:40]!r} '
                    f"in {path}, line {number}."
                ) from None
    return points


def _point(step: object, time: object, value: object, path: Path) -> tuple[int, int, float]:
    fine = isinstance(step, int) and isinstance(time, int) and isinstance(value, int | float)
    if not fine or not -(2**63) <= int(step) < 2**63:  # type: ignore[call-overload]
        raise LogError(f"A metric of MLflow must have a whole step and a number, found {step!r}, {value!r} in {path}.")
    number = float(value)  # type: ignore[arg-type]
    return int(step), int(time), np.copysign(np.inf, number) if abs(number) > _INFINITY else number  # type: ignore[call-overload]


def _run(
    name: str, metrics: dict[str, list[tuple[int, int, float]]], params: dict[str, Setting], status: RunStatus
) -> SourceRun:
    series = {key: _series(points) for key, points in metrics.items() if points}
    written = {key: np.array([step for step, _, _ in points], dtype=np.int64) for key, points in metrics.items()}
    return SourceRun(name, series, params, status, written=written)


def _series(points: list[tuple[int, int, float]]) -> Series:
    """Sort points by step; of two values at one step the one logged later stays."""
    last: dict[int, float] = {step: value for step, _, value in sorted(points, key=lambda point: point[:2])}
    return Series(np.array(list(last), dtype=np.int64), np.array(list(last.values()), dtype=np.float64))
