"""Parting: the step from which log L_SGD - log L_SGDM moves away and stays away, of each pair and of its cell.

A gate over the seeds of a cell decides whether the cell parts at all; the onset of each pair's gap says when, and the
spread of the seeds' onsets says how surely. Method and limits: docs/methods.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import stats

from mstudy.compare.closed_stretches import MIN_POINTS, Closing
from mstudy.compare.lasting_onsets import date_known, date_what_stays
from mstudy.compare.onset import Evidence, Onset, known_onset, typical_onset, weigh_onsets
from mstudy.core.optimizers import HEAVY_BALL
from mstudy.core.params import Compare
from mstudy.core.series import Series
from mstudy.core.statuses import WITH_DIVERGENCE, Ahead, PartingStatus
from mstudy.core.theory import final_lag
from mstudy.pairs.gap import Gap, LossCurve, Pair, gap_between, gap_curve

_LATE_SHARE = 0.2  # of the steps: where the gate looks
_N_WINDOWS = 6  # of logged points: where the gate for transient gaps looks


@dataclass(frozen=True)
class Parting:
    """The verdict on one pair. ahead: who has the lower loss afterwards. [step_low, step_high]: 95 % interval."""

    status: PartingStatus
    ahead: Ahead | None = None
    step: float | None = None
    step_low: float | None = None
    step_high: float | None = None


@dataclass(frozen=True)
class CellParting:
    """The verdict on a cell: pairs in their order; step and interval of the typical (geometric mean) pair.

    late_gap: mean over seeds of the gap over the last fifth of the steps. p_value: that it is within the margin.
    transient_p_value: that the gap is within the margin all along. twin_gap: root mean square late gap between runs
    that differ by rounding alone, None without such runs.
    """

    pairs: list[Parting]
    status: PartingStatus
    ahead: Ahead | None
    step: float | None
    step_low: float | None
    step_high: float | None
    late_gap: float | None
    p_value: float | None
    transient_p_value: float | None
    margin: float
    n_twins: int
    twin_gap: float | None


def find_partings(
    pairs: Sequence[Pair],
    momentum: float,
    compare: Compare,
    optimizer: str = HEAVY_BALL,
    twins: Sequence[tuple[LossCurve, LossCurve]] = (),
) -> CellParting:
    """Find the partings of one cell's pairs and of the cell. twins: pairs of runs that differ only by rounding.

    Gate: t test over seeds that the late gap lies within the margin, which is never below the gap between twins. A
    pair in which a run diverged has parted at the divergence and does not enter the gate; without two others there
    is no p-value. Where the gap is open in between but not at the end, the status is `transient`. Where the lag of the
    optimizer is not known, there is no gap to judge and the status is `no_lag`.
    """
    gaps = [None if _diverged(pair) else gap_curve(pair, optimizer, momentum) for pair in pairs]
    usable = [gap for gap in gaps if gap is not None and len(gap.steps) >= MIN_POINTS]
    twin_gap = _twin_gap(twins)
    margin = max(compare.parting_margin, twin_gap or 0.0)
    late = np.array([late_mean(gap) for gap in usable])
    p_value, transient, end = _p_outside(late, margin), None, None
    if p_value is not None:
        transient, end = _p_anywhere(usable, margin)
    known_lag = final_lag(optimizer, momentum) is not None
    status = _cell_status(p_value, transient, compare.alpha) if known_lag else PartingStatus.NO_LAG
    ahead = (
        _ahead(usable, end if status == PartingStatus.TRANSIENT else None)
        if status in (PartingStatus.PARTED, PartingStatus.TRANSIENT)
        else None
    )
    evidence = [_evidence(pair, gap, status, end) for pair, gap in zip(pairs, gaps, strict=True)]
    onsets = date_known(evidence, 1 - compare.alpha)
    if status == PartingStatus.PARTED:
        by = Closing(margin, compare.recurring_gap)
        evidence, onsets = date_what_stays(gaps, evidence, onsets, by, 1 - compare.alpha)
    known = [each for each in evidence if each is not None]
    partings = [_pair_parting(*each, status, ahead) for each in zip(pairs, gaps, onsets, strict=True)]
    return CellParting(
        partings,
        *_typical(partings, known, status, compare.alpha),
        late_gap=float(late.mean()) if len(late) else None,
        p_value=p_value,
        transient_p_value=transient,
        margin=margin,
        n_twins=len(twins),
        twin_gap=twin_gap,
    )


def _diverged(pair: Pair) -> bool:
    return pair.sgd.diverged_step is not None or pair.sgdm.diverged_step is not None


def _twin_gap(twins: Sequence[tuple[LossCurve, LossCurve]]) -> float | None:
    gaps = [gap_between(*twin) for twin in twins]
    late = [late_mean(gap) for gap in gaps if len(gap.steps)]
    return float(np.sqrt(np.mean(np.square(late)))) if late else None


def late_mean(gap: Gap) -> float:
    """Return the mean gap over the last fifth of the steps."""
    return float(gap.values[gap.steps >= (1 - _LATE_SHARE) * gap.steps[-1]].mean())


def _p_outside(means: Series, margin: float) -> float | None:
    """Return P under |mean over seeds| <= margin: one-sided t at the nearest margin, doubled for the choice of side."""
    if len(means) < 2:
        return None
    error = max(means.std(ddof=1) / len(means) ** 0.5, 1e-12)
    return float(min(1.0, 2 * stats.t.sf((abs(means.mean()) - margin) / error, len(means) - 1)))


def _p_anywhere(gaps: Sequence[Gap], margin: float) -> tuple[float, float]:
    """Return P under |mean over seeds| <= margin in every window (Bonferroni), and the surest window's last step."""
    edges = np.quantile(gaps[0].steps, np.linspace(0, 1, _N_WINDOWS + 1))
    windows = [_window_means(gaps, low, high) for low, high in pairwise(edges)]
    p_values = [1.0 if (p := _p_outside(means, margin)) is None else p for means in windows]
    surest = int(np.argmin(p_values))
    return min(1.0, _N_WINDOWS * p_values[surest]), float(edges[surest + 1])


