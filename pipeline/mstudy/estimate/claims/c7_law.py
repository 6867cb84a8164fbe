"""C7: whether the largest stable eta_ef moves with b as the mean-square stability law predicts."""

from __future__ import annotations

import polars as pl
from scipy import stats

from mstudy.core.params import Estimate
from mstudy.core.statuses import LawStatus
from mstudy.estimate.claims.claim import Answer, Claim, Power, untestable, verdict_of
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.claims.power import TARGET_POWER
from mstudy.estimate.claims.small_studies.words import limits_sentence
from mstudy.pairs.seed_tests import holm
from mstudy.tables.contracts import LAW, STABILITY_LIMITS
from mstudy.tables.table import SETTING


def judge_law(evidence: Evidence, estimate: Estimate) -> Answer:
    """Judge C7: in every setting the law must fit, and the exponent of b must be equivalent to 1.

    One misfit (Holm) or one exponent surely elsewhere contradicts.
    """
    laws = evidence[LAW].filter(pl.col("status") == LawStatus.FITTED)
    if laws.is_empty():
        n = sum(evidence[LAW]["n_limits"].to_list())
        needed = f"{n} stability limits lie inside the grid, at least {estimate.min_limits} are needed, of three batch "
        needed += "sizes and two momenta or more"
        if LawStatus.NO_FORMULA in evidence[LAW]["status"]:
            needed += "; limits of optimizers of which the law says nothing are not counted"
        return untestable(needed, n, "stability limits", limits_sentence(evidence[STABILITY_LIMITS]))
    low, high = 1 - estimate.law_tolerance, 1 + estimate.law_tolerance
    misfit = holm(laws["misfit_p"].to_list())
    near_one = (laws["exponent_equivalence_low"] > low) & (laws["exponent_equivalence_high"] < high)
    moved = laws["movement_p"] <= estimate.alpha
    elsewhere = (laws["exponent_high"] < low) | (laws["exponent_low"] > high)
    supported = bool(near_one.all()) and bool(moved.all()) and min(misfit) > estimate.alpha
    law = laws.row(int(laws["misfit_p"].to_numpy().argmin()), named=True)
    limits = evidence[STABILITY_LIMITS].filter(pl.col("misfit").is_not_null())
    own_limits = limits.filter(*(pl.col(key) == law[key] for key in SETTING))
    worst = own_limits.row(int(own_limits["misfit"].abs().to_numpy().argmax()), named=True)
    interval = f"[{law['exponent_low']:.2f}, {law['exponent_high']:.2f}]"
    reason = (
        f"By {law['n_limits']} limits, gradient noise goes as 1/b to the power {law['exponent']:.2f} {interval} (that "
        f"it is the law's 1: p = {law['exponent_p']:.3g}; all of the interval beyond 1 ± {estimate.law_tolerance:g} "
        f"would contradict); that the law fits, against any misfit of the limits at all: p = {law['misfit_p']:.3g}; "
        f"farthest from it: b = {worst['batch_size']}, mu = {worst['momentum']:g}, measured "
        f"{worst['eta_ef_max']:.3g} [{worst['ci_low']:.3g}, {worst['ci_high']:.3g}], predicted "
        f"{worst['predicted']:.3g}."
    )
    return Answer(
        verdict_of(supported, min(misfit) <= estimate.alpha or bool(elsewhere.any())),
        reason,
        n=int(laws["n_limits"].sum()),
        n_unit="stability limits",
        estimate=law["exponent"],
        ci=(law["exponent_low"], law["exponent_high"]),
        unit="exponent of 1/b in the gradient noise's share",
        p_value=law["exponent_p"],
        rows=tuple(f"b = {limit['batch_size']}, mu = {limit['momentum']:g}" for limit in limits.iter_rows(named=True)),
    )


def law_power(evidence: Evidence, estimate: Estimate) -> Power:
    """Compute the power of C7 from the interval of the exponent of b, taken as normal, in the least sure setting."""
    laws = evidence[LAW].filter(status=LawStatus.FITTED)
    if laws.is_empty():
        return Power("not estimable: the law was fitted in no setting")
    width = pl.col("exponent_high") - pl.col("exponent_low")
    worst = laws.sort(width, descending=True).row(0, named=True)
    quantile = stats.norm.ppf(1 - estimate.alpha / 2)
    error = (worst["exponent_high"] - worst["exponent_low"]) / 2 / quantile
    return Power(
        n_units=worst["n_limits"],
        replicate="stability limits inside the grid",
        effect_80=float((quantile + stats.norm.ppf(TARGET_POWER)) * error),
        unit="departure of the exponent of b from 1",
        observed=abs(worst["exponent"] - 1),
        note="a limit is known to a step of the grid at best: a finer grid of rates would tell, more seeds hardly",
    )


CLAIM = Claim(
    id="C7",
    statement="The stability limit moves with b as the mean-square stability law predicts.",
    table=LAW,
    judge=judge_law,
    power=law_power,
)
