"""Truth: enumeration of all swaps; areas by hand; a Cox model with the answer built in."""

from itertools import product

import numpy as np
import pytest
from mstudy.inference.deferral import PairedTimes, hazard_ratio, restricted_mean, swap_test
from scipy import stats


def paired(sgd, sgdm, event_sgd=True, event_sgdm=True, cell=None):
    time = np.column_stack([sgd, sgdm]).astype(float)
    event = np.column_stack([np.full(len(time), event_sgd), np.full(len(time), event_sgdm)])
    cells = np.zeros(len(time), dtype=int) if cell is None else np.asarray(cell)
    return PairedTimes(time, event, np.zeros_like(event), cells)


def test_swap_test_against_all_swaps():
    times = paired([3, 5, 8, 9], [6, 4, 12, 20])

    def score(swapped):
        total = 0.0
        first = np.where(swapped, times.time[:, 1], times.time[:, 0])
        for moment in sorted(times.time.ravel()):
            total += (first == moment).sum() - (first >= moment).sum() / (times.time >= moment).sum()
        return abs(total)

    observed = score(np.zeros(4, bool))
    exact = np.mean([score(np.array(s)) >= observed - 1e-9 for s in product([False, True], repeat=4)])

    assert swap_test(times, 20_000, np.random.default_rng(0)) == pytest.approx(exact, abs=0.02)


def test_events_on_one_side_alone_are_decided():
    times = paired(np.arange(10, 20), np.full(10, 100), event_sgdm=False)

    assert swap_test(times, 2000, np.random.default_rng(0)) == pytest.approx(2 * 0.5**10, abs=0.003)
    assert hazard_ratio(times) == (0.0, None, None)


def test_no_event_has_no_p_value():
    times = paired([10, 10], [10, 10], event_sgd=False, event_sgdm=False)

    assert swap_test(times, 100, np.random.default_rng(0)) is None
    assert hazard_ratio(times) == (None, None, None)


def test_swap_test_keeps_its_level():
    p = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        frailty = rng.exponential(1, size=(12, 1))
        times = frailty * rng.exponential(1, size=(12, 2))
        p.append(swap_test(paired(times[:, 0], times[:, 1], cell=np.repeat([0, 1, 2], 4)), 400, rng))

    assert np.mean(np.array(p) <= 0.05) <= 0.09
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_hazard_ratio_finds_the_planted_one(rng):
    times = rng.exponential(1.0, size=(600, 2)) * [1.0, 2.0]  # half the hazard under momentum

    ratio, low, high = hazard_ratio(paired(times[:, 0], times[:, 1], cell=np.repeat(np.arange(6), 100)))

    assert low < 0.5 < high
    assert ratio == pytest.approx(0.5, rel=0.2)


def test_cells_without_events_do_not_spoil_the_hazard_ratio(rng):
    times = rng.exponential(1.0, size=(40, 2))
    event = np.ones((40, 2), bool)
    event[20:] = False

    ratio, low, high = hazard_ratio(PairedTimes(times, event, ~event, np.repeat([0, 1], 20)))

    assert low < ratio < high


def test_restricted_mean_is_the_area_by_hand():
    # Of 4 runs one falls at 2 and one at 6, two are censored at 10: 2 * 1 + 4 * 0.75 + 4 * 0.5.
    time, event = np.array([2.0, 6.0, 10.0, 10.0]), np.array([True, True, False, False])

    assert restricted_mean(time, event, 10.0) == pytest.approx(2 + 3 + 2)
    assert restricted_mean(time, np.zeros(4, bool), 10.0) == 10.0
