"""Truth: variances drawn from a known distribution; the formula of Smyth (2004) at a point where it is exact."""

import numpy as np
import pytest
from mstudy.estimate.rates.pooled_variance import Spread, moderated, p_equivalent_pooled
from scipy import stats


def spread(variances, freedom=4):
    variances = np.asarray(variances, dtype=float)
    return Spread(variances, np.full(len(variances), float(freedom)))


def test_variances_that_agree_double_the_freedom_and_no_more():
    """Log variances that differ less than chance would have them: all are drawn half-way to one value."""
    (lent,) = moderated([spread([1.0, 1.1, 0.9, 1.0])])

    assert lent.freedom == pytest.approx([8.0] * 4)
    assert lent.variance - lent.variance[0] == pytest.approx([0.0, 0.05, -0.05, 0.0])


def test_variances_that_really_differ_lend_next_to_nothing():
    (lent,) = moderated([spread([1e-6, 1e-3, 1.0, 1e3])])

    assert lent.freedom == pytest.approx([4.0] * 4, abs=0.3)
    assert lent.variance[3] > 900


def test_how_far_variances_differ_is_found_again():
    """Variances s0^2 d0 / chi^2(d0), d0 = 3, each seen with 4 degrees of freedom, in groups of another s0^2."""
    rng = np.random.default_rng(2)
    groups = []
    for level in (0.01, 1.0, 30.0):
        true = level * 3 / rng.chisquare(3, 3000)
        groups.append(spread(true * rng.chisquare(4, 3000) / 4))

    for group, lent in zip(groups, moderated(groups), strict=True):
        prior = lent.freedom[0] - 4
        assert prior == pytest.approx(3, rel=0.1)
        # The slope of the lent variance on the own one is d / (d0 + d).
        slope = np.ptp(lent.variance) / np.ptp(group.variance)
        assert slope == pytest.approx(4 / (4 + prior), rel=1e-6)


def test_a_cell_alone_or_without_a_variance_stays_as_it_is():
    alone, flat = spread([0.3]), Spread(np.array([0.0, 0.2, 0.0]), np.array([4.0, 4.0, 0.0]))

    for given, lent in zip((alone, flat), moderated([alone, flat]), strict=True):
        assert lent is given


def test_cells_at_the_margin_are_seldom_called_equal():
    """Five seeds, 20 cells, spreads that differ by a factor of two: each cell at the margin is tested at 3 %."""
    rng = np.random.default_rng(3)
    rejected = []
    for _ in range(300):
        scale = 0.02 * 2.0 ** rng.integers(0, 2, 20)
        samples = 0.05 + scale[:, None] * rng.normal(size=(20, 5))
        (lent,) = moderated([spread(samples.var(axis=1, ddof=1))])
        rejected.append(p_equivalent_pooled(samples, lent, 0.05) <= 0.03)

    share = np.mean(rejected)
    assert share <= 0.03 + 3 * (0.03 * 0.97 / (300 * 20)) ** 0.5


def test_the_test_by_a_known_spread_is_student_s():
    samples = np.array([[0.01, 0.02, 0.0, 0.03, -0.01], [0.01, 0.02, np.nan, 0.0, np.nan], [0.1] * 5])
    known = Spread(np.array([0.0004, 0.0001, 0.0]), np.array([9.0, 9.0, 4.0]))

    p_values = p_equivalent_pooled(samples, known, 0.05)

    t = (0.01 - 0.05) / np.sqrt([0.0004 / 5, 0.0001 / 3])
    assert p_values[:2] == pytest.approx(stats.t.cdf(t, 9))
    assert np.isnan(p_values[2])
