"""Truth: gaps that open and close at planted steps."""

import numpy as np
import pytest
from mstudy.compare.cell_parting import find_partings
from mstudy.compare.closed_stretches import Closing
from mstudy.compare.lasting_onsets import date_what_stays
from mstudy.compare.onset import Onset, date_onsets, weigh_onsets
from mstudy.compare.openings import find_openings
from mstudy.core.params import Compare
from mstudy.core.theory import equivalent_sgd_step
from mstudy.pairs.gap import Gap, LossCurve, Pair, gap_curve

STEPS = np.arange(400)


def curve(log_loss, diverged_step=None):
    return LossCurve(STEPS[: len(log_loss)], np.exp(log_loss), diverged_step)


def cell(rng, gap, n_seeds=4, sigma=0.003):
    late = equivalent_sgd_step(STEPS.astype(float), "heavy_ball", 0.9)
    return [
        Pair(
            curve(-0.01 * STEPS + gap + rng.normal(0, sigma, 400)),
            curve(-0.01 * late + rng.normal(0, sigma, 400)),
        )
        for _ in range(n_seeds)
    ]


def found_in(pairs):
    partings = find_partings(pairs, 0.9, Compare())
    return find_openings(pairs, partings.pairs, "heavy_ball", 0.9, Closing(partings.margin, Compare().recurring_gap))


def bump(first, last, height=0.3):
    return height * ((first <= STEPS) & (last > STEPS))


def opening(at, height=0.3, scale=20):
    return height * -np.expm1(-np.maximum(STEPS - at, 0) / scale)


@pytest.mark.parametrize("width", [20, 60])
def test_an_opening_that_closes_does_not_draw_a_slow_parting_towards_itself(rng, width):
    """A hinge from 250 on; the shapes of an onset would else begin where the passing opening did."""
    slow = 0.3 * np.maximum(STEPS - 250, 0) / 150
    for of_pair in found_in(cell(rng, bump(100, 100 + width) + slow, sigma=0.01)):
        passed, stays = of_pair

        assert (passed.status, passed.close_step) == ("transient", 100 + width)
        assert (stays.status, stays.close_step) == ("parted", None)
        assert stays.step == pytest.approx(250, abs=15)


def test_a_parting_is_not_dated_at_an_opening_among_the_first_rows_that_closes(rng):
    """Of three seeds in four the early one is far wider than the one that stays."""
    heights = (0.8, 0.5, 0.6, 0.0)
    (pairs,) = zip(*[cell(rng, bump(3, 12, height) + opening(250, 0.1), n_seeds=1) for height in heights], strict=True)

    dated = find_partings(pairs, 0.9, Compare())

    assert [parting.step for parting in dated.pairs] == pytest.approx([250] * 4, abs=12)
    assert dated.step == pytest.approx(250, abs=12)


def test_an_opening_among_the_first_rows_that_stays_is_dated_there(rng):
    dated = find_partings(cell(rng, opening(10)), 0.9, Compare())

    assert dated.step == pytest.approx(10, abs=5)


def test_a_gap_that_closes_nowhere_is_dated_by_all_its_rows(rng):
    pairs = cell(rng, opening(250), sigma=0.01)
    dated = [parting.step for parting in find_partings(pairs, 0.9, Compare()).pairs]
    gaps = [gap_curve(pair, "heavy_ball", 0.9) for pair in pairs]

    assert dated == pytest.approx([onset.step for onset in date_onsets([weigh_onsets(gap) for gap in gaps])])


def test_an_opening_that_closes_and_one_that_stays(rng):
    for of_pair in found_in(cell(rng, bump(100, 120) + opening(250))):
        passed, stays = of_pair

        assert (passed.status, passed.ahead, passed.close_step) == ("transient", "sgdm", 120)
        assert passed.step == pytest.approx(100, abs=1)
        assert passed.step_low <= passed.step <= passed.step_high <= 120
        assert (stays.status, stays.close_step) == ("parted", None)
        assert stays.step == pytest.approx(250, abs=8)


def test_one_logged_point_can_be_an_opening(rng):
    (of_pair, *_) = found_in(cell(rng, bump(210, 211, 0.6), sigma=0.001))

    (passed,) = of_pair
    assert (passed.status, passed.close_step) == ("transient", 211)
    assert 209 <= passed.step <= 210


def test_two_that_close_are_two_in_order_of_time_and_neighbours_are_one(rng):
    (apart, *_) = found_in(cell(rng, bump(100, 110) + bump(200, 215)))
    (near, *_) = found_in(cell(rng, bump(100, 110) + bump(115, 125)))

    assert [(round(each.step, -1), each.close_step) for each in apart] == [(100, 110), (200, 215)]
    assert [each.close_step for each in near] == [125]


@pytest.mark.parametrize(
    "gap", [0 * STEPS, bump(3, 8), bump(100, 120, 0.015), bump(390, 399), opening(150), bump(100, 400)], ids=str
)
def test_noise_start_margin_end_and_parting_are_none_that_closes(rng, gap):
    assert all(each.close_step is None for of_pair in found_in(cell(rng, gap)) for each in of_pair)


def test_heavy_tails_are_no_openings(rng):
    pairs = cell(rng, 0.05 * rng.standard_t(3, 400))

    assert not any(found_in(pairs))


def test_a_diverged_pair_has_its_divergence_and_two_diverged_runs_have_none(rng):
    whole, gone = curve(-0.01 * STEPS + bump(10, 20)), curve(-0.01 * STEPS[:31], 33)

    one, both = found_in([Pair(gone, whole), Pair(gone, gone)])

    assert [(each.status, each.step, each.close_step) for each in one] == [("sgd_diverged", 33.0, None)]
    assert both == []


def test_a_date_that_would_move_ahead_is_of_all_rows_and_the_others_are_not(rng):
    """What stays opens at 80: before the earliest that the first pair's rows had said, 95, but not the second's, 30."""
    steps = np.arange(120.0)
    values = 0.3 * ((steps >= 40) & (steps < 60)) + 0.3 * np.maximum(steps - 80, 0) / 40
    gap = Gap(steps, values + rng.normal(0, 0.003, 120))
    whole = [weigh_onsets(gap), weigh_onsets(gap), None]
    late, wide = Onset(100.0, 95.0, 105.0), Onset(60.0, 30.0, 90.0)

    kept, onsets = date_what_stays([gap, gap, None], whole, [late, wide, None], Closing(0.05, 0.02), 0.95)

    assert kept[0] is whole[0]
    assert len(kept[1].rows) < len(whole[1].rows) == 120
    assert onsets[1].step == pytest.approx(80, abs=5)
    assert (kept[2], onsets[2]) == (None, None)
