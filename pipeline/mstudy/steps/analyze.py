"""All steps at once, on any folder of runs, without DVC."""

from __future__ import annotations

from pathlib import Path

from mstudy.params import Analysis
from mstudy.report.page import write_report
from mstudy.results import Results
from mstudy.runlog.reader import read_runs
from mstudy.steps.compare import compare
from mstudy.steps.detect import detect
from mstudy.steps.estimate import estimate
from mstudy.steps.files import PAGE
from mstudy.steps.results import read_results


def analyze(runs: Path, out: Path, analysis: Analysis, skip_bad: bool = False) -> Results:
    """Write tables, claims and report of the runs below `runs` to `out`, and return them.

    Raises LogError when the runs cannot be used, or, unless `skip_bad`, when any file is bad.
    """
    folder = read_runs(runs, skip_bad)
    detect(folder, out, analysis.detect)
    compare(folder, out, analysis.compare)
    estimate(out, analysis.estimate)
    results = read_results(out)
    write_report(results, folder.points, out / PAGE, analysis.report)
    return results
