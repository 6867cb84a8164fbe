"""Truth: choices and differences by hand; statsmodels' equivalence test."""

import numpy as np
import polars as pl
import pytest
from mstudy.core.params import Estimate, Margins
from mstudy.estimate.rates.best import best_of_others, capped_losses, compare_best
from statsmodels.stats.weightstats import DescrStatsW

from tests.estimate.tables import runs_of

RATES = (0.1, 0.2, 0.4, 0.8)
WOBBLE = (0.0, 0.01, -0.02, 0.015, 0.03)


def row_of(loss):
    return compare_best(runs_of(loss, RATES), Margins(), Estimate()).row(0, named=True)


def bowl(b, rate, mu, seed):
    """SGD is best at 0.2, SGDM at 0.4, and 0.04 + wobble deeper there."""
    best, depth = (0.4, 0.04 + WOBBLE[seed]) if mu > 0 else (0.2, 0.0)
    return float(np.exp(np.log(rate / best) ** 2 - depth))


def test_each_at_its_own_best():
    row = row_of(bowl)
    sample = 0.04 + np.array(WOBBLE)

    assert (row["sgd_eta_ef"], row["sgdm_eta_ef"], row["status"]) == (0.2, 0.4, "compared")
    assert row["log_ratio"] == pytest.approx(sample.mean())
    assert row["equivalence_p"] == pytest.approx(DescrStatsW(sample).ttost_mean(-0.05, 0.05)[0])
    assert row["superiority_p"] == pytest.approx(DescrStatsW(sample).ttest_mean(0.05, "larger")[1])


def test_the_choice_is_made_without_the_seed_it_is_used_on():
    # Column by column: without seed 0 the second rate is best, without seed 1 or 2 the first.
    losses = np.array([[0.0, 1.0, 1.0], [5.0, 0.9, 0.9]])

    assert best_of_others(losses).tolist() == [1, 0, 0]


def test_a_diverged_run_counts_as_the_cap_above_the_best():
    losses = capped_losses(np.array([[1.0, np.e], [np.nan, 1e9]]), np.array([[False, False], [True, False]]), cap=3.0)

    assert losses.tolist() == [[0.0, 1.0], [3.5, 3.5]]


def test_divergence_keeps_a_rate_from_being_chosen():
    row = row_of(lambda b, rate, mu, seed: None if mu == 0 and rate == 0.2 and seed < 2 else bowl(b, rate, mu, seed))

    assert row["sgd_eta_ef"] in (0.1, 0.4)


@pytest.mark.parametrize(("edge", "momenta"), [("sgd", (0.0,)), ("sgdm", (0.9,)), ("both", (0.0, 0.9))])
def test_a_best_at_the_end_of_the_grid_is_told(edge, momenta):
    row = row_of(lambda b, rate, mu, seed: 1 / rate + seed if mu in momenta else bowl(b, rate, mu, seed))

    assert (row["status"], row["at_edge"]) == ("at_edge", edge)


def test_two_seeds_are_insufficient():
    runs = runs_of(bowl, RATES, n_seeds=2)

    assert compare_best(runs, Margins(), Estimate())["status"].to_list() == ["insufficient"]


def test_the_two_need_no_common_rate():
    """SGD's 0.1, 0.2, 0.4 beside SGDM's 0.3, 0.4, 0.6, 0.8: the depths at 0.2 and 0.4 are compared."""
    runs = runs_of(bowl, (0.1, 0.2, 0.3, 0.4, 0.6, 0.8))
    runs = runs.filter(
        pl.when(pl.col("optimizer") == "sgd")
        .then(pl.col("eta_ef").is_in([0.1, 0.2, 0.4]))
        .otherwise(pl.col("eta_ef").is_in([0.3, 0.4, 0.6, 0.8]))
    )
    row = compare_best(runs, Margins(), Estimate()).row(0, named=True)

    assert (row["sgd_eta_ef"], row["sgdm_eta_ef"], row["n_seeds"]) == (0.2, 0.4, 5)
    assert row["log_ratio"] == pytest.approx(0.04 + np.mean(WOBBLE))
