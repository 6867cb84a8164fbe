"""An analysis as one value: every table, the claims, and the files left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl


@dataclass(frozen=True)
class Results:
    """Frames follow mstudy.tables; `claims` and `problems` are the entries of claims.json and problems.json."""

    runs: pl.DataFrame
    sharpenings: pl.DataFrame
    partings: pl.DataFrame
    advantage: pl.DataFrame
    thresholds: pl.DataFrame
    alignment: pl.DataFrame
    deferral: pl.DataFrame
    claims: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)
