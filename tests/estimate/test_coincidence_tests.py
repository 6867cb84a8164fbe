"""Truth: every exchange enumerated; statsmodels' TOST; ranks regressed by hand."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from mstudy.estimate.event_times.coincidence_tests import (
    Times,
    block_lags,
    lag_over_blocks,
    shared_part,
)
from mstudy.estimate.event_times.exchange import Moments, within_blocks
from mstudy.estimate.event_times.refused_tests import equivalence, partial_spearman
from scipy import stats
from statsmodels.regression.linear_model import WLS
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.weightstats import DescrStatsW


def times(rng, n_blocks=2, n_seeds=3, momenta=1, link=0.0):
    block = np.repeat(np.arange(n_blocks), n_seeds * momenta)
    seed = np.tile(np.repeat(np.arange(n_seeds), momenta), n_blocks)
    cell = block * momenta + np.tile(np.arange(momenta), n_blocks * n_seeds)
    sharpening = rng.normal(size=(n_blocks, n_seeds))[block, seed] + block
    parting = link * sharpening + rng.normal(size=len(block)) + block
    error = np.zeros(len(block))
    return Times(parting, sharpening, error, error, block, cell, seed, block.astype(float), error, 0 * block)


def moments(t):
    """All openings and all rises of times in which each run has one of each."""
    none = 0 * t.block
    rises = Moments(t.sharpening, t.weight, t.block, none, t.seed, none, none)
    return Moments(t.parting, t.weight, t.block, t.cell, t.seed, none, none), rises


def distance(parting, sharpening, cell):
    lag = parting - sharpening
    return sum(np.abs(lag[cell == c] - lag[cell == c].mean()).sum() for c in np.unique(cell))


@pytest.mark.parametrize("momenta", [1, 2])
def test_exchanges_within_blocks_against_all_of_them(rng, momenta):
    t = times(rng, momenta=momenta, link=0.7)
    own = {(b, s): t.sharpening[(t.block == b) & (t.seed == s)][0] for b in (0, 1) for s in (0, 1, 2)}
    observed = distance(t.parting, t.sharpening, t.cell)
    all_of_them = []
    for orders in product(permutations(range(3)), repeat=2):
        exchanged = np.array([own[b, orders[b][s]] for b, s in zip(t.block, t.seed, strict=True)])
        all_of_them.append(distance(t.parting, exchanged, t.cell))
    exact = np.mean(np.array(all_of_them) <= observed + 1e-9)

    statistic, p_value = within_blocks(*moments(t), 20_000, rng)

    assert statistic == pytest.approx(observed / len(t.parting))
    assert p_value == pytest.approx(exact, abs=0.02)


def test_a_lag_of_a_whole_cell_changes_nothing(rng):
    t = times(rng, link=0.7)
    moved = replace(t, parting=t.parting + 3 * t.cell)

    assert within_blocks(*moments(t), 500, np.random.default_rng(1)) == pytest.approx(
        within_blocks(*moments(moved), 500, np.random.default_rng(1))
    )


def test_equivalence_against_statsmodels(rng):
    lags = rng.normal(0.02, 0.05, 9)

    expected = DescrStatsW(lags).ttost_mean(np.log(0.9), np.log(1.1))[0]

    assert equivalence(lags, 0.1) == pytest.approx(expected)


def test_partial_spearman_against_the_formula_for_one_control(rng):
    t = times(rng, n_blocks=5, n_seeds=4)
    eta = t.log_eta + rng.normal(0, 0.5, 20)
    xy, xz, yz = (
        stats.spearmanr(a, b).statistic for a, b in ((t.parting, t.sharpening), (t.parting, eta), (t.sharpening, eta))
    )

    r, p_value = partial_spearman(replace(t, log_eta=eta))

    expected = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    assert r == pytest.approx(expected)
    assert p_value == pytest.approx(2 * stats.t.sf(abs(r) * np.sqrt(17 / (1 - r**2)), 17))


def test_the_shared_part_is_the_slope_with_cell_means_taken_out(rng):
    t = times(rng, n_blocks=6, n_seeds=5, link=0.8)
    dummies = (t.cell[:, None] == np.unique(t.cell)).astype(float)
    expected = np.linalg.lstsq(np.column_stack([t.sharpening, dummies]), t.parting, rcond=None)[0][0]

    slope, low, high = shared_part(t, 0.05)

    assert slope == pytest.approx(expected)
    assert low < slope < high


def test_two_blocks_have_no_shared_part(rng):
    assert shared_part(times(rng), 0.05) is None


def test_equally_well_dated_blocks_have_students_interval(rng):
    t = times(rng, n_blocks=5, n_seeds=3)
    means = [t.lag[t.block == block].mean() for block in range(5)]

    found = lag_over_blocks(t)

    expected = stats.t.interval(0.95, 4, np.mean(means), stats.sem(means))
    assert found.interval(0.05) == pytest.approx(expected, rel=1e-3)
    assert found.p_equivalent(0.1) == pytest.approx(equivalence(np.array(means), 0.1), rel=1e-2)


def test_the_error_of_the_lag_against_statsmodels_hc2(rng):
    t = times(rng, n_blocks=6, n_seeds=3)
    t = replace(t, parting_error=np.where(t.block < 3, 0.02, 0.4))
    means, variances = block_lags(t)
    between = combine_effects(means, variances, method_re="iterated").tau2
    expected = WLS(means, np.ones(6), weights=1 / (variances + between)).fit(cov_type="HC2")

    found = lag_over_blocks(t)

    assert found.mean == pytest.approx(expected.params[0])
    assert found.error == pytest.approx(expected.bse[0])


def test_variance_of_a_block_by_hand(rng):
    # Two blocks of two pairs: errors 0.3 and 0.4 (0.5 together), common to the pairs; lags 0.1 and 0.3 in one block, 0
    # and 0 in the other: variance within 0.02 and 0, 0.01 on average, of which two seeds leave half.
    block, seed, zero = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.zeros(4)
    errors = np.full(4, 0.3), np.full(4, 0.4)
    t = Times(np.array([0.1, 0.3, 0.0, 0.0]), zero, *errors, block, block, seed, zero, zero, 0 * block)

    means, variances = block_lags(t)

    assert means == pytest.approx([0.2, 0.0])
    assert variances == pytest.approx([0.5**2 + 0.01 / 2 + 0.05**2] * 2)


def test_where_one_block_carries_the_mean_there_are_few_degrees_of_freedom(rng):
    t = times(rng, n_blocks=5, n_seeds=3, link=1.0)
    alone = np.where(t.block == 0, 0.0, 50.0)

    assert lag_over_blocks(t).freedom == pytest.approx(4, abs=1e-2)
    assert lag_over_blocks(replace(t, parting_error=alone)).freedom < 3


def test_a_parting_that_is_hardly_dated_hardly_counts(rng):
    t = times(rng, n_blocks=4, n_seeds=4, link=1.0)
    astray, vague = t.parting.copy(), t.parting_error.copy()
    astray[::4] -= 50
    vague[::4] = 50

    found = lag_over_blocks(replace(t, parting=astray, parting_error=vague))

    assert found.mean == pytest.approx(lag_over_blocks(t).mean, abs=0.6)
    assert found.interval(0.05)[1] > found.mean > found.interval(0.05)[0] > -5


def test_lags_that_differ_by_rounding_alone_have_no_error(rng):
    t = times(rng, n_blocks=4)
    rounding = 1e-12 * rng.normal(size=len(t.parting))

    assert lag_over_blocks(replace(t, parting=t.sharpening)) is None
    assert lag_over_blocks(replace(t, parting=t.sharpening + rounding)) is None
