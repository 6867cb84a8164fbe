"""Rule on all runs together: seeds that stand at a few learning rates alone were added after a look at the others."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from mstudy.core.statuses import Severity
from mstudy.runlog.rules.rule import Fault, Stage
from mstudy.runlog.rules.scanned import main_runs
from mstudy.tables.table import SETTING

_MIN_RATES = 4
_MIN_ADDED_SEEDS = 2  # beyond the one seed of the other rates
_SINGLE_SHARE = 0.5  # of the rates: so many have one seed where a sweep was tuned on it
_GRID = (*SETTING, "batch_size", "optimizer", "momentum")

CHOSEN_RATES: Stage[pl.DataFrame] = Stage()


@CHOSEN_RATES.rule(
    "chosen-rates",
    Severity.WARNING,
    "the seeds of an optimizer are spread over its learning rates",
    "Train all rates with all seeds; else the seed that chose the rate is luckier there than the others.",
)
def _chosen(runs: pl.DataFrame) -> Iterator[Fault]:
    rates = main_runs(runs).group_by(*_GRID, "eta_ef").agg(pl.col("seed").n_unique(), pl.col("path").min())
    single = pl.col("seed") == 1
    grids = rates.group_by(_GRID).agg(
        pl.len().alias("n_rates"),
        single.sum().alias("n_single"),
        pl.col("seed").max().alias("most"),
        pl.col("eta_ef", "path").sort_by("seed", "eta_ef", descending=[True, False]).first(),
    )
    tuned = (pl.col("n_single") >= _SINGLE_SHARE * pl.col("n_rates")) & (pl.col("most") > _MIN_ADDED_SEEDS)
    found = grids.filter(tuned, pl.col("n_rates") >= _MIN_RATES).sort("path")
    columns = ("path", "most", "eta_ef", "n_single", "n_rates")
    for path, most, eta_ef, n_single, n_rates in found.select(columns).iter_rows():
        yield Fault(
            f"the seeds must be spread over the learning rates, found {most} at eta_ef {eta_ef:g} and one at "
            f"{n_single} of {n_rates} rates: a rate chosen on one seed.",
            "seed",
            path=path,
        )
