"""Trackio: a database of SQLite for each project, `<project>.db`; a row a call, its metrics and settings as JSON."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from mstudy.core.errors import LogError
from mstudy.importers.databases.sqlite import Database, columns_of, database_at, query
from mstudy.importers.mapping import Mapping
from mstudy.importers.source_files import files_below
from mstudy.importers.source_run import Found, Setting, SourceRun, flatten, name_of, refused
from mstudy.importers.tables.run_of_rows import run_of_rows

_TABLES = ("metrics", "configs")


def find_trackio(root: Path, mapping: Mapping) -> list[Found]:
    """Return the runs of all databases below a folder, or of one. Raises LogError where there is none."""
    paths = files_below(root, "*.db")
    if not paths:
        raise LogError(f"The source must hold Trackio's databases, found no *.db in {root}.")
    return [run for path in paths for run in _found(path, name_of(path, root).removesuffix(".db"), mapping)]


def _found(path: Path, project: str, mapping: Mapping) -> list[Found]:
    try:
        return _runs_of(path, project, mapping)
    except LogError as error:
        return [refused(project, error)]


def _runs_of(path: Path, project: str, mapping: Mapping) -> list[Found]:
    database = database_at(path, "Trackio's")
    key = "run_id" if "run_id" in columns_of(database, "metrics") else "run_name"
    rows = query(database, _TABLES, f"SELECT {key}, MIN(run_name) FROM metrics GROUP BY {key} ORDER BY MIN(id)")
    names = [str(name) for _, name in rows]
    found = []
    for run, name in rows:
        own = str(name) if names.count(str(name)) == 1 else f"{name}/{run}"
        found.append(Found(f"{project}/{own}", partial(_read, database, key, str(run), f"{project}/{own}", mapping)))
    return found


def _read(database: Database, key: str, run: str, name: str, mapping: Mapping) -> SourceRun:
    path = database.path
    rows = []
    for step, text in query(database, _TABLES, f"SELECT step, metrics FROM metrics WHERE {key} = ? ORDER BY id", run):
        metrics = _object(text, path)
        rows.append({"_step": step} | {name: value for name, value in metrics.items() if not isinstance(value, dict)})
    config: dict[str, Setting] = {}
    has_ids = "run_id" in columns_of(database, "configs")
    if has_ids or key == "run_name":
        own_key = key if has_ids else "run_name"
        for (text,) in query(database, _TABLES, f"SELECT config FROM configs WHERE {own_key} = ? ORDER BY id", run):
            config |= flatten({k: v for k, v in _object(text, path).items() if not k.startswith("_")})
    return run_of_rows(rows, path, name, mapping, config)


def _object(text: object, path: Path) -> dict[str, object]:
    try:
        found = json.loads(text) if isinstance(text, str | bytes) else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise LogError(f"Trackio's rows must hold JSON objects, found {str(text)[:40]!r} in {path}.")
    return found