def _window_means(gaps: Sequence[Gap], low: float, high: float) -> Series:
    parts = [gap.values[(gap.steps >= low) & (gap.steps <= high)] for gap in gaps]
    return np.array([part.mean() for part in parts if len(part)])


def _cell_status(p_value: float | None, transient: float | None, alpha: float) -> PartingStatus:
    if p_value is None or transient is None:
        return PartingStatus.INSUFFICIENT
    if p_value <= alpha:
        return PartingStatus.PARTED
    return PartingStatus.TRANSIENT if transient <= alpha else PartingStatus.NONE


def _ahead(gaps: Sequence[Gap], end: float | None) -> Ahead:
    parts = [gap if end is None else gap.until(end) for gap in gaps]
    return Ahead.SGDM if np.mean([late_mean(part) for part in parts]) > 0 else Ahead.SGD


def _first_divergence(pair: Pair) -> LossCurve | None:
    diverged = [curve for curve in (pair.sgd, pair.sgdm) if curve.diverged_step is not None]
    return min(diverged, key=lambda curve: curve.diverged_step or 0, default=None)


def _evidence(pair: Pair, gap: Gap | None, status: PartingStatus, end: float | None) -> Evidence | None:
    """Return when the pair parts: at the divergence; else where its gap opens, if its cell's does."""
    if (diverged := _first_divergence(pair)) is not None:
        return known_onset(float(diverged.diverged_step or 0))
    if gap is None or status not in (PartingStatus.PARTED, PartingStatus.TRANSIENT):
        return None
    part = gap.until(end) if status == PartingStatus.TRANSIENT and end is not None else gap
    return weigh_onsets(part) if len(part.steps) >= MIN_POINTS else None


def _pair_parting(
    pair: Pair, gap: Gap | None, onset: Onset | None, status: PartingStatus, ahead: Ahead | None
) -> Parting:
    if onset is None and status == PartingStatus.NO_LAG:
        return Parting(PartingStatus.NO_LAG)
    if onset is None:
        return Parting(
            PartingStatus.NONE
            if status == PartingStatus.NONE and gap is not None and len(gap.steps) >= MIN_POINTS
            else PartingStatus.INSUFFICIENT
        )
    if gap is not None:
        return Parting(status, ahead, onset.step, onset.low, onset.high)
    # Known up to the row before: the log ends there. Nobody is ahead when both diverge.
    diverged = _first_divergence(pair) or pair.sgd
    low = min(float(diverged.steps[-1]), onset.step) if len(diverged.steps) else 0.0
    both = pair.sgd.diverged_step is not None and pair.sgdm.diverged_step is not None
    if both:
        return Parting(PartingStatus.BOTH_DIVERGED, None, onset.step, low, onset.step)
    if diverged is pair.sgd:
        return Parting(PartingStatus.SGD_DIVERGED, Ahead.SGDM, onset.step, low, onset.step)
    return Parting(PartingStatus.SGDM_DIVERGED, Ahead.SGD, onset.step, low, onset.step)


def _typical(
    partings: Sequence[Parting], evidence: Sequence[Evidence], status: PartingStatus, alpha: float
) -> tuple[PartingStatus, Ahead | None, float | None, float | None, float | None]:
    """Return status, ahead, step and interval of the cell; where runs diverged, that is the status."""
    kinds = {parting.status for parting in partings}
    for diverged in WITH_DIVERGENCE:
        status = diverged if diverged in kinds else status
    sides = {parting.ahead for parting in partings if parting.step is not None}
    ahead = sides.pop() if len(sides) == 1 else None
    if not evidence:
        return status, ahead, None, None, None
    return status, ahead, *typical_onset(evidence, 1 - alpha)
