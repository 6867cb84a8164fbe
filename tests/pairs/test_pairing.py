"""Truth: pairs, ratios and lags by hand."""

import numpy as np
import polars as pl
import pytest
from mstudy.pairs.like_with_like import aligned_pairs
from mstudy.pairs.pairing import log_ratio, main_runs, pair_runs
from mstudy.tables.contracts import PARTINGS, SHARPENINGS

from benchmarks.error_rates.moments import lasting_moments
from tests.estimate.tables import SETTING, runs_of

# Final losses of SGD and SGDM by seed; None: diverged.
LOSSES = {0: (2.0, 1.0), 1: (None, 1.0), 2: (1.0, None), 3: (None, None), 4: (1e9, 1.0), 5: (1.0, 1e9)}


def runs(n_seeds=6):
    return runs_of(lambda b, rate, mu, seed: LOSSES[seed][mu > 0], (0.1,), n_seeds)


def test_a_pair_has_both_sides():
    pairs = pair_runs(runs())

    assert pairs["seed"].to_list() == [0, 1, 2, 3, 4, 5]
    assert pairs["sgd_run_id"].to_list() == [f"8-0.1-0.0-{seed}" for seed in range(6)]
    assert pairs["sgdm_run_id"].to_list() == [f"8-0.1-0.9-{seed}" for seed in range(6)]
    assert pairs["sgd_final_loss"].to_list() == [2.0, None, 1.0, None, 1e9, 1.0]
    assert pairs["sgdm_diverged_step"].to_list() == [None, None, 5, 5, None, None]


def test_a_run_without_a_partner_a_twin_and_a_branch_are_in_no_pair():
    name = pl.col("run_id")
    changed = runs(4).filter(name != "8-0.1-0.0-0")
    changed = changed.with_columns(
        pl.when(name == "8-0.1-0.9-1").then(pl.lit("another")).alias("twin_of"),
        pl.when(name == "8-0.1-0.9-2").then(pl.lit("another")).alias("branch_of"),
    )

    assert pair_runs(changed)["seed"].to_list() == [3]
    assert len(main_runs(changed)) == 5


def test_a_divergence_is_the_largest_ratio_and_two_are_none():
    ratio = log_ratio(pair_runs(runs()), 3.0)

    assert ratio.to_list() == pytest.approx([np.log(2), 3.0, -3.0, None, 3.0, -3.0])


def test_lags_are_of_pairs_that_parted_and_whose_sgd_sharpened():
    cell = SETTING | {"batch_size": 8, "eta_ef": 0.1, "optimizer": "heavy_ball", "momentum": 0.9}
    partings = [
        ("parted", 20.0),
        ("sgd_diverged", 40.0),
        ("sgdm_diverged", 5.0),
        ("parted", 0.0),
        ("none", None),
        ("transient", 30.0),
        ("both_diverged", 30.0),
        ("parted", 30.0),
    ]
    rows = [
        cell | {"seed": seed, "sgd_run_id": f"run{seed}", "sgdm_run_id": f"m{seed}", "status": status, "step": step}
        for seed, (status, step) in enumerate(partings)
    ]
    # The last one did not sharpen; the fourth sharpened at once.
    steps = [10.0, 10.0, 10.0, 0.5, 10.0, 10.0, 10.0, None]
    sharpenings = [
        {"run_id": f"run{seed}", "status": "none" if step is None else "detected", "step": step, "step_low": 1.0}
        for seed, step in enumerate(steps)
    ]

    found = aligned_pairs(*lasting_moments(PARTINGS.frame(rows), SHARPENINGS.frame(sharpenings)))

    assert found["seed"].to_list() == [0, 1, 2, 3]
    assert found["log_lag"].to_list() == pytest.approx([np.log(2), np.log(4), -np.log(2), 0.0])
    assert found["sharpening_step"].to_list() == [10.0, 10.0, 10.0, 0.5]
    assert found["sharpening_step_low"].to_list() == [1.0] * 4
