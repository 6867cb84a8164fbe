"""C1 and C2 where no cell is placed by the threshold of other seeds: what is known, then what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from mstudy.core.params import Estimate
from mstudy.core.statuses import GridStatus, Replication, Side, Verdict
from mstudy.estimate.claims.at_least import AtLeast, UnitWords, bound_units, units_frame
from mstudy.estimate.claims.claim import Answer, untestable
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.claims.small_studies.words import (
    bracket_sentence,
    cell_name,
    cells_sentence,
    single_seeds_sentence,
    threshold_sentence,
)
from mstudy.pairs.seed_tests import holm
from mstudy.tables.contracts import ADVANTAGE, THRESHOLDS, UNREPLICATED_CELLS
from mstudy.tables.table import LINE

_MAJORITY = 0.5  # of the cells: near the threshold its own bend counts as noise, so a few are never sure


@dataclass(frozen=True)
class Question:
    """What a claim asks of the cells on one side of the threshold. holds, contradicts: p-values, of a cell's columns.

    level: at which it is asked of one cell.
    """

    claim: str
    side: Side
    words: UnitWords
    holds: pl.Expr
    contradicts: pl.Expr
    level: float

    def units(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Return the cells as tables.CLAIM_UNITS."""
        return units_frame(self.claim, cells, self.holds, self.contradicts)


def answer_without_placements(question: Question, evidence: Evidence, estimate: Estimate) -> Answer:
    """Answer from cells of one seed if there are any on this side, else cell by cell."""
    cells = _over_rates_cells(question, evidence)
    if len(cells):
        return _over_rates(question, cells, evidence, estimate)
    return _cell_by_cell(question, evidence, estimate)


def units_without_placements(question: Question, evidence: Evidence, estimate: Estimate) -> pl.DataFrame:
    """Return the cells on which that answer rests, as tables.CLAIM_UNITS; none where it rests on no cell."""
    cells = _over_rates_cells(question, evidence)
    return question.units(cells if len(cells) else _tested_cells(evidence, estimate))


def _over_rates_cells(question: Question, evidence: Evidence) -> pl.DataFrame:
    """Return the cells of one seed on the side of the question."""
    return evidence[UNREPLICATED_CELLS].filter(pl.col("side") == question.side)


def _tested_cells(evidence: Evidence, estimate: Estimate) -> pl.DataFrame:
    """Return the cells that their own seeds test, on whichever side of a threshold they lie."""
    return evidence[ADVANTAGE].filter(pl.col("n_seeds") >= estimate.min_seeds, pl.col("ci_low").is_not_null())


def _over_rates(question: Question, cells: pl.DataFrame, evidence: Evidence, estimate: Estimate) -> Answer:
    """Answer from the noise between learning rates: `agrees`, `disagrees` or `unclear`, never `supported`."""
    units = question.units(cells)
    at_least = bound_units(units, question.words, question.level, estimate.alpha)
    assert at_least is not None  # there are cells
    thresholds = evidence[THRESHOLDS].filter(pl.col("evidence") == Replication.UNREPLICATED)
    n_shown = int((units["p_holds"] <= question.level).sum())
    reason = (
        f"Without enough seeds, each cell is held against the noise between neighbouring learning rates. "
        f"{question.words.holds} in {n_shown} of {len(cells)} cells {question.side} the threshold. "
        f"{threshold_sentence(thresholds)}For a verdict, each cell needs at least {estimate.min_seeds} seeds."
    )
    verdict = _verdict_over_rates(at_least, units, estimate)
    return Answer(verdict, reason, at_least=at_least, evidence=Replication.UNREPLICATED, **_numbers(cells, units))


def _verdict_over_rates(at_least: AtLeast, units: pl.DataFrame, estimate: Estimate) -> Verdict:
    """Say what the cells are for: surely most of them, and none surely against (Holm)."""
    if min(holm(units["p_contradicts"].to_list())) <= estimate.alpha:
        return Verdict.DISAGREES
    return Verdict.AGREES if at_least.holds.k > _MAJORITY * at_least.holds.m else Verdict.UNCLEAR


def _cell_by_cell(question: Question, evidence: Evidence, estimate: Estimate) -> Answer:
    """Answer with every cell's own test. Which side of a threshold a cell lies on is not known."""
    cells, thresholds = _tested_cells(evidence, estimate), evidence[THRESHOLDS]
    bracket = bracket_sentence(thresholds)
    missing = _missing(question.side, thresholds, estimate)
    if cells.is_empty():
        ratios = single_seeds_sentence(evidence[ADVANTAGE], estimate.min_seeds, evidence.words)
        return _without_cells(threshold_sentence(thresholds), bracket, ratios, missing, question.side)
    units = question.units(cells)
    at_least = bound_units(units, question.words, question.level, estimate.alpha)
    assert at_least is not None  # there are cells
    told = cells_sentence(cells, evidence, question.level, estimate.alpha)
    reason = f"{told} {bracket}What is missing for a verdict: {missing}."
    few_rates = (thresholds["status"] == GridStatus.INSUFFICIENT).any()
    verdict = Verdict.INCONCLUSIVE if few_rates else Verdict.UNTESTABLE
    return Answer(verdict, reason, at_least=at_least, **_numbers(cells, units))


def _without_cells(threshold: str, bracket: str, ratios: str, missing: str, side: Side) -> Answer:
    """Answer where no cell can be tested: `unclear` where something is known of the threshold.

    threshold, bracket, ratios: sentences on those found without seeds, on where SGD ceases to train, and on single
    seeds; each is empty where there is nothing to tell.
    """
    if threshold:
        missing = f"a cell that lies {side} all of its interval"
    if threshold or bracket:
        reason = f"{threshold}{bracket}{'' if threshold else ratios}What is missing for a verdict: {missing}."
        return Answer(Verdict.UNCLEAR, reason, 0, "cells", evidence=Replication.UNREPLICATED)
    return untestable(missing, 0, "cells", ratios)


def _missing(side: Side, thresholds: pl.DataFrame, estimate: Estimate) -> str:
    """Say what the design lacks for a cell on this side."""
    statuses = set(thresholds["status"])
    if statuses == {GridStatus.BELOW_GRID} and side == Side.BELOW:
        return "a learning rate below the threshold: SGDM is better at the lowest one tried"
    if statuses == {GridStatus.ABOVE_GRID} and side == Side.ABOVE:
        return "a learning rate above the threshold: SGDM is better at none that was tried"
    return (
        f"no cell lies {side} an estimated threshold with enough seeds; a threshold takes four learning rates of a "
        f"batch size and momentum, and {estimate.min_seeds} seeds of each"
    )


def _numbers(cells: pl.DataFrame, units: pl.DataFrame) -> dict[str, Any]:
    """Return the numbers of an answer that rests on these cells: those of the least sure one."""
    keys = [*LINE, "eta_ef"]
    worst = cells.join(units.select(*keys, "p_holds"), on=keys).sort("p_holds", *keys).row(-1, named=True)
    return {
        "n": len(cells),
        "n_unit": "cells",
        "estimate": worst["log_ratio"],
        "ci": (worst["ci_low"], worst["ci_high"]),
        "unit": "log L_SGD / L_SGDM in the least sure cell",
        "p_value": float(worst["p_holds"]),
        "rows": tuple(cell_name(cell) for cell in cells.iter_rows(named=True)),
    }
