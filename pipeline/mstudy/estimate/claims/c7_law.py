"""C7: whether the largest stable eta_ef moves with b as the mean-square stability law predicts."""

from __future__ import annotations

import polars as pl

from mstudy.core.params import Estimate
from mstudy.estimate.claims.claim import Claim, untestable, verdict_of
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.rates.stability_law import FITTED
from mstudy.pairs.seed_tests import holm
from mstudy.tables.table import SETTING


def judge_law(evidence: Evidence, estimate: Estimate) -> Claim:
    """In every setting no misfit and an exponent of b equivalent to 1; one misfit or other exponent contradicts."""
    laws = evidence.law.filter(pl.col("status") == FITTED)
    if laws.is_empty():
        n = sum(evidence.law["n_limits"].to_list())
        needed = f"{n} stability limits lie inside the grid, at least {estimate.min_limits} are needed, of three batch "
        return untestable("C7", "law", needed + "sizes and two momenta or more", n, "stability limits")
    low, high = 1 - estimate.law_tolerance, 1 + estimate.law_tolerance
    misfit = holm(laws["misfit_p"].to_list())
    near = (laws["exponent_equivalence_low"] > low) & (laws["exponent_equivalence_high"] < high)
    moved = laws["movement_p"] <= estimate.alpha
    elsewhere = (laws["exponent_high"] < low) | (laws["exponent_low"] > high)
    supported = bool(near.all()) and bool(moved.all()) and min(misfit) > estimate.alpha
    row = laws.row(int(laws["misfit_p"].to_numpy().argmin()), named=True)
    limits = evidence.stability_limits.filter(pl.col("misfit").is_not_null())
    here = limits.filter(*(pl.col(key) == row[key] for key in SETTING))
    worst = here.row(int(here["misfit"].abs().to_numpy().argmax()), named=True)
    reason = (
        f"By {row['n_limits']} limits, gradient noise goes as 1/b to the power {row['exponent']:.2f} "
        f"[{row['exponent_low']:.2f}, {row['exponent_high']:.2f}] (the law: 1); misfit of the law p = "
        f"{row['misfit_p']:.3g}; farthest from it: b = {worst['batch_size']}, mu = {worst['momentum']:g}, "
        f"measured {worst['eta_ef_max']:.3g} [{worst['ci_low']:.3g}, {worst['ci_high']:.3g}], predicted "
        f"{worst['predicted']:.3g}."
    )
    return Claim(
        "C7",
        verdict_of(supported, min(misfit) <= estimate.alpha or bool(elsewhere.any())),
        reason,
        "law",
        int(laws["n_limits"].sum()),
        "stability limits",
        row["exponent"],
        (row["exponent_low"], row["exponent_high"]),
        "exponent of 1/b in the gradient noise's share",
        row["misfit_p"],
        tuple(f"b = {r['batch_size']}, mu = {r['momentum']:g}" for r in limits.iter_rows(named=True)),
    )
