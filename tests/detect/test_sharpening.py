"""Truth: series with a planted jump, or with none; rates over many seeds are in test_calibration.py."""

import numpy as np
import pytest
from mstudy.core.params import Detect
from mstudy.core.series import smooth
from mstudy.detect.judge import judge_rises
from mstudy.detect.levels import rises, window_medians
from mstudy.detect.points import coarsen, usable_points
from mstudy.detect.rise.location import locate
from mstudy.detect.sharpening import find_sharpening

N = 300
STEPS = np.arange(N)
LOSS = np.exp(-0.01 * STEPS)
TREND = -1.5 + np.cos(STEPS / 60)


def noisy(rng, n=N, phi=0.5, sigma=0.2):
    innovations = rng.normal(0, sigma * (1 - phi**2) ** 0.5, n)
    series = np.zeros(n)
    for i in range(1, n):
        series[i] = phi * series[i - 1] + innovations[i]
    return series


def find(log_curvature, rng, steps=STEPS, loss=LOSS, **changes):
    return find_sharpening(steps, np.exp(log_curvature), loss, Detect(**changes), rng)


@pytest.mark.parametrize("at", [60, 150, 240])
@pytest.mark.parametrize("factor", [10, 100])
def test_a_planted_jump_is_found_in_its_place(rng, at, factor):
    found = find(TREND + noisy(rng) + np.log(factor) * (at <= STEPS), rng)
    (event,) = found.events

    assert found.status == "detected"
    assert event.step == pytest.approx(at - 0.5, abs=3)
    assert event.step_low <= at - 0.5 <= event.step_high
    assert at - 3 <= event.onset < event.end <= at + 3
    assert factor / 2 < event.jump < 2 * factor
    assert found.p_value == event.p_value <= 0.01


@pytest.mark.parametrize("length", [4, 10])
def test_the_time_of_a_ramp_is_its_middle(rng, length):
    found = find(noisy(rng, sigma=0.1) + 3 * np.clip((STEPS - 150) / length, 0, 1), rng)

    assert found.events[0].step == pytest.approx(150 + length / 2, abs=1)
    assert found.events[0].onset == pytest.approx(150, abs=2)
    assert found.events[0].end == pytest.approx(150 + length, abs=2)


def test_no_interval_is_narrower_than_half_a_gap_on_either_side(rng):
    steps = 7 * STEPS

    (event,) = find(3.0 * (STEPS >= 150) + noisy(rng, sigma=1e-4), rng, steps).events

    assert event.step - event.step_low >= 3.5 - 1e-9
    assert event.step_high - event.step >= 3.5 - 1e-9
    assert event.step_high - event.step_low < 14


def test_a_spike_beside_a_rise_does_not_move_it(rng):
    y = 3 * np.clip((STEPS - 150) / 6, 0, 1) + noisy(rng, sigma=0.1)
    y[143:145] += 3.0

    (event,) = find(y, rng).events

    assert event.step == pytest.approx(153, abs=1)
    assert event.step_low <= 153 <= event.step_high


def test_an_exponential_rise_has_its_middle_at_half_of_it(rng):
    scale = 4.0
    found = find(noisy(rng, sigma=0.1) - 3 * np.expm1(-np.maximum(STEPS - 150, 0) / scale), rng)

    assert found.events[0].step == pytest.approx(150 + scale * np.log(2), abs=0.8)


def test_every_catapult_is_an_event_and_the_first_comes_first(rng):
    up = ((STEPS >= 60) & (STEPS < 110)) | (STEPS >= 170)

    found = find(noisy(rng) + 3 * up, rng)

    assert [round(e.step) for e in found.events] == pytest.approx([60, 170], abs=1)


def test_short_catapults_in_a_short_log_are_events(rng):
    # 130 points: a smooth fall, then three rises by e^5 in 4 points, each taken back after 12.
    index = np.arange(130)
    up = np.zeros(130)
    for start in (50, 80, 105):
        up = np.maximum(up, np.clip(np.minimum((index - start) / 4, (start + 18 - index) / 2), 0, 1))
    y = np.maximum(-0.1 * index, -4.0) + 5.0 * up + rng.normal(0, 0.05, 130)

    found = find(y, rng, index, np.exp(-0.01 * index))

    assert found.events[0].step == pytest.approx(52, abs=2)


def test_each_rise_that_is_taken_back_is_one_more_chance(rng, monkeypatch):
    # Three catapults: with the whole run four tests, so 0.01 on the run up to a fall is 0.04.
    up = sum(((start <= STEPS) & (start + 30 > STEPS)).astype(float) for start in (60, 130, 200))
    wholes = iter([0.9])

    class Fixed:
        def __init__(self, p):
            self.p = p

        def of(self, change):
            return self.p

        def of_largest(self):
            return self.p

    monkeypatch.setattr("mstudy.detect.judge.simulate_p_values", lambda *arguments: Fixed(next(wholes, 0.01)))
    found = find(noisy(rng, sigma=0.1) + 3 * up, rng)

    assert [e.p_value for e in found.events] == pytest.approx([0.04] * 3)


