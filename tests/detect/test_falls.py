"""Truth: curvatures that rise and fall back at planted steps."""

import numpy as np
import pytest
from mstudy.core.params import Detect
from mstudy.detect.kinds.falls import fall_after
from mstudy.detect.points import Usable
from mstudy.detect.sharpening import find_sharpening

STEPS = np.arange(400.0)


JUMP = np.log(50.0)


def rise(fall=None, length=10.0, height=JUMP):
    """Up from step 100 to 110; down, from `fall` on, within `length` steps."""
    y = height * np.clip((STEPS - 100) / 10, 0, 1)
    return y if fall is None else y - height * np.clip((STEPS - fall) / length, 0, 1)


def fall_of(y):
    return fall_after(Usable(STEPS, y), 100.0, 105.0, 110.0)


def test_a_rise_that_is_taken_back_has_fallen_where_half_is_lost(rng):
    assert fall_of(rise(150) + rng.normal(0, 0.05, 400)) == pytest.approx(155, abs=2)


def test_a_rise_that_stays_or_wears_off_has_not(rng):
    assert fall_of(rise() + rng.normal(0, 0.05, 400)) is None
    assert fall_of(rise(150, length=200.0) + rng.normal(0, 0.05, 400)) is None


def test_noise_takes_no_rise_back(rng):
    assert fall_of(rise(height=np.log(3.0)) + rng.normal(0, 0.5, 400)) is None


def test_two_rows_below_are_no_fall():
    y = rise()
    y[200:202] = 0.0

    assert fall_of(y) is None


@pytest.mark.parametrize("at", [0.0, 399.0])
def test_a_rise_at_an_end_of_the_log_has_no_fall(at):
    assert fall_after(Usable(STEPS, rise(150)), at - 1, at, at) is None


def test_a_catapult_too_short_for_the_judge_of_rises_has_fallen_back(rng):
    # 25 steps high, 40 low, then high for good, as on full-batch nets near the edge.
    y = rise(135) + JUMP * np.clip((STEPS - 185) / 10, 0, 1)

    found = find_sharpening(STEPS.astype(int), np.exp(y + rng.normal(0, 0.05, 400)), np.ones(400), Detect())

    first, *_, last = found.events
    assert first.step == pytest.approx(105, abs=3)
    assert first.fall_step == pytest.approx(140, abs=3)
    assert (last.step, last.fall_step) == (pytest.approx(190, abs=3), None)
