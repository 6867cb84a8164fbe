"""Truth: what a seed's own values must not decide."""

import numpy as np
import polars as pl
import pytest
from mstudy.core.params import Estimate, Margins
from mstudy.estimate.rates.placements import place_cells
from mstudy.pairs.rate_lines import rate_lines
from scipy import stats

from tests.estimate.tables import runs_of

RATES = 0.01 * 2.0 ** np.arange(9)


def placed(change=lambda ratio, rate, seed: ratio, diverged=lambda rate, mu, seed: False, n_seeds=5):
    def loss(b, rate, mu, seed):
        if diverged(rate, mu, seed):
            return None
        ratio = 0.2 * max(np.log(rate / 0.1), 0.0) + 0.01 * np.sin(7 * seed + 100 * rate)
        return float(np.exp(change(ratio, rate, seed))) if mu == 0 else 1.0

    return place_cells(rate_lines(runs_of(loss, RATES, n_seeds), Margins()), Margins(), Estimate())


def test_cells_lie_on_their_side_of_the_threshold():
    rows = placed()  # it is 0.1284

    assert rows.filter(pl.col("side") == "below")["eta_ef"].to_list() == RATES[:4].tolist()
    assert rows.filter(pl.col("side") == "above")["eta_ef"].to_list() == RATES[4:].tolist()
    assert set(rows["n_seeds"]) == {5}


def test_tests_are_those_of_the_seeds_values():
    row = placed().filter(pl.col("side") == "below").row(1, named=True)
    values = [0.01 * np.sin(7 * seed + 100 * 0.02) for seed in range(5)]

    upper = stats.ttest_1samp(values, 0.05, alternative="less").pvalue
    lower = stats.ttest_1samp(values, -0.05, alternative="greater").pvalue
    assert row["equivalence_p"] == pytest.approx(max(upper, lower))
    assert row["log_ratio"] == pytest.approx(np.mean(values))


def test_a_seed_is_not_placed_by_itself():
    # Seed 0 alone is as if the threshold were at 0.04; it is placed by the others, so it counts below up to 0.08.
    rows = placed(lambda ratio, rate, seed: ratio + (0.3 if seed == 0 and rate > 0.03 else 0.0))
    below = rows.filter((pl.col("side") == "below") & (pl.col("eta_ef") > 0.03))

    assert below.row(0, named=True)["log_ratio"] >= 0.29  # seed 0 is among those held to be below
    assert below["eta_ef"].to_list() == [0.04, 0.08]


def test_cells_beyond_both_limits_have_no_say():
    rows = placed(diverged=lambda rate, mu, seed: rate > 2 and seed < 3)

    assert RATES[-1] not in rows["eta_ef"].to_list()
    assert RATES[-2] in rows["eta_ef"].to_list()


def test_a_cell_in_which_the_advantage_is_lost_lies_above():
    """At 0.32 SGDM is worse: a threshold beyond it would leave it out, though SGDM is better at 0.16 already."""
    rows = placed(lambda ratio, rate, seed: ratio - 0.3 if rate == 0.32 else ratio)
    above = rows.filter(pl.col("side") == "above")

    assert above["eta_ef"].to_list() == RATES[5:].tolist()
    assert above["n_seeds"].to_list() == [5] * 4
    assert above.row(0, named=True)["superiority_p"] > 0.9
    assert above.row(0, named=True)["log_ratio"] < -0.05


def test_a_diverged_sgd_run_does_not_hide_that_the_others_are_worse_than_sgdm():
    """One of five SGD runs diverges at 0.64: with the cap the spread is that between 3 and 0.37."""
    diverging = placed(diverged=lambda rate, mu, seed: mu == 0 and rate == 0.64 and seed == 0)
    row = diverging.filter(pl.col("side") == "above", pl.col("eta_ef") == 0.64).row(0, named=True)

    values = [0.2 * np.log(0.64 / 0.1) + 0.01 * np.sin(7 * seed + 64) for seed in range(1, 5)]
    assert row["superiority_p"] == pytest.approx(stats.ttest_1samp(values, 0.05, alternative="greater").pvalue)
    assert row["log_ratio"] > 0.8  # the mean is of all


def test_with_two_seeds_left_all_are_tested():
    diverging = placed(diverged=lambda rate, mu, seed: mu == 0 and rate == 0.64 and seed < 3)
    row = diverging.filter(pl.col("side") == "above", pl.col("eta_ef") == 0.64).row(0, named=True)

    values = [3.0] * 3 + [0.2 * np.log(0.64 / 0.1) + 0.01 * np.sin(7 * seed + 64) for seed in (3, 4)]
    assert row["superiority_p"] == pytest.approx(stats.ttest_1samp(values, 0.05, alternative="greater").pvalue)


def test_the_pooled_spread_is_of_cells_below_in_which_nothing_diverged():
    rows = placed(diverged=lambda rate, mu, seed: rate == 0.02 and mu > 0 and seed == 0)

    pooled = {row["eta_ef"]: row["pooled_equivalence_p"] for row in rows.iter_rows(named=True)}
    assert pooled[0.02] is None
    assert 0 < pooled[0.01] < 1e-6
    assert all(pooled[rate] is None for rate in RATES[4:])


def test_sums_over_cells_say_how_many_are_doubtful_with_five_seeds_and_not_with_fewer():
    """The bump is at the margin: it is the least sure, and with it one other cell may not be equivalent."""
    rows = placed(lambda ratio, rate, seed: ratio - 0.05 if rate == 0.02 else ratio)
    below = rows.filter(pl.col("side") == "below")

    assert dict(below.select("eta_ef", "doubtful").iter_rows()) == {0.01: 1, 0.02: 2, 0.04: 1, 0.08: 1}
    assert rows.filter(pl.col("side") == "above")["doubtful"].null_count() == 5
    assert placed(n_seeds=4)["doubtful"].null_count() == len(placed(n_seeds=4))


def test_lines_of_different_seeds_have_no_sums():
    def loss(b, rate, mu, seed):
        ratio = 0.2 * max(np.log(rate / 0.1), 0.0) + 0.01 * np.sin(7 * seed + 100 * rate + b)
        return float(np.exp(ratio)) if mu == 0 else 1.0

    runs = runs_of(loss, RATES, 6, (8, 16))
    cut = runs.filter((pl.col("batch_size") == 8) | (pl.col("seed") < 5))
    whole, unequal = (place_cells(rate_lines(each, Margins()), Margins(), Estimate()) for each in (runs, cut))

    assert whole.filter(side="below")["doubtful"].null_count() == 0
    assert unequal["doubtful"].null_count() == len(unequal) > 0
