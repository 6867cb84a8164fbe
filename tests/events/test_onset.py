"""Truth: onsets planted in hardly any noise, and likelihoods written down by hand."""

import numpy as np
import pytest
from mstudy.events.gap import Gap
from mstudy.events.onset import Onset, known_onset, locate_onset, typical_onset

STEPS = np.arange(0.0, 300.0, 3)


@pytest.mark.parametrize(
    "shape",
    [
        lambda t: t,
        lambda t: np.minimum(t, 60),
        lambda t: -np.expm1(-t / 40),
        lambda t: t**2 / 100,
        lambda t: (t > 0) * 1.0,
    ],
)
def test_a_gap_is_dated_in_any_shape(shape, rng):
    gap = shape(np.maximum(STEPS - 120, 0.0))
    found = locate_onset(Gap(STEPS, gap / gap.max() + rng.normal(0, 0.01, len(STEPS))))

    assert found.step == pytest.approx(120, abs=12)
    assert found.low <= 120 <= found.high


def test_a_level_and_a_scale_change_nothing(rng):
    gap = np.maximum(STEPS - 90, 0) / 200 + rng.normal(0, 0.01, len(STEPS))

    one, other = locate_onset(Gap(STEPS, gap)), locate_onset(Gap(STEPS, 5 - 40 * gap))

    assert (one.step, one.low, one.high) == pytest.approx((other.step, other.low, other.high), rel=1e-4)


def test_more_noise_widens_the_interval(rng):
    noise = rng.normal(0, 1, len(STEPS))
    quiet, loud = (locate_onset(Gap(STEPS, np.maximum(STEPS - 90, 0) / 200 + s * noise)) for s in (0.003, 0.1))

    assert loud.high - loud.low > 2 * (quiet.high - quiet.low)


def test_a_long_log_is_joined_to_few_points(rng):
    steps = np.arange(5000.0)
    found = locate_onset(Gap(steps, np.maximum(steps - 2000, 0) / 3000 + rng.normal(0, 0.05, 5000)))

    assert found.low < 2000 < found.high
    assert found.step == pytest.approx(2000, abs=200)


def test_the_typical_onset_of_known_ones_is_their_mean_in_log():
    middle, low, high = typical_onset([known_onset(s) for s in (50.0, 100.0, 200.0)])

    assert middle == pytest.approx(100, rel=0.05)
    # Student's interval is exp(log 100 +- 1.72); a spread of at most 1 keeps ours within it.
    assert 100 / np.exp(1.73) < low < 60
    assert 170 < high < 100 * np.exp(1.73)


def test_a_seed_that_cannot_be_dated_does_not_drag_the_others_along():
    steps = np.arange(1.0, 400.0)
    sharp = [Onset(s, s, s, steps, np.exp(-0.5 * ((steps - s) / 3) ** 2)) for s in (100.0, 110.0, 120.0)]
    vague = Onset(5.0, 1.0, 390.0, steps, np.ones_like(steps))

    assert typical_onset([*sharp, vague])[0] == pytest.approx(typical_onset(sharp)[0], rel=0.05)


def test_one_seed_has_no_interval():
    assert typical_onset([known_onset(70.0)])[1:] == (None, None)
