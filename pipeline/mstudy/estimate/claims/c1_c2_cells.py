"""C1 and C2: what holds in the cells below and above the threshold of their line."""

from __future__ import annotations

from typing import Any

import polars as pl

from mstudy.core.params import Estimate
from mstudy.estimate.claims.claim import Claim, untestable, verdict_of
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.rates.placements import ABOVE, BELOW
from mstudy.estimate.rates.thresholds import ABOVE_GRID, BELOW_GRID, ESTIMATED
from mstudy.pairs.seed_tests import holm
from mstudy.tables.table import LINE

_PLACING = 0.4  # share of alpha spent on placing: a cell that is not equivalent may by its noise be placed nowhere


def equivalence_level(alpha: float) -> float:
    """The level at which each cell below must be equivalent."""
    return (1 - _PLACING) * alpha


def judge_below(evidence: Evidence, estimate: Estimate) -> Claim:
    """Every cell below must be equivalent (intersection-union); one cell beyond the margin contradicts (Holm).

    Equivalent at three fifths of alpha: a cell at the margin may come out so high that the threshold seems to lie
    there; it is then placed nowhere, and the others are equivalent.
    """
    cells = _placed(evidence, BELOW, estimate)
    if cells.is_empty():
        return untestable("C1", "placements", "no cell with enough seeds lies below an estimated threshold")
    silent = _silent(evidence, cells, ABOVE_GRID)
    # Pairs that all but one diverged on both sides leave equivalence without a test: not shown, p = 1.
    equivalence = cells["equivalence_p"].fill_null(1.0).to_numpy()
    worst = cells.row(int(equivalence.argmax()), named=True)
    beyond = holm([*cells["superiority_p"], *cells["inferiority_p"]])
    level = equivalence_level(estimate.alpha)
    n_equivalent = int((equivalence <= level).sum())
    what = (
        f"{n_equivalent} of {len(cells)} cells below their threshold are equivalent within "
        f"{evidence.margin:g} in log loss; the least sure is {_cell(worst)}{_told(silent)}"
    )
    # All must reject at that level each: the intersection-union test needs no correction.
    shown = float(equivalence.max()) <= level and silent.is_empty()
    verdict = verdict_of(shown, min(beyond) <= estimate.alpha)
    return _mean_claim("C1", verdict, what, cells, worst, float(equivalence.max()))


def judge_above(evidence: Evidence, estimate: Estimate) -> Claim:
    """Every cell above must be superior (intersection-union); one inferior cell contradicts (Holm)."""
    cells = _placed(evidence, ABOVE, estimate)
    if cells.is_empty():
        return untestable("C2", "placements", "no cell with enough seeds lies above an estimated threshold")
    silent = _silent(evidence, cells, BELOW_GRID)
    superiority = cells["superiority_p"].to_numpy()
    worst = cells.row(int(superiority.argmax()), named=True)
    inferior = holm(cells["inferiority_p"].to_list())
    n_superior = int((superiority <= estimate.alpha).sum())
    what = (
        f"SGDM is better by more than {evidence.margin:g} in log loss in {n_superior} of {len(cells)} cells above "
        f"their threshold; the least sure is {_cell(worst)}{_told(silent)}"
    )
    shown = float(superiority.max()) <= estimate.alpha and silent.is_empty()
    verdict = verdict_of(shown, min(inferior) <= estimate.alpha)
    return _mean_claim("C2", verdict, what, cells, worst, float(superiority.max()))


def _placed(evidence: Evidence, side: str, estimate: Estimate) -> pl.DataFrame:
    """Cells placed on that side by the other seeds' threshold, for enough of their seeds."""
    return evidence.placements.filter((pl.col("side") == side) & (pl.col("n_seeds") >= estimate.min_seeds))


def _silent(evidence: Evidence, cells: pl.DataFrame, beyond_grid: str) -> pl.DataFrame:
    """Lines that should have cells on that side and have none with a say: nothing is shown there."""
    lines = evidence.thresholds.filter(pl.col("status").is_in([ESTIMATED, beyond_grid]))
    return lines.join(cells, on=LINE, how="anti")


def _told(silent: pl.DataFrame) -> str:
    if silent.is_empty():
        return ""
    names = [f"b = {row['batch_size']}, mu = {row['momentum']:g}" for row in silent.iter_rows(named=True)]
    return f"; no cell could be placed there for {'; '.join(names)}"


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
