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

from mstudy.inference.power_events import coincidence_power, deferral_power
from mstudy.inference.thresholds import ABOVE_GRID, BELOW_GRID
from mstudy.params import Estimate
from mstudy.tables import LINE, POWER

TARGET = 0.8
MANY = 50  # beyond so many seeds or units a number is no plan


@dataclass(frozen=True)
class Inputs:
    """Tables of an analysis, the entries of claims.json, and the margin of equivalence in log loss."""

    runs: pl.DataFrame
    sharpenings: pl.DataFrame
    partings: pl.DataFrame
    advantage: pl.DataFrame
    thresholds: pl.DataFrame
    claims: Sequence[dict[str, Any]]
    margin: float


def measure_power(inputs: Inputs, estimate: Estimate) -> pl.DataFrame:
    """One row a claim (tables.POWER)."""
    verdicts = {claim["id"]: claim for claim in inputs.claims}
    rows = [
        {"claim": "C1", **_below(inputs, estimate)},
        {"claim": "C2", **_above(inputs, estimate)},
        {"claim": "C3", **_trend(verdicts.get("C3"), estimate)},
        {"claim": "C4", **coincidence_power(inputs.partings, inputs.sharpenings, estimate, TARGET)},
        {"claim": "C5", **deferral_power(inputs.runs, inputs.sharpenings, estimate, TARGET)},
        {"claim": "C8", "note": "not estimable without branches: train some first, three seeds at least"},
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


def _sided(inputs: Inputs, below: bool) -> pl.DataFrame:
    """Cells with a spread that lie below, or above, the interval of their line's threshold."""
    lines = inputs.thresholds.select(*LINE, "status", pl.col("ci_low").alias("low"), pl.col("ci_high").alias("high"))
    cells = inputs.advantage.join(lines, on=LINE).filter(pl.col("log_ratio_sd") > 1e-9)
    if below:
        side = (pl.col("status") == ABOVE_GRID) | (pl.col("eta_ef") < pl.col("low"))
    else:
        side = (pl.col("status") == BELOW_GRID) | (pl.col("eta_ef") > pl.col("high"))
    whole = pl.col("n_diverged_sgd") + pl.col("n_diverged_sgdm") == 0
    return cells.filter(side.fill_null(False) & whole)


def _below(inputs: Inputs, estimate: Estimate) -> dict[str, Any]:
    cells = _sided(inputs, below=True)
    if cells.is_empty():
        return {"note": "no cell lies below a threshold"}
    worst = cells.sort("equivalence_p", descending=True).row(0, named=True)
    sd, n, alpha, margin = worst["log_ratio_sd"], worst["n_seeds"], estimate.alpha, inputs.margin
    reachable = power_equivalent(0.0, margin, sd, n, alpha) >= TARGET
    observed = abs(worst["log_ratio"])
    return {
        "n_seeds": n,
        "n_units": len(cells),
        "replicate": "cells",
        "effect_80": _root(lambda e: power_equivalent(e, margin, sd, n, alpha), 0.0, margin) if reachable else None,
        "unit": "largest true log loss ratio that is still declared equal in the least sure cell",
        "observed": observed,
        "seeds_needed": smallest(lambda k: power_equivalent(observed, margin, sd, k, alpha), estimate.min_seeds),
        "note": "every cell below must be equivalent; the least sure one is shown",
    }


def _above(inputs: Inputs, estimate: Estimate) -> dict[str, Any]:
    cells = _sided(inputs, below=False)
    if cells.is_empty():
        return {"note": "no cell in which no run diverged lies above a threshold"}
    worst = cells.sort("superiority_p", descending=True).row(0, named=True)
    sd, n, alpha, margin = worst["log_ratio_sd"], worst["n_seeds"], estimate.alpha, inputs.margin
    beyond = worst["log_ratio"] - margin
    needed = smallest(lambda k: power_greater(beyond, sd, k, alpha), estimate.min_seeds) if beyond > 0 else None
    return {
        "n_seeds": n,
        "n_units": len(cells),
        "replicate": "cells",
        "effect_80": margin + _root(lambda e: power_greater(e, sd, n, alpha), 0.0, 50 * sd),
        "unit": "log loss ratio in the least sure cell",
        "observed": worst["log_ratio"],
        "seeds_needed": needed,
        "note": "every cell above must be superior; the least sure one is shown"
        + ("" if beyond > 0 else "; its ratio is within the margin, so more seeds would not show it beyond"),
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


def _root(power: Callable[[float], float], low: float, high: float) -> float:
    """The effect at which a monotone power is at the target."""
    return float(optimize.brentq(lambda effect: power(effect) - TARGET, low, high, xtol=1e-6 * high))
