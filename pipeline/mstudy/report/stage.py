"""The stage `report`: read the results, read the curves that are drawn, write the page."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from mstudy.core.params import Analysis
from mstudy.report.page.drawn_runs import drawn_runs
from mstudy.report.page.render import write_report
from mstudy.report.results import Results, read_results
from mstudy.runlog.reading.reader import RunFolder, read_runs
from mstudy.tables.table import PAGE


def report(folder: RunFolder, out: Path, analysis: Analysis) -> Results:
    """Write the page of the analysis that lies in `out`, and return that analysis. folder: the runs it was made of.

    Raises LogError where a stage before has not run, or a log has changed since.
    """
    results = read_results(out)
    write_report(results, folder.series(drawn_runs(results, analysis.report)), out / PAGE, analysis)
    return results


def read_runs_of(results: Results, runs: str | PathLike[str]) -> RunFolder:
    """Read the runs of a finished analysis; files that it left out are left out again. Raises LogError."""
    return read_runs(runs, skip_bad=bool(results.problems))
