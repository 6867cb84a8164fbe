"""An analysis as one value: every table, the claims, the files left out, and what makes the evidence weaker."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from mstudy.core.files import read_json
from mstudy.runlog.rules.rule import ERROR, WARNING
from mstudy.tables.contracts import TABLES
from mstudy.tables.table import CLAIMS, PROBLEMS, RESULTS


@dataclass(frozen=True)
class Results:
    """Frames follow mstudy.tables.contracts; `claims` are the entries of claims.json.

    problems and warnings: those of problems.json, by severity; the problems name the files left out.
    """

    runs: pl.DataFrame
    sharpenings: pl.DataFrame
    sharpening_events: pl.DataFrame
    partings: pl.DataFrame
    advantage: pl.DataFrame
    thresholds: pl.DataFrame
    placements: pl.DataFrame
    horizons: pl.DataFrame
    trends: pl.DataFrame
    best: pl.DataFrame
    stability_limits: pl.DataFrame
    law: pl.DataFrame
    alignment: pl.DataFrame
    deferral: pl.DataFrame
    cell_partings: pl.DataFrame
    survival: pl.DataFrame
    interventions: pl.DataFrame
    power: pl.DataFrame
    claims: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)


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
