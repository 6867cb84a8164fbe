"""The onsets of the gaps of a cell, and those of what stays where a gap has opened and closed before."""

from __future__ import annotations

from collections.abc import Sequence

from mstudy.compare.closed_stretches import MIN_POINTS, Closing, closed_stretches, rows_of_early_opening
from mstudy.compare.onset import Evidence, Onset, date_onsets, weigh_onsets
from mstudy.pairs.gap import Gap


def date_known(evidence: Sequence[Evidence | None], level: float) -> list[Onset | None]:
    """Date the onset of each pair of which something is known."""
    dated = iter(date_onsets([each for each in evidence if each is not None], level))
    return [None if each is None else next(dated) for each in evidence]


def date_what_stays(
    gaps: Sequence[Gap | None],
    evidence: list[Evidence | None],
    onsets: list[Onset | None],
    by: Closing,
    level: float,
) -> tuple[list[Evidence | None], list[Onset | None]]:
    """Date each pair once more, without its openings that close; what stays opens after them, so no date moves ahead.

    Where one would, too little is left to tell, and the pair keeps what it said of all its rows.
    """
    without = [_lasting(*each, by) for each in zip(gaps, evidence, onsets, strict=True)]
    if all(fewer is before for fewer, before in zip(without, evidence, strict=True)):
        return evidence, onsets
    dated = date_known(without, level)
    ahead = [a is not None and b is not None and a.step < b.low for a, b in zip(dated, onsets, strict=True)]
    if not any(ahead):
        return without, dated
    kept = [old if back else new for new, old, back in zip(without, evidence, ahead, strict=True)]
    return kept, date_known(kept, level)


def _lasting(gap: Gap | None, evidence: Evidence | None, onset: Onset | None, by: Closing) -> Evidence | None:
    """Return what a pair says of the opening that stays: without the rows of those that close again.

    Such an opening draws the onset towards itself, the more the slower the one that stays begins.
    """
    if gap is None or onset is None or len(gap.steps) < MIN_POINTS:
        return evidence
    late = _after_early_opening(gap, by)
    closed = late.until(max(onset.low, float(late.steps[MIN_POINTS - 1])))
    kept = closed_stretches(late, closed, by).without
    if kept.sum() < MIN_POINTS or kept.sum() == len(gap.steps):
        return evidence
    return weigh_onsets(Gap(late.steps[kept], late.values[kept]))


def _after_early_opening(gap: Gap, by: Closing) -> Gap:
    """Return a gap without the opening that closes among its first rows, where enough of it is left."""
    passed = rows_of_early_opening(gap, by)
    return Gap(gap.steps[passed:], gap.values[passed:]) if len(gap.steps) - passed >= MIN_POINTS else gap
