"""Truth: series with a planted jump, or with none."""

import numpy as np
import pytest
from mstudy.events.series import block_bootstrap, rolling_rise, smooth
from mstudy.events.sharpening import find_sharpening
from mstudy.params import Detect

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

    assert found.status == "detected"
    assert found.step == pytest.approx(at - 0.5, abs=3)
    assert found.step_low <= found.step - 1 < found.step + 1 <= found.step_high
    assert found.jump == pytest.approx(factor, rel=0.7)
    assert found.p_value <= 0.01


def test_alarms_are_rare_without_a_jump():
    # 200 runs of trend and dependent noise, no jump: at most 3 % may be called one.
    generators = [np.random.default_rng(seed) for seed in range(200)]

    alarms = sum(find(TREND + noisy(g, phi=0.8, sigma=0.4), g).status == "detected" for g in generators)

    assert alarms <= 6


def test_wandering_noise_is_refused_by_its_own_bootstrap():
    # Noise so slow and strong that the effect filter alone lets a quarter of the runs pass.
    generators = [np.random.default_rng(seed) for seed in range(60)]

    found = [find(noisy(g, phi=0.95, sigma=1.0), g) for g in generators]

    assert sum(f.p_value is not None for f in found) >= 12
    assert sum(f.status == "detected" for f in found) <= 4


def test_slow_growth_is_no_jump(rng):
    assert find(np.linspace(-3, 3, N) + noisy(rng), rng).status == "none"


def test_a_passing_spike_is_no_jump(rng):
    assert find(noisy(rng) + 3 * ((STEPS >= 100) & (STEPS < 106)), rng).status == "none"


def test_a_fall_is_no_jump(rng):
    assert find(noisy(rng) - 4 * (STEPS >= 150), rng).status == "none"


def test_oscillation_of_period_two_after_the_jump_does_not_hide_it(rng):
    edge = (STEPS >= 150) * (4 + 1.5 * (-1.0) ** STEPS)

    assert find(noisy(rng) + edge, rng).step == pytest.approx(149.5, abs=3)


def test_the_unit_of_curvature_does_not_matter(rng):
    series = TREND + noisy(rng) + 3 * (STEPS >= 150)

    first, scaled = (find(s, np.random.default_rng(1)) for s in (series, series + np.log(1000)))

    assert first.step == scaled.step
    assert first.jump == pytest.approx(scaled.jump)


def test_steps_may_be_uneven(rng):
    steps = np.unique(np.geomspace(1, 5000, N).astype(int))
    at = len(steps) // 2

    found = find(noisy(rng, len(steps)) + 3 * (np.arange(len(steps)) >= at), rng, steps, np.ones(len(steps)))

    assert steps[at - 4] <= found.step <= steps[at + 3]


def test_gaps_and_non_positive_values_are_left_out(rng):
    series = np.exp(noisy(rng) + 3 * (STEPS >= 150))
    series[::7], series[3::11] = np.nan, -1.0

    found = find_sharpening(STEPS, series, LOSS, Detect(), rng)

    assert found.step == pytest.approx(149.5, abs=4)
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


def test_rolling_rise_and_smooth_by_hand():
    assert rolling_rise(np.array([0.0, 0, 0, 5, 5, 5]), 3).tolist() == [5.0]
    assert rolling_rise(np.array([0.0, 0, 0, 5, 5, 5]), 2).tolist() == [2.5, 5.0, 2.5]
    assert smooth(np.array([1.0, 1, 4, 1, 1]), 3) == pytest.approx([1, 2, 2, 2, 1])


def test_blocks_keep_neighbours_together(rng):
    drawn = block_bootstrap(np.arange(1000.0), 5, rng)

    assert drawn.shape == (5, 1000)
    assert (np.diff(drawn, axis=1) == 1).mean() > 0.9
