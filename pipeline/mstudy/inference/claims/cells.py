"""C1 and C2: what holds in the cells below and above the threshold of their line."""

from __future__ import annotations

from typing import Any

import polars as pl

from mstudy.inference.claims.claim import Claim, holm, untestable, verdict_of
from mstudy.inference.claims.evidence import Evidence
from mstudy.inference.placements import ABOVE, BELOW
from mstudy.params import Estimate


def judge_below(evidence: Evidence, estimate: Estimate) -> Claim:
    """Every cell below must be equivalent (intersection-union); one cell beyond the margin contradicts (Holm)."""
    cells = _placed(evidence, BELOW, estimate)
    if cells.is_empty():
        return untestable("C1", "placements", "no cell with enough seeds lies below an estimated threshold")
    # Pairs that all but one diverged on both sides leave equivalence without a test: not shown, p = 1.
    equivalence = cells["equivalence_p"].fill_null(1.0).to_numpy()
    worst = cells.row(int(equivalence.argmax()), named=True)
    beyond = holm([*cells["superiority_p"], *cells["inferiority_p"]])
    n_equivalent = int((equivalence <= estimate.alpha).sum())
    what = (
        f"{n_equivalent} of {len(cells)} cells below their threshold are equivalent within "
        f"{evidence.margin:g} in log loss; the least sure is {_cell(worst)}"
    )
    # All must reject at alpha each: the intersection-union test needs no correction.
    verdict = verdict_of(float(equivalence.max()) <= estimate.alpha, min(beyond) <= estimate.alpha)
    return _mean_claim("C1", verdict, what, cells, worst, float(equivalence.max()))


def judge_above(evidence: Evidence, estimate: Estimate) -> Claim:
    """Every cell above must be superior (intersection-union); one inferior cell contradicts (Holm)."""
    cells = _placed(evidence, ABOVE, estimate)
    if cells.is_empty():
        return untestable("C2", "placements", "no cell with enough seeds lies above an estimated threshold")
    superiority = cells["superiority_p"].to_numpy()
    worst = cells.row(int(superiority.argmax()), named=True)
    inferior = holm(cells["inferiority_p"].to_list())
    n_superior = int((superiority <= estimate.alpha).sum())
    what = (
        f"SGDM is better by more than {evidence.margin:g} in log loss in {n_superior} of {len(cells)} cells above "
        f"their threshold; the least sure is {_cell(worst)}"
    )
    verdict = verdict_of(float(superiority.max()) <= estimate.alpha, min(inferior) <= estimate.alpha)
    return _mean_claim("C2", verdict, what, cells, worst, float(superiority.max()))


def _placed(evidence: Evidence, side: str, estimate: Estimate) -> pl.DataFrame:
    """Cells placed on that side by the other seeds' threshold, for enough of their seeds."""
    return evidence.placements.filter((pl.col("side") == side) & (pl.col("n_seeds") >= estimate.min_seeds))


def _mean_claim(
    claim: str, verdict: str, what: str, cells: pl.DataFrame, worst: dict[str, Any], p_value: float
) -> Claim:
    """A claim on many cells shows the cell that decides it."""
    return Claim(
        claim,
        verdict,
        f"{what}.",
        "placements",
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
