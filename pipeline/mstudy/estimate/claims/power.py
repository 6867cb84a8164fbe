"""Power at 80 %: the formulas of the tests, and the searches for an effect or a number of units.

Claims about means over seeds use the noncentral t at the observed spread. Other claims simulate, and search with
`bisect_power` and `first_count`. Where a design says nothing of its own power, the number is null and a note says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import polars as pl
from scipy import optimize, stats

from mstudy.core.params import Estimate
from mstudy.estimate.claims.claim import Power

PowerOfRow = Callable[[dict[str, Any], int, float], float]
TARGET_POWER = 0.8
MAX_COUNT = 50  # more seeds or units than this are no plan
COUNTS = (3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, MAX_COUNT)  # tried where each trial is a simulation
_MIN_SD = 1e-9  # of a log ratio over seeds
_N_HALVINGS = 6


def power_greater(effect: float, sd: float, n: int, alpha: float) -> float:
    """Return the power of the one-sided t test that a mean exceeds zero, when it is `effect`: noncentral t."""
    return float(stats.nct.sf(stats.t.ppf(1 - alpha, n - 1), n - 1, effect / sd * n**0.5))


def power_equivalent(effect: float, margin: float, sd: float, n: int, alpha: float) -> float:
    """Return a lower bound (Bonferroni) on the power of two one-sided tests that a mean is within the margin."""
    both = power_greater(margin - effect, sd, n, alpha) + power_greater(margin + effect, sd, n, alpha)
    return max(0.0, both - 1)


def rows_with_spread(rows: pl.DataFrame, estimate: Estimate) -> pl.DataFrame:
    """Return the rows with enough seeds whose log ratio varies, with `sd`: its spread over seeds."""
    return rows_with_sd(rows, estimate).filter(pl.col("sd") > _MIN_SD)


def rows_with_sd(rows: pl.DataFrame, estimate: Estimate) -> pl.DataFrame:
    """Return the rows with enough seeds, with `sd`: the spread over seeds, from Student's interval."""
    enough = rows.filter(pl.col("n_seeds") >= estimate.min_seeds, pl.col("ci_low").is_not_null())
    quantiles = stats.t.ppf(1 - estimate.alpha / 2, enough["n_seeds"].to_numpy() - 1)
    half = (pl.col("ci_high") - pl.col("ci_low")) / 2
    sd = half / pl.Series("quantile", quantiles, dtype=pl.Float64) * pl.col("n_seeds").sqrt()
    return enough.with_columns(sd.alias("sd"))


def equivalence_power(
    rows: pl.DataFrame, replicate: str, what: str, margin: float, alpha: float, min_seeds: int
) -> Power:
    """Compute the power of a claim for which every row must be equivalent: that of the least sure row.

    what: is declared equal, and where.
    """
    worst = rows.sort("equivalence_p", descending=True, nulls_last=False).row(0, named=True)
    sd, n = worst["sd"], worst["n_seeds"]
    effect = None
    if power_equivalent(0.0, margin, sd, n, alpha) >= TARGET_POWER:
        effect = root_of_power(lambda e: power_equivalent(e, margin, sd, n, alpha), 0.0, margin)
    observed = abs(worst["log_ratio"])
    needed = smallest(lambda k: power_equivalent(observed, margin, sd, k, alpha), min_seeds)
    outside = "" if observed < margin else "; it lies outside the margin, so more seeds would not show it within"
    return Power(
        n_seeds=n,
        n_units=len(rows),
        replicate=replicate,
        effect_80=effect,
        unit=f"largest true {what}",
        observed=observed,
        seeds_needed=None if outside else needed,
        note=f"all {replicate} must be equivalent; the least sure one is shown{outside}",
    )


def smallest(power: Callable[[int], float], start: int) -> int | None:
    """Return the smallest number from `start` on at which a rising power reaches the target; None beyond MAX_COUNT."""
    low, high = start, MAX_COUNT
    if power(high) < TARGET_POWER:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= TARGET_POWER else (middle + 1, high)
    return low


def first_count(enough: Callable[[int], bool]) -> int | None:
    """Return the smallest of COUNTS that is enough, found by halving; None if the largest is not."""
    low, high = 0, len(COUNTS) - 1
    if not enough(COUNTS[high]):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(COUNTS[middle]) else (middle + 1, high)
    return COUNTS[low]


def root_of_power(power: Callable[[float], float], low: float, high: float) -> float:
    """Return the effect at which an exact, monotone power is at the target."""
    return float(optimize.brentq(lambda effect: power(effect) - TARGET_POWER, low, high, xtol=1e-6 * high))


def bisect_power(power: Callable[[float], float], low: float, high: float) -> float | None:
    """Return the effect at which a rising, simulated power passes the target; None if it never does."""
    if power(high) < TARGET_POWER:
        return None
    for _ in range(_N_HALVINGS):
        middle = (low * high) ** 0.5 if low > 0 else (low + high) / 2
        low, high = (low, middle) if power(middle) >= TARGET_POWER else (middle, high)
    return float(high)


def power_of_equal(margin: float) -> PowerOfRow:
    """Return the power of showing that a row is within the margin."""
    return lambda row, n, level: power_equivalent(abs(row["log_ratio"]), margin, row["sd"], n, level)


def power_of_better(margin: float) -> PowerOfRow:
    """Return the power of showing that a row is beyond the margin.

    Values without spread, as where SGD diverged at every seed, leave only their number: the sign test's 2^-n.
    """

    def power(row: dict[str, Any], n: int, level: float) -> float:
        excess = row["log_ratio"] - margin
        if row["sd"] <= _MIN_SD:
            return float(excess > 0 and 0.5**n <= level)
        return power_greater(excess, row["sd"], n, level)

    return power


def seeds_for_mostly(
    rows: pl.DataFrame, power: PowerOfRow, level: float, params: Estimate, for_every: int | None = None
) -> int | None:
    """Return the seeds with which the claim would surely hold in more than `mostly_share` of the rows, at 80 %.

    rows: units with a spread over seeds. power: of showing the claim in one row, with so many seeds and at that level.
    for_every: the seeds with which it would hold in every row; they are enough here as well, since all units are sure
    once every p-value is at most the level (Hommel).
    With k of m p-values at most level / (m - k + 1) at least k units are sure (Holm). None beyond any number of seeds.
    """
    units = rows.to_dicts()
    needed = min(len(units), math.floor(params.mostly_share * len(units) + 1e-9) + 1)

    def of_least_needed(n_seeds: int) -> float:
        powers = sorted((power(row, n_seeds, level / (len(units) - needed + 1)) for row in units), reverse=True)
        return powers[needed - 1]

    found = smallest(of_least_needed, params.min_seeds) if units else None
    return min((seeds for seeds in (found, for_every) if seeds is not None), default=None)