def test_a_rise_that_the_end_of_the_log_cuts_off_is_no_jump(rng):
    # x5 over 16 points, of which the log shows the new level for 9: whether it lasts is not known.
    rise = np.log(5) * np.clip((STEPS - 275) / 16, 0, 1)

    assert find(rise + noisy(rng, sigma=0.02), rng).status == "none"


def test_what_is_called_a_jump_is_as_large_as_was_asked_for():
    generators = [np.random.default_rng(seed) for seed in range(20)]

    found = [find(np.log(3) * (STEPS >= 150) + noisy(g, sigma=0.2), g) for g in generators]

    assert 2 <= sum(f.status == "detected" for f in found) <= 18  # at the very factor, some are and some are not
    assert min(e.jump for f in found for e in f.events) >= 3


def test_verdicts_are_those_of_the_finding(rng):
    y = noisy(rng) + 3 * (STEPS >= 150)
    coarse = coarsen(usable_points(STEPS, np.exp(y), LOSS))

    verdicts = judge_rises(coarse.values, Detect(), np.random.default_rng(1))
    found = find(y, np.random.default_rng(1))

    assert [v.p_value for v in verdicts if v.reason is None] == [e.p_value for e in found.events]
    assert [round(v.place.middle) for v in verdicts if v.reason is None] == pytest.approx([150], abs=1)
    assert {v.reason for v in verdicts} <= {None, "small", "passing", "like_noise", "slow", "rebound"}


def test_where_no_rise_reaches_the_factor_nothing_is_tested(rng, monkeypatch):
    # x2, lasting and abrupt, then a fall by more than the factor: of both the first alone could be a jump.
    y = np.log(2) * (STEPS >= 80) - np.log(20) * (STEPS >= 200) + noisy(rng, sigma=0.05)
    assert find(y, rng, jump_factor=1.5).p_value <= 0.01

    monkeypatch.setattr("mstudy.detect.judge.simulate_p_values", None)  # the null is not sampled
    found = find(y, rng, jump_factor=3.0)

    assert (found.status, found.p_value, found.events) == ("none", None, ())
    assert found.followup_step > 250  # it was judged all the same


def test_alarms_are_rare_without_a_jump():
    # 200 runs of trend and dependent noise, no jump: at most 3 % may be called one.
    generators = [np.random.default_rng(seed) for seed in range(200)]

    alarms = sum(find(TREND + noisy(g, phi=0.8, sigma=0.4), g, alpha=0.02).status == "detected" for g in generators)

    assert alarms <= 6


def test_wandering_noise_is_refused_by_its_own_null():
    # Noise so slow and strong that nearly every run rises by the factor somewhere: the p-value must refuse them.
    generators = [np.random.default_rng(seed) for seed in range(60)]
    series = [noisy(g, phi=0.95, sigma=1.0) for g in generators]

    large = sum(rises(window_medians(y, 8), 8, 0).max() >= np.log(3) for y in series)
    found = sum(find(y, g, alpha=0.02).status == "detected" for y, g in zip(series, generators, strict=True))

    assert large >= 40
    assert found <= 6


def test_slow_growth_is_no_jump(rng):
    assert find(np.linspace(-3, 3, N) + noisy(rng), rng).status == "none"


def test_a_rise_that_takes_long_is_no_jump():
    # x7 over 25 of 300 points: large, lasting and mostly significant, but longer than 7 % of the run.
    slow = np.log(7) * np.clip((STEPS - 120) / 25, 0, 1)
    generators = [np.random.default_rng(seed) for seed in range(30)]

    found = [find(slow + noisy(g, sigma=0.15), g) for g in generators]

    assert sum(f.p_value <= 0.05 for f in found) >= 20
    assert sum(f.status == "detected" for f in found) <= 8


def test_a_wild_phase_after_the_jump_does_not_hide_it(rng):
    # As at the edge of stability in full batch: a smooth fall, a jump by e^5 in 8 points, dips by e^-4 ever after.
    fall = np.maximum(-0.05 * STEPS, -5.0)
    rise = 5.0 * np.clip((STEPS - 100) / 8, 0, 1)
    dips = -4.0 * np.isin(STEPS % 23, [0, 1, 2, 3]) * (STEPS > 115)

    found = find(fall + rise + dips + noisy(rng, sigma=0.05), rng)

    assert found.events[0].step == pytest.approx(104, abs=2)


def test_the_way_out_of_a_dip_is_no_jump(rng):
    # Down by e^4 over 14 points, then up by e^3 over 14; the same rise from a level of its own is one.
    down, up = np.clip((STEPS - 135) / 14, 0, 1), np.clip((STEPS - 150) / 14, 0, 1)
    noise = noisy(rng, sigma=0.05)

    assert find(3 * up - 4 * down + noise, rng).status == "none"
    assert [v.reason for v in verdicts_on(3 * up - 4 * down + noise) if v.change.rise > 2] == ["rebound"]
    assert find(3 * up + noise, rng).status == "detected"


