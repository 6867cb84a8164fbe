"""Truth: ratios by hand."""

import numpy as np
import polars as pl
from mstudy.core.params import Margins
from mstudy.pairs.rate_lines import rate_lines

from tests.estimate.tables import runs_of

GONE = {(0.2, 0.0, 0), (0.4, 0.0, 0), (0.4, 0.9, 0), (0.4, 0.9, 1)}


def loss(b, rate, mu, seed):
    return None if (rate, mu, seed) in GONE else 100.0 if (rate, mu, seed) == (0.1, 0.0, 1) else np.exp(rate * (1 - mu))


def the_line():
    return rate_lines(runs_of(loss, (0.4, 0.1, 0.2), n_seeds=2), Margins())[0]


def test_ratios_are_capped_and_ties_are_zero():
    line = the_line()

    assert line.eta_ef.tolist() == [0.1, 0.2, 0.4]
    # (1 - 0.1) * eta_ef; capped at 3; SGD diverged; both diverged; SGDM diverged.
    np.testing.assert_allclose(line.ratio, [[0.09, 3.0], [3.0, 0.18], [0.0, -3.0]])
    assert line.whole.tolist() == [True, False, False]
    assert line.mean[2] == -1.5


def test_a_cell_of_ties_compares_nothing():
    line = rate_lines(runs_of(lambda *_: None, (0.1,)), Margins())[0]

    assert line.compared.tolist() == [False]
    assert line.ratio.tolist() == [[0.0] * 5]


def test_a_missing_pair_is_nan_and_not_counted():
    runs = runs_of(loss, (0.1, 0.2), n_seeds=2).filter(pl.col("run_id") != "8-0.1-0.9-0")

    line = rate_lines(runs, Margins())[0]

    assert np.isnan(line.ratio[0, 0])
    assert line.n.tolist() == [1, 2]


def test_each_seed_is_left_out_once():
    left = dict(the_line().without_each_seed())

    assert {k: line.seeds.tolist() for k, line in left.items()} == {0: [1], 1: [0]}
    assert left[0].ratio[:, 0].tolist() == the_line().ratio[:, 1].tolist()
