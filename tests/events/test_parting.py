"""Truth: pairs whose gap opens at a planted step, or never."""

import numpy as np
import pytest
from mstudy.events.parting import LossCurve, Pair, find_partings, gap_curve
from mstudy.params import Compare

STEPS = np.arange(400)


def curve(log_loss, diverged_step=None):
    return LossCurve(STEPS[: len(log_loss)], np.exp(log_loss), diverged_step)


def cell(rng, gap, n_seeds=4, lag=0, sigma=0.003):
    """Pairs whose SGD is behind by `gap` (n_steps,), SGDM trailing by `lag` steps."""
    sgdm = [np.interp(STEPS - lag, STEPS, -0.01 * STEPS) + rng.normal(0, sigma, 400) for _ in range(n_seeds)]
    return [Pair(curve(-0.01 * STEPS + gap + rng.normal(0, sigma, 400)), curve(late)) for late in sgdm]


def opening(at, height=0.3, scale=60):
    return height * -np.expm1(-np.maximum(STEPS - at, 0) / scale)


@pytest.mark.parametrize("at", [100, 200])
def test_a_planted_parting_is_found(rng, at):
    partings, p_value = find_partings(cell(rng, opening(at)), 0.0, Compare(), rng)

    assert p_value < 0.01
    for parting in partings:
        assert (parting.status, parting.ahead) == ("parted", "sgdm")
        assert parting.step == pytest.approx(at, abs=12)
        assert parting.step_low < parting.step < parting.step_high


def test_sgd_may_be_ahead(rng):
    partings, _ = find_partings(cell(rng, -opening(150)), 0.0, Compare(), rng)

    assert {p.ahead for p in partings} == {"sgd"}


def test_the_starting_lag_is_no_parting(rng):
    partings, _ = find_partings(cell(rng, 0 * STEPS, lag=9), 0.9, Compare(), rng)

    assert {p.status for p in partings} == {"none"}


def test_the_lag_would_be_a_parting_if_it_were_not_removed(rng):
    partings, _ = find_partings(cell(rng, 0 * STEPS, lag=9), 0.0, Compare(), rng)

    assert {(p.status, p.ahead) for p in partings} == {("parted", "sgd")}


def test_a_gap_within_the_margin_is_no_parting(rng):
    assert {p.status for p in find_partings(cell(rng, opening(100, 0.015)), 0.0, Compare(), rng)[0]} == {"none"}


def test_one_seed_says_nothing(rng):
    partings, p_value = find_partings(cell(rng, opening(100), n_seeds=1), 0.0, Compare(), rng)

    assert partings[0].status == "insufficient"
    assert p_value is None


def test_a_diverged_run_parts_at_its_divergence(rng):
    whole, gone = curve(-0.01 * STEPS), curve(-0.01 * STEPS[:31], 33)
    later = curve(-0.01 * STEPS[:61], 63)

    partings, p_value = find_partings([Pair(gone, whole), Pair(whole, gone), Pair(later, gone)], 0.9, Compare(), rng)

    assert [(p.status, p.ahead, p.step) for p in partings] == [
        ("diverged", "sgdm", 33.0),
        ("diverged", "sgd", 33.0),
        ("diverged", None, 33.0),
    ]
    assert partings[0].step_low == 30.0
    assert p_value is None


def test_gap_curve_compares_at_the_lag():
    pair = Pair(curve(-0.01 * STEPS), curve(-0.01 * (STEPS - 1.0)))

    steps, gap = gap_curve(pair, 0.5)

    assert steps[0] == 2
    np.testing.assert_allclose(gap, 0, atol=1e-12)
