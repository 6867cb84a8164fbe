"""Truth: pairs whose gap opens at a planted step, or never; heavy ball on a constant gradient, step by step."""

import numpy as np
import pytest
from mstudy.compare.cell_parting import find_partings
from mstudy.core.params import Compare
from mstudy.core.theory import equivalent_sgd_step, final_lag
from mstudy.pairs.gap import LossCurve, Pair, gap_curve
from scipy import stats

STEPS = np.arange(400)


def curve(log_loss, diverged_step=None):
    return LossCurve(STEPS[: len(log_loss)], np.exp(log_loss), diverged_step)


def cell(rng, gap, n_seeds=4, sigma=0.003, momentum=0.9):
    """Pairs whose SGD is behind by `gap` (n_steps,), SGDM as far along as its velocity lets it be."""
    late = equivalent_sgd_step(STEPS.astype(float), "heavy_ball", momentum)
    return [
        Pair(
            curve(-0.01 * STEPS + gap + rng.normal(0, sigma, 400)),
            curve(-0.01 * late + rng.normal(0, sigma, 400)),
        )
        for _ in range(n_seeds)
    ]


def opening(at, height=0.3, scale=60):
    return height * -np.expm1(-np.maximum(STEPS - at, 0) / scale)


@pytest.mark.parametrize(("momentum", "optimizer"), [(0.5, "heavy_ball"), (0.9, "heavy_ball"), (0.9, "nesterov")])
def test_the_clock_is_that_of_a_constant_gradient(momentum, optimizer):
    velocity = place = 0.0
    for step in range(1, 60):
        velocity = momentum * velocity + 1.0
        place += (1.0 + momentum * velocity if optimizer == "nesterov" else velocity) * (1 - momentum)

        assert equivalent_sgd_step(np.array([float(step)]), optimizer, momentum)[0] == pytest.approx(place, abs=1e-9)
    assert step - place == pytest.approx(final_lag(optimizer, momentum), rel=0.01)


@pytest.mark.parametrize("at", [100, 200])
def test_a_planted_parting_is_found(rng, at):
    found = find_partings(cell(rng, opening(at)), 0.9, Compare())

    assert found.p_value < 0.01
    assert (found.status, found.ahead) == ("parted", "sgdm")
    assert found.step_low < at < found.step_high
    for parting in found.pairs:
        assert (parting.status, parting.ahead) == ("parted", "sgdm")
        assert parting.step == pytest.approx(at, abs=12)
        assert parting.step_low < parting.step < parting.step_high


def test_a_gap_that_opens_quadratically_is_not_dated_late(rng):
    gap = 0.4 * (np.maximum(STEPS - 150, 0) / 250) ** 2

    found = find_partings(cell(rng, gap, sigma=0.001), 0.9, Compare())

    assert all(p.step_low < 150 < p.step_high for p in found.pairs)
    assert found.step == pytest.approx(150, rel=0.15)


def test_sgd_may_be_ahead(rng):
    found = find_partings(cell(rng, -opening(150)), 0.9, Compare())

    assert {p.ahead for p in found.pairs} == {found.ahead} == {"sgd"}


def test_the_starting_lag_is_no_parting(rng):
    found = find_partings(cell(rng, 0 * STEPS), 0.9, Compare())

    assert {p.status for p in found.pairs} == {found.status} == {"none"}


def test_the_lag_would_be_a_parting_if_it_were_not_removed(rng):
    found = find_partings(cell(rng, 0 * STEPS), 0.0, Compare())

    assert {(p.status, p.ahead) for p in found.pairs} == {("parted", "sgd")}


def test_a_gap_within_the_margin_is_no_parting(rng):
    assert find_partings(cell(rng, opening(100, 0.015)), 0.9, Compare()).status == "none"


def test_a_gap_that_closes_again_is_transient(rng):
    found = find_partings(cell(rng, 0.3 * np.exp(-0.5 * ((STEPS - 200) / 30) ** 2)), 0.9, Compare())

    assert found.p_value > 0.05
    assert found.transient_p_value < 0.05
    assert {p.status for p in found.pairs} == {found.status} == {"transient"}
    assert found.ahead == "sgdm"
    assert 80 < found.step < 190


