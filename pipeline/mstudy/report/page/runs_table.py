"""Every run, as columns that the page sorts and filters."""

from __future__ import annotations

from typing import Any

import polars as pl

from mstudy.core.statuses import SharpeningStatus, StabilityStatus
from mstudy.report.charts.theme import run_label
from mstudy.report.page.encode import columns
from mstudy.report.results import Results
from mstudy.tables.contracts import RUNS, SHARPENINGS

# Name in the data, heading, and whether it is a number.
HEADINGS = (
    ("run_id", "run", False),
    ("model", "model", False),
    ("dataset", "data", False),
    ("batch_size", "b", True),
    ("eta_ef", "η_ef", True),
    ("label", "optimizer", False),
    ("seed", "seed", True),
    ("status", "status", False),
    ("diverged_step", "diverged at", True),
    ("final_loss", "final loss", True),
    ("sharpening", "sharpening", False),
    ("step", "jump at", True),
    ("step_low", "from", True),
    ("step_high", "to", True),
    ("jump", "factor", True),
    ("p_value", "p", True),
    ("stability_step", "at its line from", True),
    ("definitions", "the two", False),
)
_SHOWN_IF_SEVERAL = ("model", "dataset")


def runs_table(results: Results) -> dict[str, Any]:
    """Return {headings: [[name, heading, is number]], rows: columns}; model and data set where there are several."""
    sharpenings = results[SHARPENINGS].select(
        "run_id",
        pl.col("status").alias("sharpening"),
        *["step", "step_low", "step_high", "jump", "p_value", "stability_step"],
        _definitions().alias("definitions"),
    )
    runs = results[RUNS].join(sharpenings, on="run_id", how="left")
    runs = runs.sort("model", "dataset", "batch_size", "eta_ef", "momentum", "seed", "run_id")
    names = [run_label(row) for row in runs.iter_rows(named=True)]
    runs = runs.with_columns(pl.Series("label", names, dtype=pl.String))
    headings = [h for h in HEADINGS if h[0] not in _SHOWN_IF_SEVERAL or runs[h[0]].n_unique() > 1]
    return {"headings": [list(h) for h in headings], "rows": columns(runs.select(name for name, _, _ in headings))}


def _definitions() -> pl.Expr:
    """Return whether jump and stability line agree; empty where there is no jump to speak of."""
    jumped = pl.col("status") == SharpeningStatus.DETECTED
    return (
        pl.when(jumped & pl.col("stability_agrees"))
        .then(pl.lit("agree"))
        .when(jumped & (~pl.col("stability_agrees") | (pl.col("stability_status") == StabilityStatus.NONE)))
        .then(pl.lit("disagree"))
    )
