"""Every problem of a folder of runs, for people and for machines."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

from mstudy.cache import Cache
from mstudy.core.analysis_params import AS_SHIPPED, Reading
from mstudy.core.statuses import Severity
from mstudy.runlog.raw.find_source import source_of
from mstudy.runlog.reading.scan import scan
from mstudy.runlog.rules.folder import FOLDER
from mstudy.runlog.rules.rule import Problem
from mstudy.workers.ordered import Workers


@dataclass(frozen=True)
class Validation:
    """problems: errors and warnings, in the order of the stages of checking."""

    n_files: int
    problems: list[Problem]

    @property
    def n_errors(self) -> int:
        """Problems for which `analyze` refuses."""
        return sum(problem.severity == Severity.ERROR for problem in self.problems)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        counts = {"n_files": self.n_files, "n_problems": len(self.problems), "n_errors": self.n_errors}
        return {"schema": 1, **counts, "problems": [problem.as_dict() for problem in self.problems]}

    def as_text(self) -> str:
        """Return the counts, then one line a problem."""
        n_warnings = len(self.problems) - self.n_errors
        head = f"{len(self.problems)} problems in {self.n_files} files: {self.n_errors} errors, {n_warnings} warnings"
        return "\n".join([head, *(problem.as_text() for problem in self.problems)])


def validate(runs: str | PathLike[str], n_workers: int = 1, reading: Reading = AS_SHIPPED) -> Validation:
    """Check the runs below a path or an address. Raises LogError when there is no folder, or no log in it.

    reading: what the analysis that they are meant for asks of them.
    """
    with Workers(n_workers) as workers:
        scanned = scan(source_of(runs), workers, Cache(), reading=reading)
    return Validation(scanned.n_files, scanned.problems + FOLDER.problems(scanned.runs, ""))
