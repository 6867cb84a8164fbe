"""Truth: statsmodels' power of t tests; experiments drawn at the effect that is said to be seen."""

import numpy as np
import polars as pl
import pytest
from mstudy.inference.coincidence import Times, within_blocks
from mstudy.inference.power import Inputs, measure_power, power_equivalent, power_greater, smallest
from mstudy.inference.power_events import association_power, coincidence_power, deferral_power
from mstudy.params import Estimate
from mstudy.tables import ADVANTAGE, PARTINGS, RUNS, SHARPENINGS, THRESHOLDS
from statsmodels.stats.power import TTestPower

from benchmarks.experiments import Coincidence, Deferral, draw_survival, draw_times

FEW = Estimate(resamples=200)


def test_power_of_one_mean_against_statsmodels():
    expected = TTestPower().power(effect_size=0.03 / 0.02, nobs=5, alpha=0.05, alternative="larger")

    assert power_greater(0.03, 0.02, 5, 0.05) == pytest.approx(expected)


def test_power_of_equivalence_against_experiments(rng):
    sample = rng.normal(0.01, 0.03, size=(20_000, 6))
    error, mean = sample.std(axis=1, ddof=1) / 6**0.5, sample.mean(axis=1)
    quantile = 2.015  # t, 5 degrees of freedom, 0.95
    equal = ((0.05 - mean) / error > quantile) & ((mean + 0.05) / error > quantile)

    assert power_equivalent(0.01, 0.05, 0.03, 6, 0.05) == pytest.approx(equal.mean(), abs=0.02)


def test_smallest_number_against_statsmodels():
    needed = TTestPower().solve_power(effect_size=0.6, alpha=0.05, power=0.8, alternative="larger")

    assert smallest(lambda n: power_greater(0.6, 1.0, n, 0.05), 3) == int(np.ceil(needed))
    assert smallest(lambda n: power_greater(0.01, 1.0, n, 0.05), 3) is None


def inputs(claims=()):
    line = {"study": "s", "model": "m", "dataset": "d", "objective": "o", "batch_size": 8}
    line |= {"optimizer": "heavy_ball", "momentum": 0.9}
    cell = {"n_seeds": 5, "n_diverged_sgd": 0, "n_diverged_sgdm": 0, "log_ratio_sd": 0.02}
    advantage = ADVANTAGE.frame(
        [
            line | cell | {"eta_ef": 0.1, "log_ratio": 0.01, "equivalence_p": 0.01, "superiority_p": 1.0},
            line | cell | {"eta_ef": 0.9, "log_ratio": 0.08, "equivalence_p": 0.9, "superiority_p": 0.02},
        ]
    )
    star = {"status": "estimated", "eta_ef_star": 0.3, "ci_low": 0.2, "ci_high": 0.4}
    empty = RUNS.frame([]), SHARPENINGS.frame([]), PARTINGS.frame([])
    return Inputs(*empty, advantage, THRESHOLDS.frame([line | star]), claims, 0.05)


def test_means_against_statsmodels():
    rows = {row["claim"]: row for row in measure_power(inputs(), FEW).iter_rows(named=True)}

    d = TTestPower().solve_power(nobs=5, alpha=0.05, power=0.8, alternative="larger")
    assert rows["C2"]["effect_80"] == pytest.approx(0.05 + 0.02 * d, rel=1e-4)
    n = TTestPower().solve_power(effect_size=0.03 / 0.02, alpha=0.05, power=0.8, alternative="larger")
    assert rows["C2"]["seeds_needed"] == int(np.ceil(n))
    assert rows["C1"]["effect_80"] == pytest.approx(0.05 - 0.02 * d, rel=0.01)
    assert rows["C1"]["seeds_needed"] == 4


def test_where_nothing_can_be_said_the_note_says_why():
    rows = {row["claim"]: row for row in measure_power(inputs(), FEW).iter_rows(named=True)}

    for claim in ("C3", "C4", "C5", "C8"):
        assert rows[claim]["effect_80"] is rows[claim]["seeds_needed"] is None
        assert rows[claim]["note"].startswith("not estimable")


def test_the_slope_comes_from_its_interval():
    claim = {"id": "C3", "verdict": "inconclusive", "estimate": 0.01, "ci": (-0.02, 0.04), "n": 5, "unit": "u"}
    table = measure_power(inputs([claim | {"n_unit": "batch sizes"}]), FEW)

    row = table.row(by_predicate=pl.col("claim") == "C3", named=True)

    error = 0.03 / 3.182446  # t, 3 degrees of freedom, 0.975
    # (t_0.975 + t_0.8) standard errors, nearly; the noncentral t is a little above.
    assert (3.18 + 0.98) * error < row["effect_80"] < 1.15 * (3.18 + 0.98) * error
    assert (row["verdict"], row["seeds_needed"]) == ("inconclusive", None)


def test_coincidence_that_hardly_shows_needs_more_seeds():
    strong, weak = (
        coincidence_power(*draw_times(Coincidence(spread=s, error=0.05, n_seeds=4), np.random.default_rng(3)), FEW, 0.8)
        for s in (0.2, 0.05)
    )

    assert strong["observed"] > 0.8 > weak["observed"]
    assert strong["seeds_needed"] == 3
    assert weak["seeds_needed"] is None or weak["seeds_needed"] >= 4
    assert 0.3 < strong["effect_80"] < 0.8


def test_power_of_association_against_the_test_itself(rng):
    cell, seed, zero = np.repeat(np.arange(5), 4), np.tile(np.arange(4), 5), np.zeros(20)
    rejected = []
    for _ in range(150):
        first, own = rng.normal(size=(2, 20))
        times = Times(0.6 * first + 0.8 * own, first, zero, zero, cell, cell, seed, zero, zero)
        rejected.append(within_blocks(times, 99, rng)[1] <= 0.05)

    # The test's own statistic, a mean distance, is a little weaker than a covariance under normal times.
    assert association_power(0.6, 4, 5, 0.05, rng) == pytest.approx(np.mean(rejected), abs=0.12)


def test_the_deferral_that_could_be_seen_is_seen():
    found = deferral_power(*draw_survival(Deferral(n_seeds=4), np.random.default_rng(0)), FEW, 0.8)

    assert 1.1 < found["effect_80"] < 1.7
    assert found["n_units"] == 6
