"""An analysis as one value: every table, the claims, the files left out, and what makes the evidence weaker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from mstudy.core.statuses import Severity
from mstudy.tables.contracts import TABLES
from mstudy.tables.stamp import Finished, read_finished
from mstudy.tables.table import CLAIMS, PROBLEMS, Table


@dataclass(frozen=True)
class Results:
    """All that an analysis found: `results[THRESHOLDS]` or `results["thresholds"]` is the frame of a table.

    frames: by the names of the tables, tables/contracts.py. claims: the entries of claims.json. problems, warnings:
    those of problems.json by severity; the problems name the files that were left out. stamp: a digest of all that they
    were made of.
    """

    frames: Mapping[str, pl.DataFrame]
    claims: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    stamp: str = ""

    def __getitem__(self, table: Table | str) -> pl.DataFrame:
        """Return the frame of a table."""
        return self.frames[table if isinstance(table, str) else table.name]

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables."""
        return tuple(self.frames)

    def having(self, **frames: pl.DataFrame) -> Results:
        """Return the same results with other frames, by the names of their tables."""
        return replace(self, frames={**self.frames, **frames})


def read_results(out: Path) -> Results:
    """Read a finished analysis. Raises LogError where a stage has not run, or the results do not belong together."""
    return results_of(read_finished(out))


def results_of(finished: Finished) -> Results:
    """Return the results of a finished analysis."""
    problems = finished.json(PROBLEMS)
    return Results(
        {table.name: finished.frame(table) for table in TABLES},
        claims=finished.json(CLAIMS),
        problems=[problem for problem in problems if problem["severity"] == Severity.ERROR],
        warnings=[problem for problem in problems if problem["severity"] == Severity.WARNING],
        stamp=finished.digest,
    )