def verdicts_on(log_curvature):
    coarse = coarsen(usable_points(STEPS, np.exp(log_curvature), LOSS))
    return judge_rises(coarse.values, Detect(), np.random.default_rng(1))


def test_a_burst_of_rows_places_a_jump_to_a_few_of_them(rng):
    # Rows at every step about the jump and every 20 steps elsewhere: a block of the coarse series is twenty rows.
    steps = np.union1d(20 * np.arange(N), np.arange(3000, 3100))
    y = noisy(rng, len(steps), sigma=0.1) + 3 * np.clip((steps - 3040) / 6, 0, 1)

    (event,) = find(y, rng, steps, np.ones(len(steps))).events

    assert event.step == pytest.approx(3043, abs=1)
    assert event.step_high - event.step_low < 5


def test_a_passing_spike_is_no_jump(rng):
    assert find(noisy(rng) + 3 * ((STEPS >= 100) & (STEPS < 106)), rng).status == "none"


def test_a_fall_is_no_jump(rng):
    assert find(noisy(rng) - 4 * (STEPS >= 150), rng).status == "none"


def test_oscillation_of_period_two_after_the_jump_does_not_hide_it(rng):
    edge = (STEPS >= 150) * (4 + 1.5 * (-1.0) ** STEPS)

    assert find(noisy(rng) + edge, rng).events[0].step == pytest.approx(149.5, abs=1.5)


def test_the_unit_of_curvature_does_not_matter(rng):
    series = TREND + noisy(rng) + 3 * (STEPS >= 150)

    first, scaled = (find(s, np.random.default_rng(1)) for s in (series, series + np.log(1000)))

    assert first.events[0].step == pytest.approx(scaled.events[0].step)
    assert first.events[0].jump == pytest.approx(scaled.events[0].jump)


def test_steps_may_be_uneven(rng):
    steps = np.unique(np.geomspace(1, 5000, N).astype(int))
    at = len(steps) // 2

    found = find(noisy(rng, len(steps)) + 3 * (np.arange(len(steps)) >= at), rng, steps, np.ones(len(steps)))

    assert steps[at - 2] <= found.events[0].step <= steps[at + 1]


def test_a_dense_stretch_does_not_make_a_passing_spike_last(rng):
    # Every 20 steps, but 100 rows at every step: a spike of 60 steps is three usual gaps, however many rows it has.
    steps = np.union1d(20 * np.arange(N), np.arange(3000, 3100))
    y = noisy(rng, len(steps), sigma=0.1)

    spike = (steps >= 3020) & (steps < 3080)
    jump = steps >= 3050

    assert find(y + 3 * spike, rng, steps, np.ones(len(steps))).status == "none"
    assert find(y + 3 * jump, rng, steps, np.ones(len(steps))).events[0].step == pytest.approx(3049.5, abs=2)


def test_gaps_and_non_positive_values_are_left_out(rng):
    series = np.exp(noisy(rng) + 3 * (STEPS >= 150))
    series[::7], series[3::11] = np.nan, -1.0

    found = find_sharpening(STEPS, series, LOSS, Detect(), rng)

    assert found.events[0].step == pytest.approx(149.5, abs=3)
    assert found.n_points == int((series > 0).sum())


def test_the_explosive_tail_of_a_diverging_run_is_no_jump(rng):
    exploding = 6.0 * (STEPS > 240)

    found = find(noisy(rng) + exploding, rng, loss=np.where(STEPS > 240, 1.0 + exploding, 0.9))

    assert found.status == "none"


def test_what_cannot_be_told_is_not_told(rng):
    assert find_sharpening(STEPS, np.full(N, np.nan), LOSS, Detect(), rng).status == "no_curvature"
    assert find(noisy(rng)[:30], rng, STEPS[:30], LOSS[:30]).status == "too_short"


def test_a_jump_at_the_very_end_is_beyond_follow_up(rng):
    found = find(noisy(rng) + 4 * (STEPS >= N - 3), rng)

    assert found.status == "none"
    assert found.followup_step < N - 4


@pytest.mark.parametrize("bounds", [(0, 300), (148, 153), (100, 151), (149, 151)])
def test_a_rise_is_located_within_its_bounds_however_narrow(rng, bounds):
    y = 3.0 * (STEPS >= 150) + noisy(rng, sigma=0.1)

    place = locate(STEPS.astype(float), y, (140.0, 160.0), 20.0, bounds, 0.95)

    assert bounds[0] <= place.onset <= place.middle <= place.end <= bounds[1]
    assert place.middle == pytest.approx(149.5, abs=1)


def test_rises_and_smooth_by_hand():
    step = window_medians(np.array([0.0, 0, 0, 5, 5, 5]), 2)
    assert rises(step, 2, 0).tolist() == [2.5, 5.0, 2.5]
    assert rises(step, 2, 1).tolist() == [5.0, 5.0]
    assert smooth(np.array([1.0, 1, 4, 1, 1]), 3) == pytest.approx([1, 2, 2, 2, 1])
