"""Truth: medians over time counted by hand, and curvature that passes zero in a log that is dense there."""

import math

import numpy as np
import pytest
from mstudy.core.params import Detect
from mstudy.detect.points import coarsen, usable_points
from mstudy.detect.rise.past import Past, past_of
from mstudy.detect.sharpening import find_sharpening

ZERO = 5790
# Gaps of 1 % of the step, and every step for a while from the zero on: as adaptive logging has them.
SPARSE = np.unique(np.geomspace(1, 8000, 700).astype(int))
STEPS = np.unique(np.concatenate([SPARSE, np.arange(ZERO - 3, ZERO + 60)]))


def events(curvature, **changes):
    found = find_sharpening(STEPS, curvature, np.ones(len(STEPS)), Detect(**changes), np.random.default_rng(0))
    return [round(event.step) for event in found.events]


def falling_from(level):
    """Falls from 5 to the level within 40 steps and a little on, as the first steps of a training do."""
    return 5 * np.exp(-STEPS / 5) + level * np.exp(-STEPS / 3000)


@pytest.mark.parametrize("steepness", [1e-6, 3e-6, 1e-5])
def test_the_way_out_of_a_zero_that_is_passed_from_below_is_no_jump(steepness):
    # -0.004 for thousands of steps, up through zero, and back to the size that it had.
    curvature = falling_from(0.003)
    late = STEPS > 150
    curvature[late] = np.clip(steepness * (STEPS[late] - ZERO + 0.5), -0.004, 0.005)

    assert events(curvature) == []


def test_the_way_out_of_a_zero_that_is_only_touched_is_no_jump():
    curvature = falling_from(0.003)
    late = STEPS > 150
    curvature[late] = np.clip(3e-6 * np.abs(STEPS[late] - ZERO + 0.5), 0, 0.005)

    assert events(curvature) == []


def test_a_jump_out_of_values_about_zero_is_one(rng):
    # Of either sign, 0.001 in size, and a thousand times as much from the zero on.
    curvature = falling_from(0.003)
    late = STEPS > 150
    curvature[late] = 0.001 * rng.normal(size=late.sum())
    curvature[ZERO <= STEPS] = 1 + 0.1 * rng.normal(size=(ZERO <= STEPS).sum())

    assert events(curvature) == [pytest.approx(ZERO, abs=3)]


def test_the_median_counts_steps_and_sizes():
    # 1 for 10 steps, then -8 for 80, then ten rows of 0.5, one a step.
    past = Past(np.array([0, 10, *range(90, 100)]), np.log([1, 8, *[0.5] * 10]), np.array([0, 90, 95, 99]))

    assert past.usual_before(0, 3, 3) == pytest.approx(math.log(8))
    assert past.usual_before(1, 2, 3) == pytest.approx(math.log(0.5))  # from step 90 to 95: rows of 0.5 alone
    assert past.usual_before(2, 2, 2) == -math.inf  # over no step


def test_as_many_steps_as_after_the_onset_are_looked_at():
    past = Past(np.array([0, 50, 60, 70]), np.log([4, 2, 1, 1]), np.array([50, 60, 110]))

    assert past.usual_before(0, 1, 1) == pytest.approx(math.log(2))
    assert past.usual_before(0, 1, 2) == pytest.approx(math.log(4))  # from step 10 to 60


def test_rows_without_a_logarithm_count_by_their_size_and_those_not_measured_not():
    steps, curvature = np.arange(5) * 10, np.array([1.0, -3.0, np.nan, 0.0, 2.0])
    points = usable_points(steps, curvature, np.ones(5))

    past = past_of(steps, curvature, points, coarsen(points))

    assert past.steps.tolist() == [0, 10, 30, 40]
    assert past.log_size == pytest.approx([0, math.log(3), -math.inf, math.log(2)])
    assert past.block_steps.tolist() == [0, 40]
