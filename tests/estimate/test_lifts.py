"""Truth: the noncentral t of statsmodels."""

import numpy as np
import polars as pl
import pytest
from mstudy.core.params import Estimate
from mstudy.estimate.claims.power import power_of_better, power_of_equal, seeds_for_mostly
from statsmodels.stats.power import TTestPower

ALPHA, SD = 0.05, 0.05


def seeds(ratios, power):
    return seeds_for_mostly(pl.DataFrame({"log_ratio": ratios, "sd": [SD] * len(ratios)}), power, ALPHA, Estimate())


@pytest.mark.parametrize(
    ("ratios", "least", "level"),
    [
        ([0.06, 0.09, *np.linspace(0.2, 0.5, 8)], 0.09, ALPHA / 2),  # more than 0.8 of ten are nine
        ([0.06, 0.09, 0.1, *np.linspace(0.2, 0.5, 12)], 0.1, ALPHA / 3),  # of fifteen, thirteen
        ([0.1, 0.2, 0.3], 0.1, ALPHA),  # of three, all
    ],
)
def test_seeds_are_those_of_the_last_unit_that_most_of_them_need(ratios, least, level):
    n = TTestPower().solve_power((least - 0.05) / SD, alpha=level, power=0.8, alternative="larger")

    assert seeds(ratios, power_of_better(0.05)) == int(np.ceil(n))


def test_units_beyond_the_margin_are_never_shown_within():
    assert seeds([0.2, 0.2, 0.0, 0.0], power_of_equal(0.05)) is None
    assert seeds([0.2, *[0.0] * 9], power_of_equal(0.05)) > 3
    assert seeds([], power_of_equal(0.05)) is None
