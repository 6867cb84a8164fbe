"""Truth: the formulas of the shapes written out, and least squares by numpy on whitened columns."""

import numpy as np
import pytest
from mstudy.compare.gap_shapes import N_KINDS, Noise, coarse_family, likelihood, noise_of

STEPS = np.arange(0.0, 120.0, 2)
SCALES = np.geomspace(0.005, 4.0, 20)[::2]
VARYING = Noise(0.6, np.linspace(0.5, 2.0, len(STEPS) - 1))


def shapes_at(onset):
    """The five shapes of an onset at all coarse scales, (5, n_scales, n_points); the fourth at a scale in between."""
    x = np.maximum(STEPS - onset, 0)[None, :] / (118 * SCALES[:, None])
    between = (SCALES[1] / SCALES[0]) ** 0.25
    return np.stack([*(1 - np.exp(-(x**power)) for power in (1, 2, 3)), np.minimum(x * between, 1), np.minimum(x, 1)])


def test_a_family_has_every_third_step_and_every_other_scale():
    family = coarse_family(STEPS, 3)

    expected = np.concatenate([shapes_at(onset) for onset in STEPS[:-3][::3]])
    np.testing.assert_allclose(family.shapes, expected.reshape(-1, len(STEPS)), atol=1e-12)


@pytest.mark.parametrize("noise", [Noise(0.0, np.ones(len(STEPS) - 1)), VARYING], ids=["even", "varying"])
def test_the_rest_of_a_shape_is_that_of_least_squares(noise, rng):
    family = coarse_family(STEPS, 3)
    values = rng.normal(0, 1, len(STEPS))

    rest = family.rest(values, noise)

    for k in (0, 137, 420, len(rest) - 1):
        columns = np.stack([np.ones(len(STEPS)), family.shapes[k]])
        white = (columns[:, 1:] - noise.phi * columns[:, :-1]) / noise.scale
        target = (values[1:] - noise.phi * values[:-1]) / noise.scale
        assert rest[k] == pytest.approx(np.linalg.lstsq(white.T, target, rcond=None)[1][0], rel=1e-6)


def test_the_best_fit_is_the_shape_that_was_planted():
    family = coarse_family(STEPS, 3)
    planted = 2.0 - 3.0 * family.shapes[200]

    np.testing.assert_allclose(family.best_fit(planted, VARYING), planted, atol=1e-6)


@pytest.mark.parametrize(
    ("residual", "phi"),
    [
        (np.tile([1.0, 1.0, -1.0, -1.0], 25), 0.01 + (4 * 1.01 + 2 * 0.01) / 100),  # r = 1/100
        (np.tile([1.0, -1.0], 50), 0.0),
        (np.ones(100), 0.95),
    ],
)
def test_the_autocorrelation_is_corrected_for_the_fit_and_kept_between_0_and_095(residual, phi):
    noise = noise_of(residual)

    assert noise.phi == pytest.approx(phi)
    assert len(noise.scale) == 99


def test_the_likelihood_is_the_mean_over_scales_by_prior():
    """Of one onset and one scale: exp(-0.75 (n - 1)/2 log rest) times the prior, ramps of half a weight each."""
    rng = np.random.default_rng(1)
    values, onset, scale = rng.normal(0, 1, len(STEPS)), np.array([40.0]), SCALES[[3]]
    noise = Noise(0.0, np.ones(len(STEPS) - 1))
    ratio = np.geomspace(0.005, 4.0, 20)[1] / 0.005
    x = np.maximum(STEPS - 40, 0) / (118 * scale[0])
    shapes = [*(1 - np.exp(-(x**power)) for power in (1, 2, 3)), np.minimum(x * ratio**0.5, 1), np.minimum(x, 1)]
    rest = [np.linalg.lstsq(np.stack([np.ones(59), s[1:]], 1), values[1:], rcond=None)[1][0] for s in shapes]
    slow = (scale[0] / 0.5) ** 2
    weights = np.array(rest) ** (-0.75 * 59 / 2) * [1, slow, 0.85 * slow, 0.5, 0.5]
    by_kind = np.array([*weights[:3], weights[3] + weights[4]])

    found = likelihood(STEPS, onset, scale, values, noise)

    assert found.shape == (1, N_KINDS)
    np.testing.assert_allclose(found[0], by_kind / by_kind.max(), rtol=1e-6)
