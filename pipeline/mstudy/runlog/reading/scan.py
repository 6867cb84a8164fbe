"""Every file of a folder, examined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import polars as pl
import pyarrow as pa

from mstudy.cache import KEY, Cache, key_of
from mstudy.core.analysis_params import AS_SHIPPED, Reading
from mstudy.core.errors import LogError, printable
from mstudy.core.statuses import Severity
from mstudy.runlog.raw.manifest import read_manifest
from mstudy.runlog.raw.metadata import Metadata
from mstudy.runlog.raw.read_file import TooLargeError
from mstudy.runlog.raw.source import Source, run_names
from mstudy.runlog.reading.examine import digest_of, examine
from mstudy.runlog.reading.kept_rows import PLACES, keep_rows
from mstudy.runlog.rules.file_names import NAMES, Names, is_utf8, printable_name
from mstudy.runlog.rules.manifest_entries import LISTED, Listed
from mstudy.runlog.rules.rule import Problem
from mstudy.runlog.rules.scanned import SCANNED
from mstudy.runlog.rules.unreadable import OPENING, SIZE
from mstudy.workers.ordered import Workers, in_chunks

_CHUNK = 200  # files a task
_KIND, _TABLE = "scan", "files"
_MIN_FILES_FOR_WORKERS = 4000  # files; fewer take less time than starting processes


@dataclass(frozen=True)
class Scan:
    """runs: one row a usable file (rules.scanned.SCANNED), by path. problems: of names, manifest and single files.

    places: kept_rows.PLACES of those whose rows were read now and kept.
    """

    n_files: int
    runs: pl.DataFrame
    problems: list[Problem] = field(default_factory=list)
    places: pl.DataFrame = field(default_factory=PLACES.to_frame)


@dataclass(frozen=True)
class _Task:
    """listed: what the manifest says of each name. known: what was found before, SCANNED with keys.

    keep_in: a folder for the rows of the logs that are read; None where nobody asks for them.
    """

    source: Source
    names: Sequence[str]
    listed: dict[str, Metadata]
    known: pl.DataFrame
    reading: Reading
    keep_in: str | None


def scan(
    source: Source,
    workers: Workers,
    cache: Cache,
    only: str | None = None,
    reading: Reading = AS_SHIPPED,
    keep_in: str | None = None,
) -> Scan:
    """Examine each file, or `only` the one of that name, by itself; one with an error is in no row.

    keep_in: a folder, into which the rows of each log that is examined now are written.

    Raises LogError where there is no folder, or no log in it.
    """
    listing = source.list_files()
    everything = listing.names
    names = [name for name in run_names(everything) if only in (None, name)]
    problems = NAMES.problems(Names(source, listing), "")
    if not names:
        raise LogError(
            f"The runs folder must hold runs, found no *.parquet file in {source.root}{_first_of(problems)}."
        )
    manifest = read_manifest(source, everything)
    problems += LISTED.problems(Listed(manifest, frozenset(map(printable_name, everything))), manifest.name)
    files = _examine_all(source, names, manifest.by_path(), workers, cache, reading, keep_in)
    refused = [problem.path for problem in problems if problem.severity == Severity.ERROR]
    runs = files.runs.filter(~pl.col("path").is_in(refused))
    return Scan(len(names), runs, problems + files.problems, files.places)


def _first_of(problems: list[Problem]) -> str:
    """Return why no log was found, as the end of a sentence."""
    if not problems:
        return ""
    first = printable(f"{problems[0].path}: {problems[0].reason}").removesuffix(".")
    return f"; the first of what is not read there ({len(problems)}): {first}"


def _examine_all(
    source: Source,
    names: list[str],
    listed: dict[str, Metadata],
    workers: Workers,
    cache: Cache,
    reading: Reading,
    keep_in: str | None,
) -> Scan:
    readable = [name for name in names if is_utf8(name)]
    own = [name for name in readable if cache.takes(name)]
    places = PLACES.to_frame()
    if len(own) < len(readable):  # meanwhile the other shards examine theirs
        places = _examine_part(source, own, listed, workers, cache, reading, keep_in).places
    found = _examine_part(source, readable, listed, workers, cache, reading, keep_in)
    return replace(found, n_files=len(names), places=pl.concat([places, found.places]))


def _examine_part(
    source: Source,
    readable: list[str],
    listed: dict[str, Metadata],
    workers: Workers,
    cache: Cache,
    reading: Reading,
    keep_in: str | None,
) -> Scan:
    known = cache.load(_KIND, {_TABLE: SCANNED})[_TABLE]
    tasks = [
        _Task(
            source,
            part,
            {name: listed[name] for name in part if name in listed},
            known.filter(pl.col("path").is_in(list(part))) if len(known) else known,
            reading,
            keep_in,
        )
        for part in (readable[slice(*bounds)] for bounds in in_chunks(len(readable), _CHUNK))
    ]
    parts = list(
        workers.map(
            _examine_chunk, tasks, "reading runs, 200 a part", _n_new(readable, known) >= _MIN_FILES_FOR_WORKERS
        )
    )
    runs = pl.concat([known.clear(), *(frame for frame, _, _ in parts)])
    problems = [problem for _, part, _ in parts for problem in part]
    # A file with a problem is examined again, so that the problem is told again.
    sound = runs.filter(~pl.col("path").is_in([problem.path for problem in problems]))
    taken = pl.Series([cache.takes(path) for path in sound["path"]], dtype=pl.Boolean)
    cache.store(_KIND, {_TABLE: sound.filter(taken)})
    return Scan(len(readable), runs.drop(KEY), problems, pl.concat([PLACES.to_frame(), *(part[2] for part in parts)]))


def _n_new(names: list[str], known: pl.DataFrame) -> int:
    """Return how many files have to be read row by row, as far as their names tell."""
    return len(set(names) - set(known["path"]))


def _examine_chunk(task: _Task) -> tuple[pl.DataFrame, list[Problem], pl.DataFrame]:
    """Return the usable runs, SCANNED with keys, the problems, and where the rows are that were kept."""
    known = {row[KEY]: row for row in task.known.iter_rows(named=True)}
    rows: list[dict[str, Any]] = []
    problems: list[Problem] = []
    kept: dict[str, pa.Table] = {}
    for name, content in zip(task.names, task.source.read_each(task.names), strict=True):
        if isinstance(content, OSError):
            stage = SIZE if isinstance(content, TooLargeError) else OPENING
            problems += stage.problems(str(content), name)
            continue
        listed = task.listed.get(name, {})
        read = {"content": digest_of(content), "path": name, "listed": listed, "reading": asdict(task.reading)}
        key = key_of("read", read)
        if key in known:
            rows.append(known[key])
            continue
        examined = examine(content, name, listed, task.reading)
        problems += examined.problems
        if examined.run is not None:
            rows.append({KEY: key} | examined.run)
            if task.keep_in is not None:
                kept[name] = examined.rows
    places = PLACES.to_frame() if task.keep_in is None else keep_rows(task.keep_in, kept)
    return pl.DataFrame(rows, schema=task.known.schema, orient="row"), problems, places
