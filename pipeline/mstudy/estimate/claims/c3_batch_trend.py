"""C3: whether the advantage grows with the batch size."""

from __future__ import annotations

import math
from typing import Any, assert_never

import polars as pl
from scipy import stats

from mstudy.core.params import Estimate
from mstudy.core.statuses import Replication, Verdict
from mstudy.estimate.claims.claim import Answer, Claim, Power, method_name, untestable, verdict_of
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.claims.power import root_of_power
from mstudy.estimate.claims.small_studies.words import advantage_sentence, listed
from mstudy.estimate.rates.trends import AT_SHARE, THRESHOLD
from mstudy.pairs.seed_tests import holm
from mstudy.tables.contracts import ADVANTAGE, TRENDS
from mstudy.tables.table import SETTING

_PER_DOUBLING = "per doubling of b"
_MAX_EFFECT_ERRORS = 100.0  # up to so many standard errors a slope is looked for


def judge_batch_trend(evidence: Evidence, estimate: Estimate) -> Answer:
    """Judge C3: the slope at matched eta_ef of every setting and momentum must be positive (intersection-union).

    One slope contradicts that is significantly negative, or shown to be smaller than `trend_margin` and not shown to
    be positive (Holm over both). Where SGDM is not ahead by more than the margin at the largest batch size, a rising
    slope is a disadvantage that shrinks, and no evidence for the claim.
    The slope at matched shares of SGD's stability limit and that of the threshold are reported, not judged.
    """
    slopes, replication = _replicated_first(_deciding_slopes(evidence))
    if slopes.is_empty():
        needed = f"fewer than {estimate.min_batch_sizes} batch sizes share an eta_ef at which SGDM can be ahead"
        return untestable(needed, 0, "batch sizes", advantage_sentence(evidence[ADVANTAGE], evidence.words))
    p_values = slopes["p_value"].to_list()
    growing = [s > 0 and p <= estimate.alpha for s, p in zip(slopes["slope"], p_values, strict=True)]
    falling_p = [p if s < 0 else 1.0 for s, p in zip(slopes["slope"], p_values, strict=True)]
    flat_p = [1.0 if grows else p for grows, p in zip(growing, slopes["flat_p"].fill_null(1.0), strict=True)]
    against = holm([*falling_p, *flat_p])
    least = _least_slope(slopes)
    reason = (
        f"Per doubling of b the advantage changes by {_interval(least)} {evidence.words.within} ({method_name(least)}, "
        f"matched eta_ef {least['matched']}; the smallest of {len(slopes)} slopes)"
        f"{_at_shares(evidence[TRENDS], least)}.{_threshold_trends(evidence[TRENDS], estimate)}"
    )
    contradicted = min(against) <= estimate.alpha
    if min(against[len(slopes) :]) <= estimate.alpha:
        reason += (
            f" A slope is shown to be smaller than {estimate.trend_margin:g} in size (p = "
            f"{min(against[len(slopes) :]):.2g} after Holm), which counts as none."
        )
    ahead = (slopes["at_largest"] > evidence.margin).all()
    reason += "" if ahead else _not_ahead(slopes, evidence.margin)
    match replication:
        case Replication.REPLICATED:
            verdict = verdict_of(all(growing) and ahead, contradicted)
        case Replication.UNREPLICATED:
            verdict = _verdict_without_seeds(slopes, ahead, contradicted, estimate)
            reason += _other_slopes(slopes, least)
            reason += f" Some cells have fewer than {estimate.min_seeds} seeds, so this is no verdict."
        case _:
            assert_never(replication)
    return Answer(
        verdict,
        reason,
        evidence=replication,
        n=least["n_batch_sizes"],
        n_unit="batch sizes",
        estimate=least["slope"],
        ci=(least["ci_low"], least["ci_high"]),
        unit=f"{evidence.words.measure} {_PER_DOUBLING}",
        p_value=float(max(p_values)),
        rows=tuple(f"{method_name(row)}, {row['quantity']}" for row in slopes.iter_rows(named=True)),
    )


def _replicated_first(slopes: pl.DataFrame) -> tuple[pl.DataFrame, Replication]:
    """Return the slopes of settings with enough seeds, or, where there is none, all, and which of the two they are."""
    replicated = slopes.filter(pl.col("evidence").ne_missing(Replication.UNREPLICATED))
    if len(replicated) or slopes.is_empty():
        return replicated, Replication.REPLICATED
    return slopes, Replication.UNREPLICATED


