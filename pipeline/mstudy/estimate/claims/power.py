"""What this design could have seen, and what would settle a claim: power at 80 %, one row a claim.

Claims about means over seeds: noncentral t from the observed spread. Coincidence and deferral: simulation from the
observed times (`power_events`). Where a design says nothing of its own power, the number is null and a note says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from scipy import optimize, stats

from mstudy.core.params import Estimate
from mstudy.estimate.claims.c1_c2_cells import equivalence_level
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.claims.power_events import coincidence_power, deferral_power
from mstudy.estimate.rates.best import COMPARED
from mstudy.estimate.rates.placements import ABOVE, BELOW
from mstudy.estimate.rates.stability_law import FITTED
from mstudy.tables.contracts import POWER

TARGET = 0.8
MANY = 50  # beyond so many seeds or units a number is no plan
_CELL = "in the least sure cell"
_LINE = "in the least sure line"


@dataclass(frozen=True)
class Events:
    """The tables that coincidence and deferral are simulated from: tables.RUNS, SHARPENINGS, PARTINGS."""

    runs: pl.DataFrame
    sharpenings: pl.DataFrame
    partings: pl.DataFrame


def measure_power(
    events: Events, evidence: Evidence, claims: Sequence[dict[str, Any]], estimate: Estimate
) -> pl.DataFrame:
    """One row a claim (tables.POWER), from the tables that its verdict rests on. claims: the entries of claims.json."""
    verdicts = {claim["id"]: claim for claim in claims}
    rows = [
        {"claim": "C1", **_below(evidence, estimate)},
        {"claim": "C2", **_above(evidence, estimate)},
        {"claim": "C3", **_trend(verdicts.get("C3"), estimate)},
        {"claim": "C4", **coincidence_power(events.partings, events.sharpenings, estimate, TARGET)},
        {"claim": "C5", **deferral_power(events.runs, events.sharpenings, estimate, TARGET)},
        {"claim": "C6", **_best(evidence, estimate)},
        {"claim": "C7", **_law(evidence, estimate)},
        {"claim": "C8", "note": _interventions_note(evidence)},
    ]
    verdict_of = {claim: entry["verdict"] for claim, entry in verdicts.items()}
    return POWER.frame([{"verdict": verdict_of.get(row["claim"]), **row} for row in rows])


def power_greater(effect: float, sd: float, n: int, alpha: float) -> float:
    """Of the one-sided t test that a mean exceeds zero, when it is `effect`: noncentral t."""
    return float(stats.nct.sf(stats.t.ppf(1 - alpha, n - 1), n - 1, effect / sd * n**0.5))


def power_equivalent(effect: float, margin: float, sd: float, n: int, alpha: float) -> float:
    """Of two one-sided tests that a mean is within the margin, when it is `effect`; from below (Bonferroni)."""
    both = power_greater(margin - effect, sd, n, alpha) + power_greater(margin + effect, sd, n, alpha)
    return max(0.0, both - 1)


def smallest(power: Callable[[int], float], start: int, target: float = TARGET) -> int | None:
    """The smallest number from `start` on that reaches the target, None beyond MANY; power rises with it."""
    low, high = start, MANY
    if power(high) < target:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= target else (middle + 1, high)
    return low


def _below(evidence: Evidence, estimate: Estimate) -> dict[str, Any]:
    cells = _with_spread(evidence.placements.filter(side=BELOW), estimate)
    if cells.is_empty():
        return {"note": "not estimable: no cell lies below a threshold with enough seeds"}
    level = equivalence_level(estimate.alpha)
    return _equivalence(cells, "cells", _CELL, evidence.margin, level, estimate.min_seeds)


def _above(evidence: Evidence, estimate: Estimate) -> dict[str, Any]:
    cells = _with_spread(evidence.placements.filter(side=ABOVE), estimate)
    if cells.is_empty():
        return {"note": "not estimable: no cell in which runs differ lies above a threshold with enough seeds"}
    worst = cells.sort("superiority_p", descending=True).row(0, named=True)
    sd, n, alpha, margin = worst["sd"], worst["n_seeds"], estimate.alpha, evidence.margin
    beyond = worst["log_ratio"] - margin
    needed = smallest(lambda k: power_greater(beyond, sd, k, alpha), estimate.min_seeds) if beyond > 0 else None
    return {
        "n_seeds": n,
        "n_units": len(cells),
        "replicate": "cells",
        "effect_80": margin + _root(lambda e: power_greater(e, sd, n, alpha), 0.0, 50 * sd),
        "unit": f"log loss ratio {_CELL}",
        "observed": worst["log_ratio"],
        "seeds_needed": needed,
        "note": "every cell above must be superior; the least sure one is shown"
        + ("" if beyond > 0 else "; its ratio is within the margin, so more seeds would not show it beyond"),
    }


def _best(evidence: Evidence, estimate: Estimate) -> dict[str, Any]:
    lines = _with_spread(evidence.best.filter(status=COMPARED), estimate)
    if lines.is_empty():
        return {"note": "not estimable: no line has both its bests inside the grid"}
    return _equivalence(lines, "lines", _LINE, evidence.margin, estimate.alpha, estimate.min_seeds)


def _with_spread(rows: pl.DataFrame, estimate: Estimate) -> pl.DataFrame:
    """The rows with enough seeds, and `sd` of their log ratio over seeds, from Student's interval; those with any."""
    enough = rows.filter(pl.col("n_seeds") >= estimate.min_seeds, pl.col("ci_low").is_not_null())
    quantiles = stats.t.ppf(1 - estimate.alpha / 2, enough["n_seeds"].to_numpy() - 1)
    half = (pl.col("ci_high") - pl.col("ci_low")) / 2
    sd = half / pl.Series("quantile", quantiles, dtype=pl.Float64) * pl.col("n_seeds").sqrt()
    return enough.with_columns(sd.alias("sd")).filter(pl.col("sd") > 1e-9)


