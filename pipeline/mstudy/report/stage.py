"""The stage `report`: read the results, read the curves that are drawn, write the page."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from mstudy.core.params import Analysis
from mstudy.report.page.drawn_runs import drawn_runs
from mstudy.report.page.render import write_report
from mstudy.report.reproduction import Call
from mstudy.report.results import Results, results_of
from mstudy.runlog.reading.reader import RunFolder, read_runs
from mstudy.tables.stamp import Finished, check_code, check_params, check_runs, read_finished
from mstudy.tables.table import PAGE


def report(folder: RunFolder, out: Path, analysis: Analysis, call: Call) -> Results:
    """Write the page of the analysis that lies in `out`, and return that analysis. folder: the runs it was made of.
    call: how it was called.

    Raises LogError where a stage before has not run, a log has changed since, or the results are of other runs or of
    another version; ConfigError where they are of other parameters.
    """
    results = results_for(folder, read_finished(out), analysis)
    write_report(results, folder.series(drawn_runs(results, analysis.report)), out / PAGE, analysis, call)
    return results


def results_for(folder: RunFolder, finished: Finished, analysis: Analysis) -> Results:
    """Return the results of a finished analysis, if it is of these runs, these parameters and this code."""
    check_code(finished)
    check_params(finished, vars(analysis))
    check_runs(finished, folder.scanned, folder.source.root)
    return results_of(finished)


def read_runs_of(finished: Finished, runs: str | PathLike[str], analysis: Analysis) -> RunFolder:
    """Read the runs of a finished analysis; files that it left out are left out again. Raises LogError."""
    return read_runs(runs, skip_bad=bool(results_of(finished).problems), reading=analysis.reading)