def _not_ahead(slopes: pl.DataFrame, margin: float) -> str:
    """Say where SGDM has no advantage that could have grown."""
    least = slopes.row(int(slopes["at_largest"].arg_min() or 0), named=True)
    return (
        f" At the largest batch size SGDM is not ahead by more than {margin:g} ({least['at_largest']:+.3f}, "
        f"{method_name(least)}), so a slope above zero would be no advantage that grows."
    )


def _verdict_without_seeds(slopes: pl.DataFrame, ahead: bool, contradicted: bool, estimate: Estimate) -> Verdict:
    """Say whether the slopes agree with the claim: all rise, to an advantage, and one surely (Holm over all)."""
    if contradicted:
        return Verdict.DISAGREES
    rising = (slopes["slope"] > 0).all() and min(holm(slopes["p_value"].to_list())) <= estimate.alpha
    return Verdict.AGREES if rising and ahead else Verdict.UNCLEAR


def trend_power(evidence: Evidence, estimate: Estimate) -> Power:
    """Compute the power of C3 from the interval of the smallest slope.

    The batch size is the unit: with K of them the t test has K - 2 degrees of freedom.
    """
    slopes = _deciding_slopes(evidence)
    if slopes.is_empty():
        return Power("not estimable: no slope was fitted")
    least = _least_slope(slopes)
    freedom = least["n_batch_sizes"] - 2
    quantile = stats.t.ppf(1 - estimate.alpha / 2, freedom)
    error = (least["ci_high"] - least["ci_low"]) / 2 / quantile
    if error <= 0:
        return Power("not estimable: the slope has no error")
    largest = _MAX_EFFECT_ERRORS * error
    return Power(
        n_units=least["n_batch_sizes"],
        replicate="batch sizes",
        effect_80=root_of_power(lambda slope: float(stats.nct.sf(quantile, freedom, slope / error)), 0.0, largest),
        unit=f"{evidence.words.measure} {_PER_DOUBLING}",
        observed=least["slope"],
        note="seeds are not the unit: more batch sizes would tell, more seeds would not by themselves",
    )


def _deciding_slopes(evidence: Evidence) -> pl.DataFrame:
    return evidence[TRENDS].filter(pl.col("decides") & pl.col("slope").is_not_null())


def _least_slope(slopes: pl.DataFrame) -> dict[str, Any]:
    return slopes.row(int(slopes["slope"].arg_min() or 0), named=True)


def _at_shares(trends: pl.DataFrame, least: dict[str, Any]) -> str:
    same = [pl.col(key) == least[key] for key in (*SETTING, "optimizer", "momentum")]
    rows = trends.filter(*same, pl.col("quantity") == AT_SHARE, pl.col("slope").is_not_null())
    if rows.is_empty():
        return ""
    return f"; at matched shares of SGD's stability limit by {_interval(rows.row(0, named=True))}"


def _threshold_trends(trends: pl.DataFrame, estimate: Estimate) -> str:
    """Say how the threshold itself moves with b, where it does (Holm over settings and momenta)."""
    rows = trends.filter(pl.col("quantity") == THRESHOLD, pl.col("slope").is_not_null())
    moving = [
        f"{'rises' if row['slope'] > 0 else 'falls'} by {100 * abs(math.expm1(row['slope'])):.1f} % per doubling of b "
        f"({method_name(row)}, p = {row['p_value']:.2g})"
        for row, p in zip(rows.iter_rows(named=True), holm(rows["p_value"].to_list()), strict=True)
        if p <= estimate.alpha
    ]
    return f" The threshold {', '.join(moving)}." if moving else ""


def _other_slopes(slopes: pl.DataFrame, least: dict[str, Any]) -> str:
    """Tell the slopes that are not the smallest: without seeds, one sure one is what agreement rests on."""
    others = [row for row in slopes.sort("slope").iter_rows(named=True) if row != least]
    told = listed([f"{_interval(row)} ({method_name(row)})" for row in others])
    return f" The other slopes: {told}." if told else ""


def _interval(row: dict[str, Any]) -> str:
    return f"{row['slope']:+.3f} [{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]"


CLAIM = Claim(
    id="C3",
    statement="The advantage of momentum grows with the batch size.",
    table=TRENDS,
    judge=judge_batch_trend,
    power=trend_power,
)
