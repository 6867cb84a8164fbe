"""Truth: the outermost cases of the parts of the detector, by hand."""

import numpy as np
import pytest
from mstudy.core.errors import ConfigError
from mstudy.core.params import Detect
from mstudy.detect import sharpening
from mstudy.detect.judge import JudgedChange
from mstudy.detect.kinds.recurrence import recurring_rises
from mstudy.detect.points import coarsen, usable_points
from mstudy.detect.proposals import Change, gaps_for, longest_rise, spans_for, window_width
from mstudy.detect.rise.location import Rise
from mstudy.detect.rise.noise import fit_side
from mstudy.detect.rise.shapes import LENGTHS_POINTS
from mstudy.detect.significant_jumps import significant_jumps, whiten, whitening_taps

N = 200
INDEX = np.arange(N)
FLAT = np.ones((1, N))


@pytest.mark.parametrize("at", [53, 67])
def test_a_sure_jump_may_be_eight_points_from_where_it_was_proposed(rng, at):
    step = np.where(at <= INDEX, 1.0, 0.0)
    y = rng.normal(0, 0.02, N) + step

    (jump,) = significant_jumps(y, FLAT, [(60, 60)])

    np.testing.assert_array_equal(jump, step)


def test_of_more_places_than_are_looked_at_once_more_the_jump_is_among_them(rng):
    """Five places of mere noise come first, and the jump is at the earliest time that its own place allows."""
    step = np.where(INDEX >= 152, 1.0, 0.0)
    y = rng.normal(0, 0.02, N) + step

    (jump,) = significant_jumps(y, FLAT, [(place, place) for place in (20, 45, 70, 95, 120, 160)])

    np.testing.assert_array_equal(jump, step)


def test_a_series_that_its_columns_explain_has_only_the_correction_of_a_mean():
    """Nothing is left, so r = 0, and (k (1 + r) + 2 r) / n = 1 / 200."""
    assert whitening_taps(np.zeros(N), FLAT).tolist() == pytest.approx([1.0, -0.005, 0.0, 0.0, 0.0])


def test_the_whitening_knows_no_unit_and_leaves_no_dependence(rng):
    y = np.convolve(rng.normal(0, 1, N), [1.0, 0.8], mode="same")
    taps = whitening_taps(y, FLAT)
    white = whiten(y - y.mean(), taps)

    assert whitening_taps(1e-4 * y, FLAT) == pytest.approx(taps)
    assert np.corrcoef(y[1:], y[:-1])[0, 1] > 0.3
    assert abs(np.corrcoef(white[1:], white[:-1])[0, 1]) < 0.15


def test_few_points_are_taken_for_independent():
    """1.25 times the mean of absolute values is about the standard deviation of normal ones."""
    assert fit_side(np.array([1.0, -2.0, 3.0])) == (0.0, 0.0, 2.5)
    assert fit_side(np.zeros(0)) == (0.0, 0.0, 1e-9)


def test_no_length_that_is_tried_is_more_than_half_as_long_again_as_the_one_before():
    assert max(np.divide(LENGTHS_POINTS[1:], LENGTHS_POINTS[:-1])) <= 1.5


@pytest.mark.parametrize(
    ("n", "width", "gaps", "longest"),
    [(40, 6, (0, 4), 20.0), (160, 8, (0, 4, 8), 20.0), (320, 8, (0, 4, 8, 16), 22.4), (500, 10, (0, 4, 8, 16), 35.0)],
)
def test_widths_gaps_and_lengths_are_shares_of_the_series(n, width, gaps, longest):
    assert (window_width(n), gaps_for(n), longest_rise(n)) == (width, gaps, pytest.approx(longest))
    assert spans_for(n) == [(w, gap) for w in (width, min(2 * width, n // 4)) for gap in gaps]


@pytest.mark.parametrize(("n", "is_judged"), [(39, False), (40, True)])
def test_as_many_points_as_asked_for_are_enough(rng, n, is_judged):
    found = sharpening.find_sharpening(np.arange(n), np.exp(rng.normal(0, 0.1, n)), np.ones(n), Detect(min_points=40))

    assert (found.status != "too_short") == is_judged
    assert found.n_points == n


@pytest.mark.parametrize("steps", [[0, 1, 1], [0, 2, 1]])
def test_steps_must_increase(steps):
    with pytest.raises(ConfigError, match="^steps must increase from row to row, found a step that does no"):
        sharpening.find_sharpening(steps, np.ones(3), np.ones(3))


def test_series_must_have_one_length():
    with pytest.raises(ConfigError, match=r"of one length, found the shapes \(3,\), \(2,\) and \(3,\)"):
        sharpening.find_sharpening(np.arange(3), np.ones(2), np.ones(3))


def test_a_recurring_rise_is_told_from_all_blocks_before_it(rng):
    steps = np.arange(1000)
    raised = (steps >= 300) & ((steps - 300) % 40 < 12)
    curvature = np.exp(-4.0 + 6 * raised + rng.normal(0, 0.05, 1000))
    coarse = coarsen(usable_points(steps, curvature, np.ones(1000)))

    first = recurring_rises(coarse, [], Detect(), rng)[0]

    assert first.recurring
    assert first.bounds[0] == 0  # not just a level's width before it
    assert first.place.middle == pytest.approx(150, abs=2)  # in blocks of two rows


def test_a_rise_is_sought_a_block_beyond_its_place_and_half_as_long_again(rng, monkeypatch):
    """In blocks of one row: a place with onset 98 and end 102 lies within rows 97 to 104, of which 7 make 10.5."""
    place = Rise(onset=98.0, middle=100.0, end=102.0, low=99.0, high=101.0, spread=1.0, duration=4.0)
    verdict = JudgedChange(Change(98, 102, 2.0), 0.01, None, place, (0, N), 7.4)
    asked = []

    def locate(times, y, middles, longest, bounds, level):
        asked.append((*map(float, middles), float(longest), bounds, level))
        return place

    monkeypatch.setattr(sharpening, "judge_changes", lambda *_: ([verdict], 0.01))
    monkeypatch.setattr(sharpening, "recurring_rises", lambda *_: [])
    monkeypatch.setattr(sharpening, "locate", locate)
    found = sharpening.find_sharpening(INDEX, np.exp(2.0 * (INDEX >= 100)), np.ones(N))

    assert asked == [(98.0, 103.0, 10.5, (0, N), 0.95)]
    assert (found.events[0].step, found.events[0].onset, found.events[0].end) == (100.0, 98.0, 102.0)
