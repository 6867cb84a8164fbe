"""All stages at once, on any folder of runs, without DVC."""

from __future__ import annotations

import tempfile
from os import PathLike
from pathlib import Path

from mstudy.analysis_result import AnalysisResult
from mstudy.cache import Cache
from mstudy.compare.stage import compare
from mstudy.core.errors import LogError
from mstudy.core.params import Analysis
from mstudy.core.params_file import load
from mstudy.detect.stage import detect
from mstudy.estimate.stage import estimate
from mstudy.output_folder import locked, replaced_at_end, require_apart
from mstudy.report.page.scripts import require_v8
from mstudy.report.results import read_results
from mstudy.report.stage import report
from mstudy.runlog.reading.reader import RunFolder, read_runs
from mstudy.tables.table import CACHE, PAGE
from mstudy.workers import Workers


def analyze(
    runs: str | PathLike[str],
    out: str | PathLike[str] | None = None,
    params: Analysis | str | PathLike[str] | None = None,
    *,
    skip_bad: bool = False,
    workers: int = 1,
) -> AnalysisResult:
    """Analyze the run logs below `runs`: detect, compare, estimate and judge the claims.

    runs: a folder, or the address of an object store (s3://bucket/prefix). out: a folder for tables, claims and page,
    as `mstudy analyze` writes them, which takes the new results when all are there; by default nothing is written.
    params: the parameters, or a parameter file; by default those shipped. skip_bad: leave bad files out; they are in
    `results.problems`. workers: processes; the results are the same for any number, and with or without the cache that
    an earlier call left in `out`.

    Raises LogError where the runs cannot be used, or, unless `skip_bad`, where any file is bad, or where another
    analysis writes to `out`; ConfigError for wrong parameters, or where one of `runs` and `out` holds the other.

    Example:
        >>> import mstudy
        >>> result = mstudy.analyze("runs/")
        >>> result["advantage"].height > 0
        True
    """
    analysis = _parameters(params)
    if out is None:
        with tempfile.TemporaryDirectory(prefix="mstudy-") as name:
            return _analyze(runs, Path(name), Cache(), analysis, skip_bad, workers, draw=False)
    folder = Path(out)
    require_apart(folder, runs)
    with locked(folder), replaced_at_end(folder) as new:
        fault = _fault_of_pages()
        result = _analyze(runs, new, Cache(folder / CACHE), analysis, skip_bad, workers, draw=fault is None)
        if fault is not None:
            (folder / PAGE).unlink(missing_ok=True)  # it is of the results before
    if fault is not None:
        raise LogError(f"{fault} Tables and claims are written to {folder}, a page is not.")
    return result


def analyze_quietly(runs: Path, cache: Path, analysis: Analysis, workers: int) -> AnalysisResult:
    """Analyze in memory and draw nothing. cache: a folder for what was found in each log."""
    with tempfile.TemporaryDirectory(prefix="mstudy-") as name:
        return _analyze(runs, Path(name), Cache(cache), analysis, False, workers, draw=False)


def _fault_of_pages() -> LogError | None:
    """Return why no page can be written on this machine, if so: it is asked before the work."""
    try:
        require_v8()
    except LogError as fault:
        return fault
    return None


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


def _analyze(
    runs: str | PathLike[str],
    out: Path,
    cache: Cache,
    analysis: Analysis,
    skip_bad: bool,
    n_workers: int,
    draw: bool,
) -> AnalysisResult:
    with Workers(n_workers) as workers:
        folder = read_runs(runs, skip_bad, workers, cache, analysis.reading)
        detect(folder, out, analysis.detect, workers, cache)
        compare(folder, out, analysis.margins, analysis.compare, workers, cache)
    estimate(out, analysis.detect, analysis.margins, analysis.estimate, analysis.looks, analysis.scale)
    results = report(folder, out, analysis) if draw else read_results(out)
    return AnalysisResult(folder, results, analysis)
