"""Truth: series whose jump, trend and noise are known; closed forms for the p-value."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mstudy.core.series import local_scale
from mstudy.detect.levels import noise_units, window_medians
from mstudy.detect.null import fit_null
from mstudy.detect.p_values import Significance, simulate_p_values
from mstudy.detect.points import coarsen, usable_points, without_period_two
from mstudy.detect.proposals import Change
from mstudy.detect.significant_jumps import significant_jumps, whiten, whitening_taps
from mstudy.detect.trend import trend_and_jumps
from scipy.signal import lfilter

REFERENCE = Path(__file__).parents[1] / "reference"
N = 200
INDEX = np.arange(N)
FLAT = np.ones((1, N))


def significance(height, null_heights, complete):
    return Significance(np.array([0.0, 0.0, 0.0, 0.0, height]), np.array(null_heights, dtype=float), complete, 2)


def test_a_small_jump_in_a_quiet_phase_is_beyond_doubt_whatever_a_wild_phase_does(rng):
    # Noise 0.02, then 1.0: a jump of 0.3 is fifteen of the first and a third of the second.
    noise = rng.normal(0, np.where(INDEX < 120, 0.02, 1.0))
    jumps = significant_jumps(noise + 0.3 * (INDEX >= 60), FLAT, [(60, 60)])

    assert len(jumps) == 1
    assert jumps[0, 50] == 0 and jumps[0, 70] == 1


def test_mere_noise_holds_no_jump_beyond_doubt():
    # 100 series, three places each that are searched: one in a hundred may be taken for a jump.
    taken = [
        len(significant_jumps(np.random.default_rng(seed).normal(0, 1, N), FLAT, [(50, 50), (100, 100), (150, 150)]))
        for seed in range(100)
    ]

    assert sum(t > 0 for t in taken) <= 3


def slow_noise(seed, n=N):
    """Stationary, 0.95 from point to point, and freed of period 2 as a coarse series is."""
    rng = np.random.default_rng(seed)
    return without_period_two(lfilter([1.0], [1.0, -0.95], rng.normal(0, 1, n + 100))[100:])


def test_slow_noise_holds_no_jump_beyond_doubt():
    # Freed of period 2, its innovations are alike from point to point: taken for independent, half of such series hold
    # a jump.
    spans = [(place, place) for place in range(20, 190, 20)]
    taken = [len(significant_jumps(slow_noise(seed), FLAT, spans)) for seed in range(60)]

    assert sum(t > 0 for t in taken) <= 4


def test_sums_of_the_innovations_of_slow_noise_vary_as_independent_ones_do():
    y = slow_noise(1, 8000)

    innovations = whiten(y, whitening_taps(y, np.ones((1, 8000))))

    # Of 400 sums: standard error 0.07. Whitened by the autocorrelation at one point alone, 2.7 times as much.
    sums = innovations[: len(innovations) // 20 * 20].reshape(-1, 20).sum(axis=1)
    assert sums.var() / (20 * innovations.var()) == pytest.approx(1, abs=0.35)


def test_whitening_by_hand():
    assert whiten(np.array([1.0, 2, 4, 8, 16]), np.array([1.0, -1.0, -0.5])).tolist() == [1.5, 3.0, 6.0]


def test_the_null_has_the_runs_trend_but_not_its_jump(rng):
    trend = np.cos(INDEX / 60)
    y = trend + 3.0 * (INDEX >= 120) + rng.normal(0, 0.1, N)

    null = fit_null(y, [(120, 120)], rng)

    assert null.trend == pytest.approx(trend, abs=0.5)  # the jump is 3
    assert null.draw(50, rng)[0].mean(axis=0) == pytest.approx(null.trend, abs=0.1)


def test_the_trend_does_not_make_the_jump_itself(rng):
    # The first 94 blocks of a real run: a fall, and the first of repeated catapults near the end. A spline beside a
    # jump of the wrong sign fits as well, and rises to a curvature of e^30.
    log = pl.read_parquet(REFERENCE / "runs.parquet").filter(pl.col("run_id") == "687c52f38cfaf6e0")
    columns = [log[name].cast(pl.Float64).to_numpy() for name in ("step", "directional_curvature", "loss")]
    y = coarsen(usable_points(*columns)).values[:94]

    null = fit_null(y, [(82, 82)], rng)

    assert null.jumped
    assert null.trend.max() < y.max()


def test_noise_is_what_the_fit_of_the_trend_leaves(rng):
    null = fit_null(rng.normal(0, 1, N), [], rng)

    drawn = null.draw(20, rng)[0] - null.trend

    assert np.abs(drawn @ null.design).max() < 1e-5  # single precision
    assert drawn.std() == pytest.approx(1, rel=0.15)


def test_each_draw_is_measured_in_units_of_its_own_noise(rng):
    null = fit_null(rng.normal(0, 1, N), [], rng)

    series, scale = null.draw(3, np.random.default_rng(1))

    # Running sums in single precision: up to half a last digit of some 160 at each of 33 points, of a sum of some 26.
    assert scale == pytest.approx(local_scale(series - null.trend), rel=1e-5)


def test_rises_in_units_of_the_noise_before_them():
    y = np.array([0.0, 0, 0, 4, 4, 4])

    units = noise_units(y, np.array([1.0, 2, 2, 2, 2, 2]), [(2, 0), (2, 1)])

    assert units[2, 0].tolist() == [1.0, 2.0, 1.0]
    assert units[2, 1].tolist() == [2.0, 2.0]


@pytest.mark.parametrize("width", range(1, 25))
def test_medians_of_windows_against_numpy(rng, width):
    y = rng.normal(size=(3, 40))

    expected = np.median(np.lib.stride_tricks.sliding_window_view(y, width, axis=-1), axis=-1)

    assert np.array_equal(window_medians(y, width), expected)


def test_rises_over_wider_levels_stand_at_the_same_boundary():
    # The step before point 5: entry 5 - 2 of either width; noise in the middle of the narrow window before it.
    y, scale = np.repeat([0.0, 6.0], 5), np.arange(1.0, 11.0)

    units = noise_units(y, scale, [(2, 0), (4, 0)])

    assert units[2, 0][3] == units[4, 0][3] == pytest.approx(6 / scale[4])
    assert units[4, 0].tolist()[:2] == [-np.inf, -np.inf]  # four points do not fit before the boundary


def test_a_rise_with_the_logarithm_of_time_is_a_trend_and_no_jump(rng):
    y = 2.5 * np.log1p(30 * INDEX / N) / np.log(31) + rng.normal(0, 0.05, N)

    trend, jumps = trend_and_jumps(y, [(4, 6), (15, 19)])

    assert len(trend) == 6
    assert not len(jumps)


def test_the_trend_is_stiff_unless_the_run_bends_more(rng):
    noise, share = rng.normal(0, 0.1, N), INDEX / N
    straight, bent = share, np.sin(4 * np.pi * share)

    assert len(trend_and_jumps(straight + noise, [])[0]) == 5
    assert len(trend_and_jumps(bent + noise, [])[0]) == 8


def test_a_fall_makes_no_rise_significant():
    # Falling throughout, the largest rise over wide levels may be one of the noise's, or none: no unit to measure in.
    p = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        y = -6 * INDEX / N + rng.normal(0, 0.1, N)
        p.append(simulate_p_values(y, [], [(8, 0), (16, 0), (8, 8), (16, 8)], 99, rng).of_largest())

    assert np.mean(np.array(p) <= 0.05) <= 0.12
    assert 0.3 <= np.mean(np.array(p) <= 0.5) <= 0.7


def test_p_values_by_hand():
    full, stopped = [1.0] * 190 + [5.0] * 9, [1.0] * 10 + [5.0] * 10
    at = Change(4, 4, 1.0)

    assert significance(4.0, full, True).of_largest() == 10 / 200
    assert significance(4.0, full, True).of(at) == 10 / 200
    assert significance(4.0, stopped, False).of_largest() == 10 / 20  # Besag & Clifford: h beyond among l
    assert significance(6.0, full, True).of_largest() == 1 / 200


def test_sampling_stops_at_the_tenth_series_that_rises_further(rng):
    quiet = simulate_p_values(rng.normal(0, 1, N), [], [(8, 0), (8, 4)], 199, rng)
    y = rng.normal(0, 0.1, N) + 3.0 * (INDEX >= 100)
    jump = simulate_p_values(y, [(100, 100)], [(8, 0), (8, 4)], 199, rng)

    assert not quiet.complete and len(quiet.null_heights) < 199
    assert (quiet.null_heights >= quiet.heights.max()).sum() == 10
    assert jump.complete and len(jump.null_heights) == 199
    assert jump.of(Change(100, 100, 3.0)) == jump.of_largest() == 1 / 200


def test_local_scale_by_hand():
    # 102 points: a window of 17, the geometric mean with the whole.
    residual = np.r_[np.ones(51), 3 * np.ones(51)]

    scale = local_scale(residual)

    assert scale[20] == pytest.approx(2**0.5)
    assert scale[80] == pytest.approx(6**0.5)
    assert local_scale(np.vstack([residual, residual]))[1] == pytest.approx(scale)
