"""Truth: Lord's published table; the test and closed testing written out over all sets and signs; nominal level."""

from itertools import chain, combinations, product

import numpy as np
import pytest
from mstudy.estimate.rates.joint_equivalence import critical_ratio, doubtful_cells
from mstudy.pairs.seed_tests import p_equivalent_rows

MARGIN, LEVEL = 0.05, 0.03


@pytest.mark.parametrize(("n", "ratio"), [(2, 6.353), (3, 1.304), (4, 0.717), (5, 0.507), (10, 0.230), (20, 0.126)])
def test_critical_ratios_are_those_of_lord(n, ratio):
    assert critical_ratio(n, 0.025) == pytest.approx(ratio, abs=6e-4)  # one-sided; Lord (1947), table 9


def rejects(values):
    """The set is equivalent: whatever the sides of the margin, the mean of the sum is beyond a share of its range."""
    for signs in product((-1, 1), repeat=len(values)):
        distances = MARGIN - np.array(signs)[:, None] * values
        total = (distances / np.linalg.norm(distances, axis=1, keepdims=True)).sum(axis=0)
        if total.mean() <= critical_ratio(values.shape[1], LEVEL) * np.ptp(total):
            return False
    return True


def doubtful_by_hand(values, p_values):
    """Of each beginning of the cells in the order of their p-values: its largest part inside a set not rejected."""
    cells = range(len(values))
    sets = chain.from_iterable(combinations(cells, size) for size in range(1, len(values) + 1))
    kept = [frozenset(each) for each in sets if not rejects(values[list(each)])]
    found, order = np.zeros(len(values), dtype=int), np.argsort(p_values, kind="stable")
    for end in range(1, len(values) + 1):
        found[order[end - 1]] = max((len(each & frozenset(order[:end].tolist())) for each in kept), default=0)
    return found


def doubtful(values, level=LEVEL):
    p_values = np.nan_to_num(p_equivalent_rows(values, np.full(len(values), MARGIN)), nan=1.0)
    return doubtful_cells(values, np.full(len(values), MARGIN), p_values, level), p_values


@pytest.mark.parametrize("seed", range(25))
def test_doubtful_cells_against_closed_testing_written_out(seed):
    rng = np.random.default_rng(seed)
    sd, mean = rng.choice([0.002, 0.02, 0.04]), rng.choice([0.0, 0.02, 0.05], 6) * rng.choice([-1, 1], 6)
    values = mean[:, None] + sd * (rng.normal(size=4) + rng.normal(size=(6, 4)))
    found, p_values = doubtful(values)

    assert found.tolist() == doubtful_by_hand(values, p_values).tolist()


def test_cells_that_each_lack_a_little_are_shown_together():
    """None of twelve passes alone at 0.03; each seed's mean of them lies far within the margin."""
    rng = np.random.default_rng(4)
    values = 0.055 * np.array([rng.permutation([-1.0, -0.6, 0.0, 0.6, 1.0]) for _ in range(12)])
    found, p_values = doubtful(values)

    assert p_values.min() > LEVEL
    assert found.max() <= 6


def test_what_moves_all_cells_alike_is_not_averaged_away():
    values = np.repeat(0.055 * np.array([[-1.0, -0.6, 0.0, 0.6, 1.0]]), 12, axis=0)
    found, _ = doubtful(values)

    assert sorted(found) == list(range(1, 13))


def test_one_cell_far_beyond_the_margin_hides_few_others():
    values = 0.01 * np.random.default_rng(5).normal(size=(20, 5))
    values[0] += 10.0
    found, _ = doubtful(values)

    assert found[0] == found.max() <= 3


def test_a_cell_of_which_nothing_is_known_is_doubtful():
    values = np.zeros((4, 5)) + 0.001 * np.arange(5)
    values[3] = np.nan
    found, _ = doubtful(values)

    assert found.tolist() == [0, 0, 0, 1]


def test_of_many_cells_fewer_beginnings_are_bounded_and_no_bound_is_too_good():
    values = 0.02 * np.random.default_rng(6).normal(size=(150, 5)) + np.linspace(0.0, 0.06, 150)[:, None]
    found, p_values = doubtful(values)
    order = np.argsort(p_values, kind="stable")

    assert np.all(np.diff(found[order]) >= 0)
    first = values[order[:64]]
    assert np.all(found[order[:64]] >= doubtful(first)[0][np.argsort(doubtful(first)[1], kind="stable")])


@pytest.mark.parametrize("tail", [None, 3.0])
def test_no_more_than_the_level_is_held_to_be_sure_at_the_margin(tail):
    """Three cells at the margin, either side, that share half of their noise, among five that are equivalent."""
    rng, n, wrong = np.random.default_rng(7), 1000, 0
    means = np.array([-0.05, -0.05, 0.05, 0, 0, 0, 0, 0])
    for _ in range(n):
        noise = rng.normal(size=(9, 5)) if tail is None else rng.standard_t(tail, (9, 5))
        found, _ = doubtful(means[:, None] + 0.01 * (noise[0] + noise[1:]))
        at_margin = np.sort(found[:3])
        wrong += bool((at_margin < np.arange(1, 4)).any())

    assert wrong / n <= LEVEL + 3 * (LEVEL * (1 - LEVEL) / n) ** 0.5
