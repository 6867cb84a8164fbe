"""Trends with the batch size: of the advantage, at matched learning rates, and of the threshold.

The batch size is the unit: seeds within one say nothing of how batch sizes differ, so a slope on log2 b is tested by t
with K - 2 degrees of freedom, K batch sizes. Weights from the seeds would reject true nulls (docs/methods.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy import stats

from mstudy.core.optimizers import SGD
from mstudy.core.params import Estimate
from mstudy.core.statuses import GridStatus, Replication
from mstudy.pairs.rate_lines import Line
from mstudy.tables.contracts import TRENDS
from mstudy.tables.table import LINE, SETTING

AT_RATE, AT_SHARE = "advantage at matched eta_ef", "advantage at matched eta_ef / eta_ef_max of SGD"
THRESHOLD, PER_SAMPLE = "log eta_ef*", "log eta_ef* / b"
OVER_LIMIT = "log eta_ef* / eta_ef_max of SGD"
_ADVANTAGES = (AT_RATE, AT_SHARE)
_SHARES = (0.0625, 0.125, 0.25, 0.5)
_SAME_LIMIT = 2.0  # limits of all batch sizes within this factor are one limit
ONE_OCTAVE = "SGD's limit is in one octave at every b: the same as matched eta_ef"
# A value for each batch size, and at which learning rates it was taken.
_Measured = tuple[dict[int, float], str]


def measure_trends(
    lines: Sequence[Line], thresholds: pl.DataFrame, limits: pl.DataFrame, estimate: Estimate
) -> pl.DataFrame:
    """Return one row per setting, momentum and quantity (tables.TRENDS)."""
    groups: dict[tuple[object, ...], list[Line]] = {}
    for line in lines:
        groups.setdefault(tuple(line.keys[k] for k in (*SETTING, "optimizer", "momentum")), []).append(line)
    rows = []
    for key, group in groups.items():
        keys = dict(zip((*SETTING, "optimizer", "momentum"), key, strict=True))
        own = thresholds.filter(*(pl.col(k) == v for k, v in keys.items()))
        for quantity, (values, matched) in _quantities(group, own, _sgd_limits(keys, limits)).items():
            about = {"quantity": quantity, "decides": quantity == AT_RATE, "matched": matched}
            margin = estimate.trend_margin if quantity in _ADVANTAGES else None
            about |= {"evidence": _replication(group, estimate)}
            rows.append(keys | about | _slope(values, margin, estimate))
    return TRENDS.frame(rows)


def _quantities(group: list[Line], thresholds: pl.DataFrame, sgd_limits: dict[int, float]) -> dict[str, _Measured]:
    stars = _stars(thresholds)
    shares = {b: star / sgd_limits[b] for b, star in stars.items() if b in sgd_limits}
    return {
        AT_RATE: _at_rates(group, _lowest_rate(thresholds)),
        AT_SHARE: _at_shares(group, shares, sgd_limits),
        THRESHOLD: ({b: float(np.log(star)) for b, star in stars.items()}, ""),
        PER_SAMPLE: ({b: float(np.log(star / b)) for b, star in stars.items()}, ""),
        OVER_LIMIT: ({b: float(np.log(share)) for b, share in shares.items()}, ""),
    }


def _slope(values: dict[int, float], margin: float | None, estimate: Estimate) -> dict[str, object]:
    """Return slope, interval and tests. margin: below which a slope counts as none; None: not asked."""
    row: dict[str, object] = {"n_batch_sizes": len(values)}
    if len(values) < estimate.min_batch_sizes:
        return row
    x = np.log2(sorted(values))
    fit = stats.linregress(x, [values[b] for b in sorted(values)])
    half = stats.t.ppf(1 - estimate.alpha / 2, len(x) - 2) * fit.stderr
    numbers = {"slope": fit.slope, "ci_low": fit.slope - half, "ci_high": fit.slope + half, "p_value": fit.pvalue}
    numbers["at_largest"] = values[max(values)]
    if margin is not None:
        numbers["flat_p"] = _flat_p(fit.slope, fit.stderr, len(x) - 2, margin)
    return row | {name: float(value) for name, value in numbers.items()}


def _flat_p(slope: float, error: float, freedom: int, margin: float) -> float:
    """Test by two one-sided t tests (Schuirmann 1987), null: |slope| >= margin."""
    if error == 0:
        return float(abs(slope) >= margin)
    return float(stats.t.sf((margin - abs(slope)) / error, freedom))


def _replication(group: list[Line], estimate: Estimate) -> Replication:
    few = not all(line.is_replicated(estimate.min_seeds) for line in group)
    return Replication.UNREPLICATED if few else Replication.REPLICATED


def _lowest_rate(thresholds: pl.DataFrame) -> float | None:
    """Return the eta_ef from which on there is an advantage to speak of: the lowest threshold.

    It is 0 where no threshold could be looked for, as in a study of one eta_ef, or all lie below the grid; None where
    no batch size has an advantage anywhere in its grid.
    """
    stars = _stars(thresholds)
    if stars:
        return min(stars.values())
    return None if set(thresholds["status"]) <= {GridStatus.ABOVE_GRID} else 0.0


def _at_rates(group: list[Line], lowest: float | None) -> _Measured:
    """Return the mean advantage over the eta_ef from `lowest` on that no batch size diverges at."""
    if lowest is None:
        return {}, ""
    rates = [set(line.eta_ef[line.whole].tolist()) for line in group]
    shared = sorted(rate for rate in set.intersection(*rates) if rate >= lowest)
    if not shared:
        return {}, ""
    values = {line.keys["batch_size"]: float(line.mean[np.isin(line.eta_ef, shared)].mean()) for line in group}
    return values, ", ".join(f"{rate:g}" for rate in shared)


def _at_shares(group: list[Line], stars: dict[int, float], sgd_limits: dict[int, float]) -> _Measured:
    """Return the mean advantage at shares of each batch size's own limit of SGD, from the lowest threshold up.

    It is interpolated between cells in log eta_ef. stars: thresholds as shares of that limit. Where all limits lie in
    one octave, the same shares are the same rates, and nothing is returned.
    """
    lines = {line.keys["batch_size"]: line for line in group}
    if not stars or any(b not in sgd_limits for b in lines):
        return {}, ""
    if max(sgd_limits[b] for b in lines) <= _SAME_LIMIT * min(sgd_limits[b] for b in lines):
        return {}, ONE_OCTAVE
    values: dict[int, list[float]] = {b: [] for b in lines}
    shares = []
    for share in _SHARES:
        advantages = {b: _interpolated(line, share * sgd_limits[b]) for b, line in lines.items()}
        if share >= min(stars.values()) and all(advantage is not None for advantage in advantages.values()):
            shares.append(share)
            for b, advantage in advantages.items():
                values[b].append(float(advantage or 0.0))
    if not shares:
        return {}, ""
    return {b: float(np.mean(v)) for b, v in values.items()}, ", ".join(f"{share:g}" for share in shares)


def _interpolated(line: Line, eta_ef: float) -> float | None:
    """Return the advantage between the two cells about eta_ef; None if one of them is missing or has diverged runs."""
    right = int(np.searchsorted(line.eta_ef, eta_ef))
    if right in (0, len(line.eta_ef)) or not line.whole[right - 1 : right + 1].all():
        return None
    return float(np.interp(np.log(eta_ef), np.log(line.eta_ef), line.mean))


def _stars(thresholds: pl.DataFrame) -> dict[int, float]:
    """Return the estimated thresholds by batch size."""
    rows = thresholds.filter(pl.col("status") == GridStatus.ESTIMATED)
    return dict(rows.select("batch_size", "eta_ef_star").iter_rows())


def _sgd_limits(keys: dict[str, object], limits: pl.DataFrame) -> dict[int, float]:
    """Return plain SGD's stability limits by batch size."""
    own = {k: v for k, v in keys.items() if k in LINE and k not in ("optimizer", "momentum")}
    rows = limits.filter(*(pl.col(k) == v for k, v in own.items()), pl.col("optimizer") == SGD)
    return dict(rows.filter(pl.col("eta_ef_max").is_not_null()).select("batch_size", "eta_ef_max").iter_rows())
