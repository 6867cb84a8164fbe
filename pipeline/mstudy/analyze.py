"""All stages at once, on any folder of runs, without DVC."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path

import polars as pl

from mstudy.analysis_result import AnalysisResult
from mstudy.cache import Cache
from mstudy.core.engines.engine_params import HERE, Engine
from mstudy.core.errors import LogError
from mstudy.core.files import content_digest
from mstudy.core.params import Analysis
from mstudy.core.params_file import load
from mstudy.core.sharding.shard import Shard
from mstudy.output_folder import UNFINISHED, locked, replaced_at_end, require_apart
from mstudy.remembered import write_or_remember
from mstudy.report.reproduction import Call
from mstudy.report.results import read_results
from mstudy.runlog.reading.reader import RunFolder, read_runs
from mstudy.tables.table import CACHE, PAGE
from mstudy.workers.engine import workers_of
from mstudy.workers.ordered import Workers


def analyze(
    runs: str | PathLike[str],
    out: str | PathLike[str] | None = None,
    params: Analysis | str | PathLike[str] | None = None,
    *,
    skip_bad: bool = False,
    workers: int | None = 1,
    engine: Engine = HERE,
) -> AnalysisResult:
    """Analyze the run logs below `runs`: detect, compare, estimate and judge the claims.

    runs: a folder, or the address of an object store (s3://bucket/prefix). out: a folder for tables, claims and page,
    as `mstudy analyze` writes them, which takes the new results when all are there; by default nothing is written.
    params: the parameters, or a parameter file; by default those shipped. skip_bad: leave bad files out; they are in
    `results.problems`. workers: processes, None for all cores; the results are the same for any number, and with or
    without the cache that an earlier call left in `out`. engine: what works, as the parameter file says it; by default
    processes of this machine.

    Raises LogError where the runs cannot be used, or, unless `skip_bad`, where any file is bad, or where another
    analysis writes to `out`; ConfigError for wrong parameters, or where one of `runs` and `out` holds the other.

    Example:
        >>> import mstudy
        >>> result = mstudy.analyze("runs/")
        >>> result["advantage"].height > 0
        True
    """
    given = None if isinstance(params, Analysis) or not params else load(Path(params))
    analysis = _parameters(params) if given is None else given.analysis
    call = _call_of(runs, out, params, () if given is None else tuple(given.studies), skip_bad)
    if out is None:
        with tempfile.TemporaryDirectory(prefix="mstudy-") as name:
            return _analyze(runs, Path(name), Cache(), analysis, skip_bad, workers, None, engine=engine)[0]
    folder = Path(out)
    require_apart(folder, runs)
    with locked(folder), replaced_at_end(folder) as new:
        cache = Cache(folder / CACHE)
        result, fault = _analyze(runs, new, cache, analysis, skip_bad, workers, call, engine=engine)
        if fault is not None:
            (folder / PAGE).unlink(missing_ok=True)  # it is of the results before
    if fault is not None:
        raise LogError(f"{fault} Tables and claims are written to {folder}, a page is not.")
    return result


def analyze_shard(
    runs: str | PathLike[str],
    out: Path,
    analysis: Analysis,
    shard: Shard,
    *,
    skip_bad: bool = False,
    workers: int | None = 1,
) -> None:
    """Do a shard's part of what an analysis takes of each log and each block, and keep it in the cache of `out`.

    Several machines may do so at a time in one folder that they share; `analyze` then finds what all of them did.
    """
    require_apart(out, runs)
    with tempfile.TemporaryDirectory(prefix="mstudy-") as name, workers_of(HERE, workers) as processes:
        cache, rows, tables = Cache(out / CACHE, shard), Path(name) / "rows", Path(name) / "tables"
        rows.mkdir()
        folder = read_runs(runs, skip_bad, processes, cache, analysis.reading, str(rows))
        _detect(folder, tables, analysis, processes, cache)
        _compare(folder, tables, analysis, processes, cache)


def analyze_quietly(runs: Path, cache: Path, analysis: Analysis, workers: int) -> AnalysisResult:
    """Analyze in memory and draw nothing. cache: a folder for what was found in each log."""
    with tempfile.TemporaryDirectory(prefix="mstudy-") as name:
        return _analyze(runs, Path(name), Cache(cache), analysis, False, workers, None)[0]


def read_logs(
    runs: str | PathLike[str], params: Analysis | str | PathLike[str] | None = None, *, skip_bad: bool = False
) -> RunFolder:
    """Read and check the run logs below `runs`: `runs` is a frame, one row a run; `problems` is a list.

    `series()` reads the logged rows, of all runs or of chosen ones. params: as of `analyze`; they say whether a loss
    may be 0 or below, and which curvature is judged. Raises LogError where the folder has no usable run, or, unless
    `skip_bad`, where any file is bad.

    Example:
        >>> import mstudy
        >>> logs = mstudy.read_logs("runs/")
        >>> logs.runs["optimizer"].unique().sort().to_list()
        ['heavy_ball', 'sgd']
    """
    return read_runs(runs, skip_bad, reading=_parameters(params).reading)


def _parameters(params: Analysis | str | PathLike[str] | None) -> Analysis:
    if isinstance(params, Analysis):
        return params
    return load(Path(params)).analysis if params else Analysis()


def _call_of(
    runs: str | PathLike[str],
    out: str | PathLike[str] | None,
    params: Analysis | str | PathLike[str] | None,
    studies: tuple[str, ...],
    skip_bad: bool,
) -> Call:
    """Return how an analysis was called, for its page. studies: those of the parameter file."""
    if isinstance(params, Analysis):
        return Call(str(runs), "", params=None, skip_bad=skip_bad)
    return Call(str(runs), str(out or "OUT"), str(params or ""), skip_bad, studies)


def _analyze(
    runs: str | PathLike[str],
    out: Path,
    cache: Cache,
    analysis: Analysis,
    skip_bad: bool,
    n_workers: int | None,
    call: Call | None,
    engine: Engine = HERE,
) -> tuple[AnalysisResult, LogError | None]:
    """Return the analysis, and why its page cannot be drawn on this machine, if so.

    call: how it was called, which the page says; None where no page is drawn.
    What an earlier analysis of the same inputs wrote is written again. Rows are kept beside `out` for as long as this
    takes, since detect, compare and the page ask for them.
    """
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=out.parent) as rows:
        with workers_of(engine, n_workers) as workers:
            folder = read_runs(runs, skip_bad, workers, cache, analysis.reading, rows)
            given = {"params": asdict(analysis), "runs": _digest(folder.scanned)}
            problems = {"problems": [problem.as_dict() for problem in folder.problems]}
            write_or_remember(
                "detect", out, given | problems, cache, lambda: _detect(folder, out, analysis, workers, cache)
            )
            write_or_remember("compare", out, given, cache, lambda: _compare(folder, out, analysis, workers, cache))
        write_or_remember("estimate", out, given, cache, lambda: _estimate(out, analysis))
        fault = _draw(folder, out, analysis, cache, call) if call is not None else None
    return AnalysisResult(replace(folder, kept=None), read_results(out), analysis), fault


def _digest(scanned: pl.DataFrame) -> str:
    """Return a digest of the runs and of where each lies, which the table of runs says."""
    return content_digest(scanned.write_ipc(None).getvalue())


# The stages are imported where they run: their libraries take a second that an analysis without news need not wait.
def _detect(folder: RunFolder, out: Path, analysis: Analysis, workers: Workers, cache: Cache) -> None:
    from mstudy.detect.stage import detect

    detect(folder, out, analysis.detect, workers, cache)


def _compare(folder: RunFolder, out: Path, analysis: Analysis, workers: Workers, cache: Cache) -> None:
    from mstudy.compare.stage import compare

    compare(folder, out, analysis.margins, analysis.compare, workers, cache)


def _estimate(out: Path, analysis: Analysis) -> None:
    from mstudy.estimate.stage import estimate

    estimate(out, analysis.detect, analysis.margins, analysis.estimate, analysis.looks, analysis.scale)


def _draw(folder: RunFolder, out: Path, analysis: Analysis, cache: Cache, call: Call) -> LogError | None:
    """Write the page; return why none can be written on this machine, if so."""
    faults: list[LogError] = []
    called = replace(call, skip_bad=call.skip_bad and bool(folder.left_out))

    def draw() -> None:
        from mstudy.report.page.scripts import V8LogError, start_bundle
        from mstudy.report.stage import report

        start_bundle()
        try:
            report(folder, out, analysis, called)
        except V8LogError as fault:
            faults.append(fault)

    write_or_remember("report", out, {"params": asdict(analysis), "call": asdict(called)}, cache, draw)
    return faults[0] if faults else None
