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


def placed(change=lambda ratio, rate, seed: ratio, diverged=lambda rate, mu, seed: False):
    def loss(b, rate, mu, seed):
        if diverged(rate, mu, seed):
            return None
        ratio = 0.2 * max(np.log(rate / 0.1), 0.0) + 0.01 * np.sin(7 * seed + 100 * rate)
        return float(np.exp(change(ratio, rate, seed))) if mu == 0 else 1.0

    return place_cells(rate_lines(runs_of(loss, RATES), Margins()), Margins(), Estimate())


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
