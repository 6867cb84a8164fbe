"""The paper's claims C1 to C5, each with a verdict by a rule that was written down first (docs/methods.md).

One family of tests per claim, Holm within it; a verdict rests on pooled or joint statistics, never on the best of
many. `untestable` says what is missing; `inconclusive` says that the data allow both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import stats
from statsmodels.stats.multitest import multipletests

from mstudy.inference.alignment import EQUIVALENCE, PERMUTATION
from mstudy.inference.deferral import ALL
from mstudy.inference.thresholds import ABOVE_GRID, BELOW_GRID, ESTIMATED
from mstudy.params import Estimate
from mstudy.tables import LINE, SETTING

SUPPORTED, CONTRADICTED, INCONCLUSIVE, UNTESTABLE = "supported", "contradicted", "inconclusive", "untestable"

STATEMENTS = {
    "C1": "Below the threshold, SGD and SGDM train alike.",
    "C2": "Above the threshold, SGDM is better.",
    "C3": "The advantage of momentum grows with the batch size.",
    "C4": "SGD and SGDM part at the moment of SGD's abrupt sharpening.",
    "C5": "Momentum prevents or defers abrupt sharpening.",
}


@dataclass(frozen=True)
class Claim:
    """A verdict and what it rests on. estimate and ci are in `unit`; n counts `n_unit`; rows name rows of `table`."""

    id: str
    verdict: str
    reason: str
    table: str
    n: int
    n_unit: str
    estimate: float | None = None
    ci: tuple[float, float] | None = None
    unit: str = ""
    p_value: float | None = None
    rows: tuple[str, ...] = ()

    def entry(self) -> dict[str, Any]:
        """The claim's entry in claims.json."""
        return {"statement": STATEMENTS[self.id], **asdict(self)}


def judge_claims(
    advantage: pl.DataFrame,
    thresholds: pl.DataFrame,
    alignment: pl.DataFrame,
    deferral: pl.DataFrame,
    estimate: Estimate,
) -> list[dict[str, Any]]:
    """The entries of claims.json, C1 to C5."""
    placed = _place_cells(advantage, thresholds)
    claims = [
        _below_threshold(placed, estimate),
        _above_threshold(placed, estimate),
        _batch_trend(advantage, thresholds, estimate),
        _same_moment(alignment, estimate),
        _deferred(deferral, estimate),
    ]
    return [claim.entry() for claim in claims]


def _place_cells(advantage: pl.DataFrame, thresholds: pl.DataFrame) -> pl.DataFrame:
    """Cells that compare anything, with `side` below or above the interval of their line's threshold, else null."""
    lines = thresholds.select(*LINE, "status", "ci_low", "ci_high")
    low = pl.when(pl.col("status") == ABOVE_GRID).then(math.inf).otherwise(pl.col("ci_low_line"))
    high = pl.when(pl.col("status") == BELOW_GRID).then(-math.inf).otherwise(pl.col("ci_high_line"))
    side = pl.when(pl.col("eta_ef") < low).then(pl.lit("below")).when(pl.col("eta_ef") > high).then(pl.lit("above"))
    usable = advantage.filter(pl.col("superiority_p").is_not_null())
    return usable.join(lines, on=LINE, suffix="_line").with_columns(side.alias("side"))


def _below_threshold(placed: pl.DataFrame, estimate: Estimate) -> Claim:
    """Every cell below must be equivalent (intersection-union); one cell beyond the margin contradicts (Holm)."""
    cells = placed.filter((pl.col("side") == "below") & (pl.col("n_seeds") >= estimate.min_seeds))
    if cells.is_empty():
        return _untestable("C1", "advantage", "no cell with enough seeds lies below an estimated threshold")
    equivalence = cells["equivalence_p"].to_numpy()
    worst = cells.row(int(equivalence.argmax()), named=True)
    beyond = _holm([*cells["superiority_p"], *cells["inferiority_p"]])
    n_equivalent = int((equivalence <= estimate.alpha).sum())
    what = (
        f"{n_equivalent} of {len(cells)} cells below their threshold are equivalent within "
        f"{estimate.margin:g} in log loss; the least sure is {_cell(worst)}"
    )
    verdict = _verdict(float(equivalence.max()) <= estimate.alpha, min(beyond) <= estimate.alpha)
    return _mean_claim("C1", verdict, what, cells, worst, float(equivalence.max()))


