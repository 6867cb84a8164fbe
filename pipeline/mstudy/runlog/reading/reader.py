"""A folder of runs, checked: one table of runs in memory, their rows read when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import polars as pl
import pyarrow as pa

from mstudy.cache import Cache
from mstudy.core.analysis_params import AS_SHIPPED, Reading
from mstudy.core.errors import LogError, printable
from mstudy.core.losses.scale import Scale
from mstudy.core.statuses import Severity
from mstudy.runlog.format.schema import COLUMNS, OPTIONAL_COLUMNS
from mstudy.runlog.raw.find_source import source_of, source_of_run
from mstudy.runlog.raw.log import labelled, labelled_rows
from mstudy.runlog.raw.source import Source
from mstudy.runlog.reading.examine import digest_of
from mstudy.runlog.reading.kept_rows import KeptRows
from mstudy.runlog.reading.scan import Scan, scan
from mstudy.runlog.rules.folder import FOLDER
from mstudy.runlog.rules.rule import Problem
from mstudy.tables.contracts import RUNS
from mstudy.workers.ordered import Workers

POINTS_SCHEMA = pl.Schema(
    {"step": pl.Int64(), "loss": pl.Float64()} | {name: pl.Float64() for name in OPTIONAL_COLUMNS}
)


@dataclass(frozen=True)
class RunFolder:
    """The usable runs of a folder, and what is wrong in it. It can be sent to another process.

    scanned: one row a run, rules.scanned.SCANNED, which has the columns of tables.RUNS. kept: rows of logs that were
    read already, while an analysis lasts.
    """

    source: Source
    scanned: pl.DataFrame
    problems: list[Problem]
    kept: KeptRows | None = None

    @property
    def runs(self) -> pl.DataFrame:
        """One row a run: tables.RUNS."""
        return self.scanned.select(RUNS.schema.names()).sort(RUNS.key)

    @property
    def points(self) -> pl.DataFrame:
        """The rows of all runs, every column: `series` without a choice. 500 points of a run take 60 kB."""
        return self.series()

    @property
    def left_out(self) -> list[Problem]:
        """The errors: each names a file that is in no row."""
        return [problem for problem in self.problems if problem.severity == Severity.ERROR]

    @property
    def warnings(self) -> list[Problem]:
        """What makes the evidence weaker."""
        return [problem for problem in self.problems if problem.severity == Severity.WARNING]

    def part(self, run_ids: Sequence[str] | pl.Series) -> RunFolder:
        """Return the folder with only these runs, and without problems."""
        return self.of(self.scanned.filter(pl.col("run_id").is_in(list(run_ids))))

    def of(self, rows: pl.DataFrame) -> RunFolder:
        """Return the folder with only these rows of `scanned`, and without problems."""
        kept = None if self.kept is None else self.kept.of(rows["path"])
        return RunFolder(self.source, rows.select(self.scanned.columns), [], kept)

    def series(
        self, run_ids: Sequence[str] | pl.Series | None = None, columns: Sequence[str] = COLUMNS
    ) -> pl.DataFrame:
        """Return `run_id` and these columns of the logs (POINTS_SCHEMA), one row a logged step, in order within a run.

        A column that a log lacks is null. Reads the files that were not kept anew: ask for few runs at a time. Raises
        LogError where a file has changed since the folder was read.
        """
        chosen = self if run_ids is None else self.part(run_ids)
        kept = {} if chosen.kept is None else chosen.kept.tables()
        contents = self.source.read_each([path for path in chosen.scanned["path"] if path not in kept])
        logs = [
            labelled(kept[path], run_id, columns)
            if path in kept
            else labelled_rows(_unchanged(next(contents), path, digest), run_id, columns)
            for path, run_id, digest in chosen.scanned.select("path", "run_id", "digest").iter_rows()
        ]
        schema = pl.Schema({"run_id": pl.String()} | {name: POINTS_SCHEMA[name] for name in columns})
        return pl.DataFrame(pl.from_arrow(pa.concat_tables(logs)), schema=schema) if logs else schema.to_frame()


def _unchanged(content: bytes | OSError, path: str, digest: str) -> bytes:
    if isinstance(content, OSError) or digest_of(content) != digest:
        raise LogError(f"A log must not change while it is analysed, found {path} changed; run it again.")
    return content


def read_runs(
    folder: str | PathLike[str] | Source,
    skip_bad: bool = False,
    workers: Workers | None = None,
    cache: Cache | None = None,
    reading: Reading = AS_SHIPPED,
    keep_in: str | None = None,
) -> RunFolder:
    """Check every `*.parquet` below `folder`, a path or the address of an object store.

    keep_in: an empty folder, in which the rows are kept for `series`; the result is of use as long as it is there.

    Raises LogError when the folder is missing, empty or without a usable run, and, unless `skip_bad`, when any run is
    bad (an error of runlog.rules).
    """
    source = source_of(folder)
    scanned = scan(source, workers or Workers(), cache or Cache(), reading=reading, keep_in=keep_in)
    found = _as_folder(source, scanned, skip_bad)
    return found if keep_in is None else replace(found, kept=KeptRows(keep_in, scanned.places))


def read_run(path: Path) -> RunFolder:
    """Read one log by itself, with what a manifest beside it says. Raises LogError when it cannot be used.

    path: of its file; in a folder of packs, where it lay in the folder that was packed. Its loss is compared with no
    other, so it may be 0 or below.
    """
    source, name = source_of_run(path)
    if not source.has(name):
        raise LogError(f"RUN must be the log of one run, a Parquet file, found none at {path}.")
    scanned = scan(source, Workers(), Cache(), name, Reading(Scale.DIFFERENCE))
    errors = [problem for problem in scanned.problems if problem.severity == Severity.ERROR and problem.path == name]
    if errors:
        raise LogError(f"{path} must be a run's log: {errors[0].reason} {errors[0].remedy}")
    return RunFolder(source, scanned.runs, [])


def _as_folder(source: Source, scanned: Scan, skip_bad: bool) -> RunFolder:
    runs, of_folder = leave_out(scanned.runs)
    problems = scanned.problems + of_folder
    errors = [problem for problem in problems if problem.severity == Severity.ERROR]
    if runs.is_empty():
        first = f"{errors[0].path}: {errors[0].reason}" if errors else "nothing"
        raise LogError(
            f"{source.root} must hold at least one readable run, found {scanned.n_files} files, none readable; "
            f"the first: {first}"
        )
    if errors and not skip_bad:
        raise LogError(_describe(errors, scanned.n_files, source.root))
    return RunFolder(source, runs, problems)


def leave_out(runs: pl.DataFrame) -> tuple[pl.DataFrame, list[Problem]]:
    """Return the runs less those that an error of the folder names; all errors, and the warnings on what is left."""
    errors: list[Problem] = []
    while True:
        problems = FOLDER.problems(runs, "")
        remaining = [problem for problem in problems if problem.severity == Severity.ERROR]
        if not remaining:
            return runs, errors + problems
        # Of one rule at a time: a run that is there twice also has two partners.
        first = [problem for problem in remaining if problem.rule == remaining[0].rule]
        errors += first
        runs = runs.filter(~pl.col("path").is_in([problem.path for problem in first]))


def _describe(errors: list[Problem], n_files: int, folder: str) -> str:
    bad = list(dict.fromkeys(error.path for error in errors))
    first = {path: next(error for error in errors if error.path == path) for path in bad[:5]}
    examples = "; ".join(printable(f"{path}: {error.reason.rstrip('.')}") for path, error in first.items())
    more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
    return (
        f"Every run must be usable, found {len(bad)} of {n_files} files bad in {folder}: {examples}{more}. "
        f"Mend or remove them (`mstudy validate` lists all), or leave them out with --skip-bad."
    )
