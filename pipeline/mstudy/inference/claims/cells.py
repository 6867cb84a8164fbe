"""C1 and C2: what holds in the cells below and above the threshold of their line."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from mstudy.inference.claims.claim import Claim, holm, untestable, verdict_of
from mstudy.inference.claims.evidence import Evidence
from mstudy.inference.thresholds import ABOVE_GRID, BELOW_GRID
from mstudy.params import Estimate
from mstudy.tables import LINE


def judge_below(evidence: Evidence, estimate: Estimate) -> Claim:
    """Every cell below must be equivalent (intersection-union); one cell beyond the margin contradicts (Holm)."""
    cells = _place_cells(evidence).filter((pl.col("side") == "below") & (pl.col("n_seeds") >= estimate.min_seeds))
    if cells.is_empty():
        return untestable("C1", "advantage", "no cell with enough seeds lies below an estimated threshold")
    equivalence = cells["equivalence_p"].to_numpy()
    worst = cells.row(int(equivalence.argmax()), named=True)
    beyond = holm([*cells["superiority_p"], *cells["inferiority_p"]])
    n_equivalent = int((equivalence <= estimate.alpha).sum())
    what = (
        f"{n_equivalent} of {len(cells)} cells below their threshold are equivalent within "
        f"{estimate.margin:g} in log loss; the least sure is {_cell(worst)}"
    )
    verdict = verdict_of(float(equivalence.max()) <= estimate.alpha, min(beyond) <= estimate.alpha)
    return _mean_claim("C1", verdict, what, cells, worst, float(equivalence.max()))


def judge_above(evidence: Evidence, estimate: Estimate) -> Claim:
    """Every cell above must be superior (intersection-union); one inferior cell contradicts (Holm)."""
    cells = _place_cells(evidence).filter((pl.col("side") == "above") & (pl.col("n_seeds") >= estimate.min_seeds))
    if cells.is_empty():
        return untestable("C2", "advantage", "no cell with enough seeds lies above an estimated threshold")
    superiority = cells["superiority_p"].to_numpy()
    worst = cells.row(int(superiority.argmax()), named=True)
    inferior = holm(cells["inferiority_p"].to_list())
    n_superior = int((superiority <= estimate.alpha).sum())
    what = (
        f"SGDM is better by more than {estimate.margin:g} in log loss in {n_superior} of {len(cells)} cells above "
        f"their threshold; the least sure is {_cell(worst)}"
    )
    # All must reject at alpha each: the intersection-union test needs no correction.
    verdict = verdict_of(float(superiority.max()) <= estimate.alpha, min(inferior) <= estimate.alpha)
    return _mean_claim("C2", verdict, what, cells, worst, float(superiority.max()))


def _place_cells(evidence: Evidence) -> pl.DataFrame:
    """Cells that compare anything, with `side` below or above the interval of their line's threshold, else null."""
    lines = evidence.thresholds.select(*LINE, "status", "ci_low", "ci_high")
    low = pl.when(pl.col("status") == ABOVE_GRID).then(math.inf).otherwise(pl.col("ci_low_line"))
    high = pl.when(pl.col("status") == BELOW_GRID).then(-math.inf).otherwise(pl.col("ci_high_line"))
    side = pl.when(pl.col("eta_ef") < low).then(pl.lit("below")).when(pl.col("eta_ef") > high).then(pl.lit("above"))
    usable = evidence.advantage.filter(pl.col("superiority_p").is_not_null())
    return usable.join(lines, on=LINE, suffix="_line").with_columns(side.alias("side"))


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
