"""Everything that the steps wrote, as one value."""

from __future__ import annotations

from pathlib import Path

from mstudy.results import Results
from mstudy.runlog.checks.rule import ERROR, WARNING
from mstudy.steps.files import CLAIMS, PROBLEMS, RESULTS, read_json
from mstudy.tables import ADVANTAGE, ALIGNMENT, DEFERRAL, PARTINGS, RUNS, SHARPENINGS, THRESHOLDS


def read_results(out: Path) -> Results:
    """Read a finished analysis. Raises LogError where a step has not run."""
    runs, sharpenings, partings, advantage, thresholds, alignment, deferral = (
        t.read(out / RESULTS) for t in (RUNS, SHARPENINGS, PARTINGS, ADVANTAGE, THRESHOLDS, ALIGNMENT, DEFERRAL)
    )
    problems = read_json(out / PROBLEMS)
    return Results(
        runs,
        sharpenings,
        partings,
        advantage,
        thresholds,
        alignment,
        deferral,
        claims=read_json(out / CLAIMS),
        problems=[problem for problem in problems if problem["severity"] == ERROR],
        warnings=[problem for problem in problems if problem["severity"] == WARNING],
    )
