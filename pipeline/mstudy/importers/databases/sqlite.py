"""A database of SQLite, read without a trace in its folder, and without running what it holds."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import weakref
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mstudy.core.errors import LogError
from mstudy.core.outside import require_plain
from mstudy.importers.source_files import is_plain
from mstudy.importers.source_run import MAX_BYTES

_WAL = 2  # in the header of a database, of either version: it is in WAL mode
_MAX_DATABASE_BYTES = 1 << 36


@dataclass(frozen=True, eq=False)
class Database:
    """A database, and the address by which SQLite reads it without a trace in its folder."""

    path: Path
    owner: str  # whose it is, as "MLflow's"
    address: str


def database_at(path: Path, owner: str) -> Database:
    """Return how to read a database: where rows wait in a log beside it, a copy of both, until the import ends.

    A database in WAL mode without such a log is read as it is, without the files that SQLite would put beside it.
    """
    try:
        require_plain(path, _MAX_DATABASE_BYTES, LogError)
        beside = [path.with_name(f"{path.name}{ending}") for ending in ("-wal", "-journal")]
        waiting = [log for log in beside if is_plain(log) and log.stat().st_size]
        if waiting:
            folder = Path(tempfile.mkdtemp(prefix="mstudy-"))
            database = Database(path, owner, f"file:{quote(str(folder / path.name))}")
            weakref.finalize(database, shutil.rmtree, folder, ignore_errors=True)
            for file in (path, *waiting):
                shutil.copyfile(file, folder / file.name)
            return database
        with path.open("rb") as content:
            is_wal = _WAL in content.read(20)[18:20]
    except OSError as error:
        raise LogError(f"{owner} database must be readable, found {path}: {error.strerror or error}.") from None
    options = "mode=ro&immutable=1" if is_wal else "mode=ro"
    return Database(path, owner, f"file:{quote(str(path.resolve()))}?{options}")


def query(source: Database, tables: tuple[str, ...], text: str, *arguments: str) -> list[tuple[object, ...]]:
    """Return rows of the database, opened only to be read; its own views, triggers and functions are not run."""
    path = source.path
    try:
        with closing(sqlite3.connect(source.address, uri=True)) as database:
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)  # of one value: a column can be computed
            database.execute("PRAGMA trusted_schema = OFF")
            plain = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
            found = {name for (name,) in database.execute(plain)}
            absent = [name for name in tables if name not in found]
            if absent:
                raise LogError(
                    f"{source.owner} database must have the table {absent[0]}, found {sorted(found)} in {path}."
                )
            return database.execute(text, arguments).fetchall()
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
        raise LogError(f"{source.owner} database must be readable, found {path}: {error}.") from None


def columns_of(source: Database, table: str) -> set[str]:
    """Return the names of a table's columns; none where there is no such table."""
    return {str(name) for (name,) in query(source, (), "SELECT name FROM pragma_table_info(?)", table)}