def _above_threshold(placed: pl.DataFrame, estimate: Estimate) -> Claim:
    """Every cell above must be superior (intersection-union); one inferior cell contradicts (Holm)."""
    cells = placed.filter((pl.col("side") == "above") & (pl.col("n_seeds") >= estimate.min_seeds))
    if cells.is_empty():
        return _untestable("C2", "advantage", "no cell with enough seeds lies above an estimated threshold")
    superiority = cells["superiority_p"].to_numpy()
    worst = cells.row(int(superiority.argmax()), named=True)
    inferior = _holm(cells["inferiority_p"].to_list())
    n_superior = int((superiority <= estimate.alpha).sum())
    what = (
        f"SGDM is better by more than {estimate.margin:g} in log loss in {n_superior} of {len(cells)} cells above "
        f"their threshold; the least sure is {_cell(worst)}"
    )
    # All must reject at alpha each: the intersection-union test needs no correction.
    verdict = _verdict(float(superiority.max()) <= estimate.alpha, min(inferior) <= estimate.alpha)
    return _mean_claim("C2", verdict, what, cells, worst, float(superiority.max()))


def _batch_trend(advantage: pl.DataFrame, thresholds: pl.DataFrame, estimate: Estimate) -> Claim:
    """Slope of the advantage at matched eta_ef on log2 b, per setting and momentum: t with K - 2 degrees of freedom.

    Matched: the eta_ef at which every batch size compares, none diverged, and at least one line is above threshold.
    The batch size is the unit: seeds within one say nothing of how batch sizes differ.
    """
    slopes = []
    for (*_, optimizer, momentum), cells in advantage.group_by(
        [*SETTING, "optimizer", "momentum"], maintain_order=True
    ):
        matched = _matched(cells, thresholds)
        by_batch = matched.group_by("batch_size").agg(pl.col("log_ratio").mean()).sort("batch_size")
        if len(by_batch) >= estimate.min_batch_sizes:
            fit = stats.linregress(np.log2(by_batch["batch_size"].to_numpy()), by_batch["log_ratio"].to_numpy())
            half = stats.t.ppf(1 - estimate.alpha / 2, len(by_batch) - 2) * fit.stderr
            label = f"{optimizer}, mu = {momentum:g}, matched eta_ef {_list(matched['eta_ef'].unique().sort())}"
            slopes.append((fit.slope, half, fit.pvalue, label, len(by_batch)))
    if not slopes:
        needed = f"fewer than {estimate.min_batch_sizes} batch sizes share an eta_ef at or above a threshold"
        return _untestable("C3", "advantage", needed)
    adjusted = _holm([slope[2] for slope in slopes])
    growing = all(s[0] > 0 and p <= estimate.alpha for s, p in zip(slopes, adjusted, strict=True))
    falling = any(s[0] < 0 and p <= estimate.alpha for s, p in zip(slopes, adjusted, strict=True))
    slope, half, _, label, n = min(slopes)
    reason = (
        f"Per doubling of b the advantage changes by {slope:+.3f} [{slope - half:+.3f}, {slope + half:+.3f}] in log "
        f"loss ({label}; the smallest of {len(slopes)} slopes)."
    )
    return Claim(
        "C3",
        _verdict(growing, falling),
        reason,
        "advantage",
        n,
        "batch sizes",
        float(slope),
        (float(slope - half), float(slope + half)),
        "log loss ratio per doubling of b",
        float(max(adjusted)),
        tuple(s[3] for s in slopes),
    )


def _matched(cells: pl.DataFrame, thresholds: pl.DataFrame) -> pl.DataFrame:
    """Cells at the eta_ef that every batch size shares without divergence, at or above the lowest threshold."""
    whole = cells.filter(
        (pl.col("n_diverged_sgd") + pl.col("n_diverged_sgdm") == 0) & pl.col("log_ratio").is_not_null()
    )
    n_batches = cells["batch_size"].n_unique()
    shared = whole.group_by("eta_ef").agg(pl.col("batch_size").n_unique()).filter(pl.col("batch_size") == n_batches)
    lines = thresholds.join(cells.select(LINE).unique(), on=LINE).filter(pl.col("status") == ESTIMATED)
    lowest = lines["eta_ef_star"].min()
    if lowest is None:
        return whole.clear()
    return whole.filter(pl.col("eta_ef").is_in(shared["eta_ef"].to_list()) & (pl.col("eta_ef") >= lowest))


