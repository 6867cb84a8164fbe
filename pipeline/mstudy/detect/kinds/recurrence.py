"""Rises that are taken back and come back: bursts at the edge of stability, and onsets that fall once before they stay.

The level is followed with its short gaps filled (a morphological opening, which drops spikes, then a closing). A
lasting rise of that, judged as any other, is the first of what recurs.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy.ndimage import grey_closing, grey_opening

from mstudy.core.params import Detect
from mstudy.core.series import Series, median
from mstudy.detect.judge import JudgedChange, judge_changes, locate_change
from mstudy.detect.points import Coarse
from mstudy.detect.proposals import Change, propose, window_width
from mstudy.detect.rise.past import Past

_BURST_ROWS, _BURST_BLOCKS = 12, 3  # what has fewer of both is a spike
_NEAR_BLOCKS = 3  # blocks about a middle in which the level crosses half of the rise
_BEYOND_DOUBT = 20.0  # robust standard deviations of what a block differs from the one before it


def recurring_rises(
    coarse: Coarse,
    accepted: list[JudgedChange],
    detect: Detect,
    rng: np.random.Generator,
    past: Past | None = None,
) -> list[JudgedChange]:
    """Return the rises that are taken back and come back, beside the accepted ones."""
    y = coarse.values
    filled = without_gaps(y, detect.recurring_gap, median(np.diff(coarse.edges)))
    least = math.log(detect.jump_factor)
    returning = [c for c in propose(filled, least) if c.rise >= least and _comes_back(y, filled, c, detect)]
    if not returning:
        return []
    known = [judged.place.middle for judged in accepted if judged.place]
    reach = window_width(len(y)) / 2
    new = [
        v
        for v in judge_changes(filled, detect, rng, past)[0]
        if v.reason is None and v.place and _comes_back(y, filled, v.change, detect)
        if all(abs(v.place.middle - middle) > reach for middle in known)
    ]
    placed = [_placed(y, v, detect) for v in new]
    return [v for v in placed if v.place and abs(v.place.middle - v.change.start) <= _NEAR_BLOCKS]


def without_gaps(y: Series, gap: float, rows_a_block: float) -> Series:
    """Drop spikes of few rows, then fill gaps of at most the stated share of the blocks; (n,) to (n,)."""
    spike = min(max(math.ceil(_BURST_ROWS / rows_a_block), 1), _BURST_BLOCKS)
    filled: Series = grey_closing(grey_opening(y, spike), max(3, round(gap * len(y))))
    return filled


def _comes_back(y: Series, filled: Series, change: Change, detect: Detect) -> bool:
    """Return whether the level is taken back after a rise and rises again, while the filled one stays.

    Spikes in noise do so too. So either the rise is far beyond what the run did before it, or nothing reached half of
    it there, which the raised stretches, strewn over the whole run, would rarely leave free.
    """
    width, n = window_width(len(y)), len(y)
    before = median(filled[max(change.start - width, 0) : change.start])
    top = float(y[change.start : change.start + 2 * width].max())
    raised = y - before >= detect.lasting_share * max(change.rise, top - before)
    after = raised[change.end :]
    seen = np.concatenate([[False, False], raised[change.start :]])
    n_returns = int((seen[2:] & ~seen[1:-1] & ~seen[:-2]).sum()) - 1  # raised after two blocks that were not
    to_the_end = bool(after[-max(round(detect.recurring_gap * n), 1) :].any())
    if after.all() or n_returns < 1 or (n_returns == 1 and not to_the_end):
        return False
    earlier = y[: change.start]
    noise = 1.4826 * median(np.abs(np.diff(earlier))) / 2**0.5
    if change.rise >= _BEYOND_DOUBT * noise:
        return True
    if raised[: change.start].any():
        return False
    return bool((1 - change.start / n) ** (n_returns + 1) <= detect.alpha / 2)


def _placed(y: Series, judged: JudgedChange, detect: Detect) -> JudgedChange:
    """Locate the rise in the blocks themselves, up to the fall after it: filled gaps have edges of their own."""
    assert judged.place is not None  # of an accepted one
    width, rough = window_width(len(y)), round(judged.place.middle)
    before = median(y[max(rough - 2 * width, 0) : max(rough - 1, 1)])
    half = before + 0.5 * judged.change.rise
    start = max(rough - _NEAR_BLOCKS, 1)
    first = start + int((y[start:] >= half).argmax())
    low = np.flatnonzero(y[first:] < before + detect.lasting_share * judged.change.rise)
    stop = first + int(low[0]) if len(low) else len(y)
    bounds = min(judged.bounds[0], max(first - width, 0)), max(stop, first + 2)
    change = Change(first, first, judged.change.rise)
    place = locate_change(y, change, bounds, 0.99)
    return replace(judged, change=change, place=place, bounds=bounds, recurring=True)
