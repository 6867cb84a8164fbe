"""All stages at once, on any folder of runs, without DVC."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from mstudy.cache import Cache
from mstudy.compare.stage import compare
from mstudy.core.params import Analysis
from mstudy.detect.stage import detect
from mstudy.estimate.stage import estimate
from mstudy.report.results import Results
from mstudy.report.stage import report
from mstudy.runlog.reading.reader import read_runs
from mstudy.tables.table import CACHE
from mstudy.workers import Workers


def analyze(
    runs: str | PathLike[str], out: Path, analysis: Analysis, skip_bad: bool = False, n_workers: int = 1
) -> Results:
    """Write tables, claims and report of the runs below `runs` to `out`, and return them.

    runs: a path, or the address of an object store (s3://bucket/prefix). Results are the same for any number of
    workers, and with or without the cache that an earlier call left in `out`. Raises LogError when the runs cannot be
    used, or, unless `skip_bad`, when any file is bad.
    """
    cache = Cache(out / CACHE)
    with Workers(n_workers) as workers:
        folder = read_runs(runs, skip_bad, workers, cache)
        detect(folder, out, analysis.detect, workers, cache)
        compare(folder, out, analysis.margins, analysis.compare, workers, cache)
    estimate(out, analysis.margins, analysis.estimate)
    return report(folder, out, analysis)