def _same_moment(alignment: pl.DataFrame, estimate: Estimate) -> Claim:
    """Association of the times across seeds within blocks, and equivalence of the typical lag: both."""
    permutation = alignment.row(by_predicate=pl.col("statistic") == PERMUTATION, named=True)
    equivalence = alignment.row(by_predicate=pl.col("statistic") == EQUIVALENCE, named=True)
    n, n_pairs = int(permutation["n_cells"]), int(permutation["n_pairs"])
    if permutation["p_value"] is None or equivalence["p_value"] is None or n < estimate.min_cells:
        return _untestable(
            "C4",
            "alignment",
            f"both events were seen in {n_pairs} pairs of {n} blocks (batch size and eta_ef); at least "
            f"{estimate.min_cells} blocks whose seeds differ are needed; a finer grid of eta_ef near the threshold "
            f"would give them",
            n,
            "blocks",
        )
    low, high, tolerance = permutation["lag_low"], permutation["lag_high"], math.log1p(estimate.lag_tolerance)
    same = permutation["p_value"] <= estimate.alpha and equivalence["p_value"] <= estimate.alpha
    apart = low > tolerance or high < math.log1p(-estimate.lag_tolerance)
    reason = (
        f"Parting comes at {math.exp(equivalence['estimate']):.2f} [{math.exp(low):.2f}, {math.exp(high):.2f}] times "
        f"the step of sharpening; association within blocks p = {permutation['p_value']:.3g}, lag within "
        f"{estimate.lag_tolerance:.0%} p = {equivalence['p_value']:.3g} ({n_pairs} pairs)."
    )
    return Claim(
        "C4",
        _verdict(same, apart),
        reason,
        "alignment",
        n,
        "blocks",
        math.exp(equivalence["estimate"]),
        (math.exp(low), math.exp(high)),
        "step of parting / step of sharpening",
        max(permutation["p_value"], equivalence["p_value"]),
        (PERMUTATION, EQUIVALENCE),
    )


def _deferred(deferral: pl.DataFrame, estimate: Estimate) -> Claim:
    """The paired swap test of every momentum, Holm over momenta; all must agree."""
    rows = deferral.filter((pl.col("stratum") == ALL) & pl.col("p_value").is_not_null()).sort("momentum")
    if rows.is_empty():
        return _untestable("C5", "deferral", "no run of any pair has an abrupt sharpening")
    adjusted = _holm(rows["p_value"].to_list())
    found = list(zip(rows.iter_rows(named=True), adjusted, strict=True))
    later = [r["restricted_mean_sgdm"] - r["restricted_mean_sgd"] for r, _ in found]
    deferred = all(d > 0 and p <= estimate.alpha for d, (_, p) in zip(later, found, strict=True))
    hastened = any(d < 0 and p <= estimate.alpha for d, (_, p) in zip(later, found, strict=True))
    parts = [
        f"mu = {r['momentum']:g}: {r['events_sgd']} of {r['n_sgd']} SGD runs and {r['events_sgdm']} of "
        f"{r['n_sgdm']} SGDM runs sharpen abruptly (p = {p:.3g})"
        for r, p in found
    ]
    top = rows.row(-1, named=True)
    return Claim(
        "C5",
        _verdict(deferred, hastened),
        "; ".join(parts) + ".",
        "deferral",
        int(top["n_sgd"]),
        "pairs per momentum",
        top["hazard_ratio"],
        None if top["ci_low"] is None else (top["ci_low"], top["ci_high"]),
        f"hazard ratio SGDM / SGD at mu = {top['momentum']:g}",
        max(adjusted),
        tuple(f"all, mu = {r['momentum']:g}" for r, _ in found),
    )


def _verdict(supported: bool, contradicted: bool) -> str:
    if contradicted:
        return CONTRADICTED
    return SUPPORTED if supported else INCONCLUSIVE


def _untestable(claim: str, table: str, why: str, n: int = 0, n_unit: str = "cells") -> Claim:
    return Claim(claim, UNTESTABLE, f"Not testable here: {why}.", table, n, n_unit)


def _mean_claim(
    claim: str, verdict: str, what: str, cells: pl.DataFrame, worst: dict[str, Any], p_value: float
) -> Claim:
    """A claim on many cells shows the cell that decides it."""
    return Claim(
        claim,
        verdict,
        f"{what}.",
        "advantage",
        len(cells),
        "cells",
        worst["log_ratio"],
        (worst["ci_low"], worst["ci_high"]),
        "log L_SGD / L_SGDM in the least sure cell",
        p_value,
        tuple(_cell(cell) for cell in cells.iter_rows(named=True)),
    )


def _cell(cell: dict[str, Any]) -> str:
    return f"b = {cell['batch_size']}, eta_ef = {cell['eta_ef']:g}, mu = {cell['momentum']:g}"


def _list(values: pl.Series) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _holm(p_values: Sequence[float]) -> list[float]:
    return [float(p) for p in multipletests(p_values, method="holm")[1]]