def test_runs_that_differ_by_rounding_alone_raise_the_margin(rng):
    pairs = cell(rng, opening(100, 0.1))
    chaos = [(curve(-0.01 * STEPS), curve(-0.01 * STEPS - gap * (STEPS > 200))) for gap in (0.3, 0.4)]

    found = find_partings(pairs, 0.9, Compare(), twins=chaos)

    assert (found.n_twins, found.status) == (2, "none")
    assert found.margin == found.twin_gap == pytest.approx(np.sqrt((0.3**2 + 0.4**2) / 2))
    assert find_partings(pairs, 0.9, Compare()).status == "parted"


def test_one_seed_says_nothing(rng):
    found = find_partings(cell(rng, opening(100), n_seeds=1), 0.9, Compare())

    assert found.pairs[0].status == found.status == "insufficient"
    assert found.p_value is None


def test_a_diverged_run_parts_at_its_divergence():
    whole, gone = curve(-0.01 * STEPS), curve(-0.01 * STEPS[:31], 33)
    later = curve(-0.01 * STEPS[:61], 63)

    found = find_partings([Pair(gone, whole), Pair(whole, gone), Pair(later, gone)], 0.9, Compare())

    assert [(p.status, p.ahead, p.step) for p in found.pairs] == [
        ("sgd_diverged", "sgdm", 33.0),
        ("sgdm_diverged", "sgd", 33.0),
        ("both_diverged", None, 33.0),
    ]
    assert found.pairs[0].step_low == 30.0
    assert (found.p_value, found.status, found.ahead) == (None, "both_diverged", None)


def test_a_cell_in_which_sgd_diverged_has_parted_there():
    gone = [Pair(curve(-0.01 * STEPS[:n], n), curve(-0.01 * STEPS)) for n in (20, 30, 45)]

    found = find_partings(gone, 0.9, Compare())

    assert (found.status, found.ahead) == ("sgd_diverged", "sgdm")
    assert found.step == pytest.approx((20 * 30 * 45) ** (1 / 3), rel=0.05)
    assert found.step_low < 30 < found.step_high


def test_without_a_known_lag_no_parting_is_told_but_a_divergence_is(rng, mystery):
    pairs = cell(rng, opening(100))

    found = find_partings(pairs, 0.9, Compare(), mystery.name)
    gone = find_partings([*pairs, Pair(curve(-0.01 * STEPS[:20], 20), pairs[0].sgdm)], 0.9, Compare(), mystery.name)

    assert gap_curve(pairs[0], mystery.name, 0.9) is None
    assert (found.status, found.step, found.late_gap, found.p_value) == ("no_lag", None, None, None)
    assert {(parting.status, parting.step, parting.ahead) for parting in found.pairs} == {("no_lag", None, None)}
    assert [parting.status for parting in gone.pairs] == ["no_lag"] * 4 + ["sgd_diverged"]
    assert (gone.status, gone.pairs[-1].step) == ("sgd_diverged", 20)


def test_gap_curve_compares_at_the_lag():
    late = curve(-0.01 * equivalent_sgd_step(STEPS.astype(float), "heavy_ball", 0.5))

    gap = gap_curve(Pair(curve(-0.01 * STEPS), late), "heavy_ball", 0.5)

    assert gap.steps[0] == 0
    assert gap.steps[-1] == 398
    np.testing.assert_allclose(gap.values, 0, atol=1e-12)


def test_the_p_values_are_those_of_t_tests_by_scipy():
    """Gaps of two levels within a run: 0.3 in the fourth of six windows and small elsewhere; SGD and SGDM share steps.

    Momentum 0 has no lag. The late gap is the mean over the last fifth, from step 319.2 on; the fourth window holds the
    steps 200 to 266. Both p-values are doubled for the choice of side, the second counts six windows.
    """
    levels = np.array([0.28, 0.3, 0.33])
    late = np.array([0.025, 0.03, 0.036])
    pairs = []
    for level, rest in zip(levels, late, strict=True):
        gap = np.where((STEPS >= 200) & (STEPS <= 266), level, rest)
        pairs.append(Pair(curve(gap - 0.01 * STEPS), curve(-0.01 * STEPS)))

    found = find_partings(pairs, 0.0, Compare(parting_margin=0.02))

    assert found.late_gap == pytest.approx(late.mean())
    assert found.p_value == pytest.approx(2 * stats.ttest_1samp(late, 0.02, alternative="greater").pvalue)
    transient = 6 * 2 * stats.ttest_1samp(levels, 0.02, alternative="greater").pvalue
    assert found.transient_p_value == pytest.approx(transient)