def _equivalence(
    rows: pl.DataFrame, replicate: str, where: str, margin: float, alpha: float, min_seeds: int
) -> dict[str, Any]:
    """Of two one-sided tests in every row, all of which must reject: the power of the least sure one."""
    worst = rows.sort("equivalence_p", descending=True, nulls_last=False).row(0, named=True)
    sd, n = worst["sd"], worst["n_seeds"]
    reachable = power_equivalent(0.0, margin, sd, n, alpha) >= TARGET
    observed = abs(worst["log_ratio"])
    needed = smallest(lambda k: power_equivalent(observed, margin, sd, k, alpha), min_seeds)
    outside = "" if observed < margin else "; it lies outside the margin, so more seeds would not show it within"
    return {
        "n_seeds": n,
        "n_units": len(rows),
        "replicate": replicate,
        "effect_80": _root(lambda e: power_equivalent(e, margin, sd, n, alpha), 0.0, margin) if reachable else None,
        "unit": f"largest true log loss ratio that is still declared equal {where}",
        "observed": observed,
        "seeds_needed": None if outside else needed,
        "note": f"all {replicate} must be equivalent; the least sure one is shown{outside}",
    }


def _law(evidence: Evidence, estimate: Estimate) -> dict[str, Any]:
    """From the interval of the exponent of b, taken as normal: the setting that knows it least."""
    fitted = evidence.law.filter(status=FITTED)
    if fitted.is_empty():
        return {"note": "not estimable: the law was fitted in no setting"}
    width = pl.col("exponent_high") - pl.col("exponent_low")
    worst = fitted.sort(width, descending=True).row(0, named=True)
    quantile = stats.norm.ppf(1 - estimate.alpha / 2)
    error = (worst["exponent_high"] - worst["exponent_low"]) / 2 / quantile
    return {
        "n_units": worst["n_limits"],
        "replicate": "stability limits inside the grid",
        "effect_80": float((quantile + stats.norm.ppf(TARGET)) * error),
        "unit": "departure of the exponent of b from 1",
        "observed": abs(worst["exponent"] - 1),
        "note": "a limit is known to a step of the grid at best: a finer grid of rates would tell, more seeds hardly",
    }


def _trend(claim: dict[str, Any] | None, estimate: Estimate) -> dict[str, Any]:
    """From the interval of the slope: a t test with K - 2 degrees of freedom; the batch size is the unit."""
    if claim is None or claim["ci"] is None or claim["n"] < 3 or claim["n_unit"] != "batch sizes":
        return {"note": "not estimable: no slope was fitted"}
    freedom = claim["n"] - 2
    quantile = stats.t.ppf(1 - estimate.alpha / 2, freedom)
    error = (claim["ci"][1] - claim["ci"][0]) / 2 / quantile
    if error <= 0:
        return {"note": "not estimable: the slope has no error"}
    return {
        "n_units": claim["n"],
        "replicate": "batch sizes",
        "effect_80": _root(lambda e: float(stats.nct.sf(quantile, freedom, e / error)), 0.0, 100 * error),
        "unit": claim["unit"],
        "observed": claim["estimate"],
        "note": "seeds are not the unit: more batch sizes would tell, more seeds would not by themselves",
    }


def _interventions_note(evidence: Evidence) -> str:
    if evidence.interventions.is_empty():
        return "not estimable without branches: train some first (`branch_steps`), three seeds at least"
    return "not estimable: how many branches lose the sharpening is not known beforehand"


def _root(power: Callable[[float], float], low: float, high: float) -> float:
    """The effect at which a monotone power is at the target."""
    return float(optimize.brentq(lambda effect: power(effect) - TARGET, low, high, xtol=1e-6 * high))
