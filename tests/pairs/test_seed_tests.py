"""Truth: scipy's t tests; by hand."""

import numpy as np
import pytest
from mstudy.pairs.seed_tests import bootstrap_interval, median_interval, p_equivalent, p_greater, p_less, t_interval
from scipy import stats

SAMPLE = np.array([0.02, 0.11, 0.07, 0.15, 0.09])


def test_one_sided_tests_against_scipy():
    assert p_greater(SAMPLE, 0.05) == pytest.approx(stats.ttest_1samp(SAMPLE, 0.05, alternative="greater").pvalue)
    assert p_less(SAMPLE, 0.05) == pytest.approx(stats.ttest_1samp(SAMPLE, 0.05, alternative="less").pvalue)


def test_equivalence_is_the_worse_of_two_tests():
    assert p_equivalent(SAMPLE, 0.2) == pytest.approx(max(p_less(SAMPLE, 0.2), p_greater(SAMPLE, -0.2)))
    assert p_equivalent(SAMPLE, 0.2) < 0.01 < p_equivalent(SAMPLE, 0.1)


def test_t_interval_against_scipy():
    expected = stats.ttest_1samp(SAMPLE, 0).confidence_interval(0.95)

    assert t_interval(SAMPLE, 0.05) == pytest.approx((SAMPLE.mean(), expected.low, expected.high))


def test_equal_values_leave_the_sign_test():
    assert p_greater(np.full(5, 3.0), 0.05) == 0.5**5
    assert p_greater(np.full(5, -3.0), 0.05) == 1.0


@pytest.mark.parametrize("function", [lambda s: p_greater(s, 0), lambda s: p_less(s, 0), lambda s: p_equivalent(s, 1)])
def test_one_value_is_not_testable(function):
    assert function(np.array([1.0])) is None


def test_bootstrap_interval_covers_as_often_as_it_says(rng):
    # 5 normal seeds: a plain percentile interval covers 83 %.
    samples = rng.normal(1.0, 1.0, size=(400, 5))
    covered = [low <= 1.0 <= high for low, high in (bootstrap_interval(s, 0.05, 1000, rng) for s in samples)]

    assert 0.89 <= np.mean(covered) <= 0.98


def test_bootstrap_is_seeded():
    a, b, c = (bootstrap_interval(SAMPLE, 0.05, 200, np.random.default_rng(s)) for s in (1, 1, 2))

    assert a == b
    assert a != c
    assert bootstrap_interval(SAMPLE[:1], 0.05, 200, np.random.default_rng(1)) is None


def test_the_interval_of_a_median_is_that_of_order_statistics():
    # Of ten values one may be left out on either side: 1 - 22 / 1024. Of five none: 1 - 2 / 32.
    assert median_interval(np.arange(10.0), 0.05) == (4.5, 1.0, 8.0, pytest.approx(1 - 22 / 1024))
    assert median_interval(np.array([5.0, 1.0, 3.0, 2.0, 4.0]), 0.05) == (3.0, 1.0, 5.0, pytest.approx(1 - 2 / 32))
    assert median_interval(np.array([7.0]), 0.05) == (7.0, None, None, None)
    assert median_interval(np.array([]), 0.05) == (None, None, None, None)
