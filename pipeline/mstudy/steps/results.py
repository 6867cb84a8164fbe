"""Everything that the steps wrote, as one value."""

from __future__ import annotations

from pathlib import Path

from mstudy.results import Results
from mstudy.runlog.checks.rule import ERROR, WARNING
from mstudy.steps.files import CLAIMS, PROBLEMS, RESULTS, read_json
from mstudy.tables import TABLES


def read_results(out: Path) -> Results:
    """Read a finished analysis. Raises LogError where a step has not run."""
    tables = {table.name: table.read(out / RESULTS) for table in TABLES}
    problems = read_json(out / PROBLEMS)
    return Results(
        **tables,
        claims=read_json(out / CLAIMS),
        problems=[problem for problem in problems if problem["severity"] == ERROR],
        warnings=[problem for problem in problems if problem["severity"] == WARNING],
    )
