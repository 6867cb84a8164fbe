"""Truth: odds of a half by hand; the penalised likelihood by brute force on a fine grid."""

import numpy as np
import pytest
from mstudy.estimate.event_times.firth import firth_hazard_ratio
from mstudy.estimate.event_times.hazard import hazard_ratio
from mstudy.estimate.event_times.swap_test import PairedTimes
from scipy import stats


def paired(time, event, cell=None):
    cells = np.zeros(len(time), dtype=int) if cell is None else np.asarray(cell)
    event = np.asarray(event, dtype=bool)
    return PairedTimes(np.asarray(time, dtype=float), event, np.zeros_like(event), cells)


def brute_force(times, alpha=0.05):
    """Risk set by risk set, on a grid of 0.001: Breslow's likelihood, its information as the mean of variances."""
    grid = np.arange(-15, 15, 1e-3)
    likelihood, information = np.zeros_like(grid), np.zeros_like(grid)
    for cell in np.unique(times.cell):
        time, event = times.time[times.cell == cell], times.event[times.cell == cell]
        for pair, side in zip(*np.nonzero(event), strict=True):
            at_risk = time >= time[pair, side]
            weight = at_risk[:, 0].sum() + at_risk[:, 1].sum() * np.exp(grid)
            share = at_risk[:, 1].sum() * np.exp(grid) / weight
            likelihood += side * grid - np.log(weight)
            information += share * (1 - share)
    penalised = likelihood + 0.5 * np.log(information)
    inside = grid[penalised >= penalised.max() - stats.chi2.ppf(1 - alpha, 1) / 2]
    return np.exp([grid[penalised.argmax()], inside[0], inside[-1]])


@pytest.mark.parametrize("n_cells", [1, 4, 10])
def test_cells_of_one_pair_in_which_sgd_alone_has_an_event(n_cells):
    # One at risk on either side: k log(1 - p) + log(p (1 - p)) / 2 is largest at odds of 0.5 / (k + 0.5).
    times = paired([[5, 9]] * n_cells, [[True, False]] * n_cells, np.arange(n_cells))

    ratio, low, high = firth_hazard_ratio(times, 0.05)

    assert ratio == pytest.approx(0.5 / (n_cells + 0.5), rel=1e-4)
    assert low < ratio < high


@pytest.mark.parametrize("separated", [True, False])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_against_brute_force(rng, separated, alpha):
    time = np.ceil(rng.exponential(20, size=(12, 2)))  # with ties
    event = rng.random((12, 2)) < 0.7
    if separated:
        event[:, 1] = False
    times = paired(time, event, np.repeat([0, 1, 2], 4))

    assert firth_hazard_ratio(times, alpha) == pytest.approx(tuple(brute_force(times, alpha)), rel=5e-3)


def test_without_separation_the_penalty_hardly_moves_cox(rng):
    time = rng.exponential(1.0, size=(400, 2)) * [1.0, 2.0]
    times = paired(time, np.ones((400, 2)), np.repeat([0, 1, 2, 3], 100))

    assert firth_hazard_ratio(times, 0.05)[0] == pytest.approx(hazard_ratio(times).ratio, rel=0.02)


@pytest.mark.parametrize("event", [[[True, False]], [[False, True]]])
def test_an_event_with_one_side_at_risk_says_nothing(event):
    alone = [[5, 1]] if event[0][0] else [[1, 5]]

    assert firth_hazard_ratio(paired(alone, event), 0.05) is None


def test_the_interval_covers_a_ratio_of_one_where_events_are_rare():
    covered = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        event = rng.random((20, 2)) < 0.08
        found = firth_hazard_ratio(paired(rng.random((20, 2)), event, np.repeat([0, 1, 2, 3], 5)), 0.05)
        covered += [] if found is None else [found[1] <= 1 <= found[2]]

    assert len(covered) > 250
    assert 0.93 <= np.mean(covered) <= 1.0
