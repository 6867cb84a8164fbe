"""Truth: closed testing written out over all subsets, and small cases by hand."""

from itertools import chain, combinations

import numpy as np
import pytest
from mstudy.estimate.claims.closed_testing import doubtful_by_simes, hommel_h, surely_true, surely_true_of
from scipy.stats import norm

ALPHA = 0.05


def simes_rejects(p_values):
    ordered = sorted(p_values)
    return any(len(ordered) * p <= (k + 1) * ALPHA for k, p in enumerate(ordered))


def subsets(items):
    return chain.from_iterable(combinations(items, size) for size in range(1, len(items) + 1))


def bound_by_hand(p_values, chosen):
    """The subset's size less that of its largest part that closed testing does not reject."""
    everything = [frozenset(each) for each in subsets(range(len(p_values)))]
    kept_by_simes = [each for each in everything if not simes_rejects([p_values[i] for i in each])]
    not_rejected = [each for each in everything if any(each <= larger for larger in kept_by_simes)]
    inside = [len(each) for each in not_rejected if each <= frozenset(chosen)]
    return len(chosen) - max(inside, default=0)


@pytest.mark.parametrize("seed", range(40))
def test_bounds_of_all_subsets_against_closed_testing_written_out(seed):
    rng = np.random.default_rng(seed)
    m = int(rng.integers(1, 8))
    small = rng.random(m) < 0.6
    p_values = np.where(small, rng.random(m) * rng.choice([0.001, 0.02, 0.06]), rng.random(m))
    p_values[rng.random(m) < 0.2] = 2.0**-5  # ties, as of cells in which every SGD run diverged
    h = hommel_h(p_values, ALPHA)

    for chosen in map(list, subsets(range(m))):
        assert surely_true(p_values[chosen], h, ALPHA) == bound_by_hand(p_values, chosen), (p_values, chosen)
        assert surely_true_of(doubtful_by_simes(p_values, h, ALPHA)[chosen]) == bound_by_hand(p_values, chosen)


def test_bounds_of_ten_units_against_closed_testing_written_out():
    p_values = np.array([0.001, 0.002, 0.004, 0.006, 0.01, 0.02, 0.03, 0.04, 0.3, 0.8])

    assert surely_true(p_values, hommel_h(p_values, ALPHA), ALPHA) == bound_by_hand(p_values, range(10))


@pytest.mark.parametrize(
    ("p_values", "h", "bound"),
    [
        ([0.04], 0, 1),
        ([0.06], 1, 0),
        ([0.05, 0.05, 0.05], 0, 3),  # at alpha itself
        ([0.001, 0.9], 1, 1),
        ([0.03, 0.9], 2, 0),  # 2 * 0.03 > 0.05: nothing is sure, although one p-value is below 0.05
        ([0.02, 0.02, 0.9], 1, 2),  # 3 * 0.02 <= 2 * 0.05, and 2 * 0.02 <= 0.05
        ([1.0, 1.0], 2, 0),
    ],
)
def test_bounds_by_hand(p_values, h, bound):
    assert hommel_h(np.array(p_values), ALPHA) == h
    assert surely_true(np.array(p_values), h, ALPHA) == bound


def test_nothing_chosen_holds_nowhere():
    assert surely_true(np.array([]), 3, ALPHA) == 0
    assert surely_true_of(np.array([], dtype=int)) == 0
    assert hommel_h(np.array([]), ALPHA) == 0


def test_the_bound_is_seldom_above_the_truth_for_any_subset():
    """Units that share a part, as cells that share SGD runs; the worst subset is chosen after looking."""
    rng = np.random.default_rng(1)
    n, m, wrong = 2000, 12, 0
    true = np.arange(m) < 7
    for _ in range(n):
        z = 0.7 * rng.normal() + 0.71 * rng.normal(size=m) + np.where(true, 2.5, 0.0)
        p_values = norm.sf(z)
        h = hommel_h(p_values, ALPHA)
        null = np.sort(p_values[~true])
        wrong += any(surely_true(null[:size], h, ALPHA) > 0 for size in range(1, len(null) + 1))

    assert wrong / n <= 0.05 + 3 * (0.05 * 0.95 / n) ** 0.5
