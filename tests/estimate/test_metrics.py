"""metrics.json. Truth: made-up tables, counted by hand."""

import polars as pl
from mstudy.estimate.stage import _metrics
from mstudy.tables.contracts import SHARPENINGS, THRESHOLDS

from tests.estimate.tables import SETTING, runs_of


def test_metrics_count_the_runs_of_the_sweeps_and_neither_branches_nor_twins():
    runs = runs_of(lambda b, rate, mu, seed: None if seed == 0 else 0.1, [0.1], n_seeds=3)  # six, two of them diverged
    first = pl.col("run_id") == "8-0.1-0.0-0"
    branch = runs.filter(first).with_columns(run_id=pl.lit("branch"), branch_of=pl.lit("8-0.1-0.0-0"))
    twin = runs.filter(first).with_columns(run_id=pl.lit("twin"), twin_of=pl.lit("8-0.1-0.0-0"))
    found = [("8-0.1-0.0-1", "detected"), ("8-0.1-0.0-2", "none"), ("branch", "detected"), ("twin", "detected")]
    sharpenings = SHARPENINGS.frame([{"run_id": run_id, "status": status} for run_id, status in found])
    line = {"batch_size": 8, "optimizer": "heavy_ball", "momentum": 0.9, "eta_ef_star": 0.2}

    metrics = _metrics(
        pl.concat([runs, branch, twin]), sharpenings, THRESHOLDS.frame([SETTING | line]), [{"id": "C1", "verdict": "x"}]
    )

    assert (metrics["n_runs"], metrics["n_diverged"], metrics["n_sharpenings"]) == (6, 2, 1)
    assert metrics["verdicts"] == {"C1": "x"}
    assert metrics["eta_ef_star"] == {"s, m, d, o": {"b=8,heavy_ball,mu=0.9": 0.2}}
