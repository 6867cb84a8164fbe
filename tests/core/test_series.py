"""Truth: means and standard deviations by hand."""

import numpy as np
import pytest
from mstudy.core.series import local_scale, long_run_sd, median, smooth


def test_a_running_mean_holds_the_ends():
    """Width 3: before the first point stands its own value, and after the last one its."""
    np.testing.assert_allclose(smooth(np.array([3.0, 0.0, 6.0, 9.0]), 3), [2.0, 3.0, 5.0, 8.0])


def test_the_scale_of_a_slow_wander_is_that_of_its_block_means():
    """Of 16 points: blocks of 4 with the means -3, -1, 1, 3, so a variance of 20 / 3; times 4 for a single point."""
    wander = np.repeat([-3.0, -1.0, 1.0, 3.0], 4)

    assert long_run_sd(wander) == pytest.approx((20 / 3 * 4) ** 0.5)


def test_the_scale_of_alternating_points_is_their_own():
    """The means of their blocks are all zero."""
    assert long_run_sd(np.tile([1.0, -1.0], 8)) == 1.0


def test_the_local_scale_lies_halfway_between_that_nearby_and_that_of_the_run():
    """102 points: windows of 17. 51 points of size 1, then 51 of size 3: 2 on the average."""
    sizes = np.repeat([1.0, 3.0], 51) * np.tile([1.0, -1.0], 51)

    scale = local_scale(np.stack([sizes, 2 * sizes]))

    np.testing.assert_allclose(scale[0, [0, 20, 81, 101]], np.sqrt([2, 2, 6, 6]))
    np.testing.assert_allclose(scale[0, 51], np.sqrt((8 * 1 + 9 * 3) / 17 * 2))
    np.testing.assert_allclose(scale[1], 2 * scale[0])


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_medians_are_those_of_numpy(rng, n):
    values = rng.normal(size=n)

    assert median(values) == np.median(values)


def test_nothing_has_no_median():
    assert np.isnan(median(np.array([])))
