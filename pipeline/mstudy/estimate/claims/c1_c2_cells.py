"""C1 and C2: what holds in the cells below and above the threshold of their line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from mstudy.core.params import Estimate
from mstudy.core.statuses import GridStatus, Replication, Side, Verdict
from mstudy.estimate.claims.at_least import (
    Told,
    UnitWords,
    beyond_either_way,
    bound_units,
    reaches_share,
    told_unit,
    units_frame,
)
from mstudy.estimate.claims.claim import Answer, Claim, Power, verdict_of
from mstudy.estimate.claims.closed_testing import doubtful_by_simes, hommel_h
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.claims.power import (
    equivalence_power,
    power_greater,
    power_of_better,
    power_of_equal,
    root_of_power,
    rows_with_sd,
    rows_with_spread,
    seeds_for_mostly,
    smallest,
)
from mstudy.estimate.claims.small_studies.cells import (
    Question,
    answer_without_placements,
    units_without_placements,
)
from mstudy.estimate.claims.small_studies.granted import granted, short_of_seeds
from mstudy.estimate.claims.small_studies.words import cell_name
from mstudy.estimate.rates.placements import equivalence_level, level_beside_sums
from mstudy.pairs.seed_tests import holm
from mstudy.tables.contracts import PLACEMENTS, THRESHOLDS
from mstudy.tables.table import CELL, LINE

_ALIKE = UnitWords("SGD and SGDM are alike", "cells")
_BETTER = UnitWords("SGDM is better", "cells")
_IN_LEAST_CERTAIN = "in the least sure cell"
_MAX_EFFECT_SDS = 50.0  # up to so many standard deviations an effect is looked for


def judge_below(evidence: Evidence, estimate: Estimate) -> Answer:
    """Judge C1: every cell below must be equivalent (intersection-union); one beyond the margin contradicts (Holm).

    Each is tested at three fifths of alpha: a cell at the margin may come out so high that the threshold seems to lie
    there. It is then placed nowhere, and the others are equivalent.
    """
    cells = _placed_cells(evidence, Side.BELOW, estimate)
    if cells.is_empty():
        return answer_without_placements(_below(estimate), evidence, estimate)
    untestable_lines = _lines_without_cells(evidence, cells, GridStatus.ABOVE_GRID)
    units = below_units(evidence, estimate)
    p_values = units["p_holds"].to_numpy()
    beyond = holm([*cells["superiority_p"], *cells["inferiority_p"]])
    level = equivalence_level(estimate.alpha)
    at_least = bound_units(units, _ALIKE, level, estimate.alpha)
    told = told_unit(cells, p_values, beyond, "surest to differ", estimate.alpha)
    reason = (
        f"{int((p_values <= level).sum())} of {len(cells)} cells below their threshold are equivalent within "
        f"{evidence.margin:g} {evidence.words.within}, each tested at level {level:g}; the {told.which} is "
        f"{cell_name(told.row)}{_names_of_lines(untestable_lines)}."
    )
    # All must reject at that level each: the intersection-union test needs no correction.
    all_equivalent = float(p_values.max()) <= level and untestable_lines.is_empty()
    mostly = reaches_share(at_least, units, len(untestable_lines), estimate)
    verdict = verdict_of(all_equivalent, min(beyond) <= estimate.alpha, mostly)
    return replace(_answer(verdict, reason, cells, told, evidence), at_least=at_least)


def judge_above(evidence: Evidence, estimate: Estimate) -> Answer:
    """Judge C2: every cell above must be superior (intersection-union); one inferior cell contradicts (Holm)."""
    cells = _placed_cells(evidence, Side.ABOVE, estimate)
    if cells.is_empty():
        return answer_without_placements(_above(estimate), evidence, estimate)
    untestable_lines = _lines_without_cells(evidence, cells, GridStatus.BELOW_GRID)
    units = above_units(evidence, estimate)
    p_values = units["p_holds"].to_numpy()
    at_least = bound_units(units, _BETTER, estimate.alpha, estimate.alpha)
    inferior = holm(cells["inferiority_p"].to_list())
    told = told_unit(cells, p_values, inferior, "surest to be worse", estimate.alpha)
    n_better = int((p_values <= estimate.alpha).sum())
    reason = (
        f"SGDM is better by more than {evidence.margin:g} {evidence.words.within} in {n_better} of "
        f"{len(cells)} cells above their threshold; the {told.which} is {cell_name(told.row)}"
        f"{_names_of_lines(untestable_lines)}.{short_of_seeds(cells, evidence.margin, estimate.alpha)}"
    )
    all_superior = float(p_values.max()) <= estimate.alpha and untestable_lines.is_empty()
    mostly = reaches_share(at_least, units, len(untestable_lines), estimate)
    verdict = verdict_of(all_superior, min(inferior) <= estimate.alpha, mostly)
    return replace(_answer(verdict, reason, cells, told, evidence), at_least=at_least)


def _below(estimate: Estimate) -> Question:
    """Return what C1 asks of a cell that no threshold of other seeds places."""
    level = equivalence_level(estimate.alpha)
    return Question("C1", Side.BELOW, _ALIKE, pl.col("equivalence_p"), beyond_either_way(), level)


def _above(estimate: Estimate) -> Question:
    """Return what C2 asks of such a cell."""
    return Question("C2", Side.ABOVE, _BETTER, pl.col("superiority_p"), pl.col("inferiority_p"), estimate.alpha)


def below_units(evidence: Evidence, estimate: Estimate) -> pl.DataFrame:
    """Return the cells that C1 is judged by: equivalent, or beyond the margin either way.

    The spread is pooled where there is a pooled one. Pairs that all but one diverged on both sides leave equivalence
    without a test.
    """
    cells = _placed_cells(evidence, Side.BELOW, estimate)
    if cells.is_empty():
        return units_without_placements(_below(estimate), evidence, estimate)
    units = units_frame("C1", cells, pl.coalesce("pooled_equivalence_p", "equivalence_p"), beyond_either_way())
    return units.with_columns(doubtful=_doubtful(units, estimate))


def _doubtful(units: pl.DataFrame, estimate: Estimate) -> pl.Series:
    """Return how many cells up to each may not be equivalent, by sums over cells or Simes' tests; nulls without sums.

    A cell alone is judged by its own test, and so are all of them together if each passes (intersection-union).
    """
    by_sums, p_values = units["doubtful"], units["p_holds"].to_numpy()
    if by_sums.null_count():
        return pl.Series([None] * len(units), dtype=by_sums.dtype)
    doubted_alone = p_values > equivalence_level(estimate.alpha)
    if not doubted_alone.any():
        return pl.Series(np.zeros(len(units), dtype=np.int64))
    level, sums = level_beside_sums(estimate.alpha), by_sums.to_numpy()
    h = min(hommel_h(p_values, level), int(sums.max()))
    return pl.Series(np.maximum(np.minimum(sums, doubtful_by_simes(p_values, h, level)), doubted_alone))


def above_units(evidence: Evidence, estimate: Estimate) -> pl.DataFrame:
    """Return the cells that C2 is judged by: better or worse by more than the margin."""
    cells = _placed_cells(evidence, Side.ABOVE, estimate)
    if cells.is_empty():
        return units_without_placements(_above(estimate), evidence, estimate)
    return units_frame("C2", cells, pl.col("superiority_p"), pl.col("inferiority_p"))


def below_power(evidence: Evidence, estimate: Estimate) -> Power:
    """Compute the power of C1 from the spread of its least sure cell."""
    cells = rows_with_spread(evidence[PLACEMENTS].filter(side=Side.BELOW), estimate)
    if cells.is_empty():
        return Power("not estimable: no cell lies below a threshold with enough seeds")
    level = equivalence_level(estimate.alpha)
    where = f"{evidence.words.measure} that is still declared equal {_IN_LEAST_CERTAIN}"
    power = equivalence_power(cells, "cells", where, evidence.margin, level, estimate.min_seeds)
    seeds = seeds_for_mostly(cells, power_of_equal(evidence.margin), level, estimate, power.seeds_needed)
    return replace(power, seeds_mostly=seeds)


def above_power(evidence: Evidence, estimate: Estimate) -> Power:
    """Compute the power of C2 from the spread of its least sure cell; all cells count for the seeds that it needs.

    Where SGD diverged at every seed the ratio has no spread, and yet takes five seeds to be shown.
    """
    every = rows_with_sd(evidence[PLACEMENTS].filter(side=Side.ABOVE), estimate)
    if every.is_empty():
        return Power("not estimable: no cell lies above a threshold with enough seeds")
    cells = rows_with_spread(every, estimate)
    worst = (every if cells.is_empty() else cells).sort("superiority_p", descending=True).row(0, named=True)
    sd, n, alpha, margin = worst["sd"], worst["n_seeds"], estimate.alpha, evidence.margin
    excess = worst["log_ratio"] - margin
    of_cell = power_of_better(margin)
    least_power = [worst, *every.join(cells, on=CELL, how="anti").iter_rows(named=True)]
    needed = smallest(lambda k: min(of_cell(row, k, alpha) for row in least_power), estimate.min_seeds)
    return Power(
        n_seeds=n,
        n_units=len(every),
        replicate="cells",
        effect_80=None
        if cells.is_empty()
        else margin + root_of_power(lambda e: power_greater(e, sd, n, alpha), 0.0, _MAX_EFFECT_SDS * sd),
        unit=f"{evidence.words.measure} {_IN_LEAST_CERTAIN}",
        observed=worst["log_ratio"],
        seeds_needed=needed,
        seeds_mostly=seeds_for_mostly(every, of_cell, alpha, estimate, needed),
        note="every cell above must be superior; the least sure one is shown"
        + ("" if excess > 0 else "; its ratio is within the margin, so more seeds would not show it beyond"),
    )


def _placed_cells(evidence: Evidence, side: Side, estimate: Estimate) -> pl.DataFrame:
    """Return the cells placed on that side by the other seeds' threshold, for enough of their seeds."""
    return evidence[PLACEMENTS].filter((pl.col("side") == side) & (pl.col("n_seeds") >= estimate.min_seeds))


def _lines_without_cells(evidence: Evidence, cells: pl.DataFrame, beyond_grid: GridStatus) -> pl.DataFrame:
    """Return the lines that should have cells on this side but have no testable one.

    While there are any, the claim cannot be supported.
    """
    lines = evidence[THRESHOLDS].filter(
        pl.col("status").is_in([GridStatus.ESTIMATED, beyond_grid]),
        pl.col("evidence").ne_missing(Replication.UNREPLICATED),
    )
    return lines.join(cells, on=LINE, how="anti")


def _names_of_lines(untestable_lines: pl.DataFrame) -> str:
    if untestable_lines.is_empty():
        return ""
    names = [f"b = {row['batch_size']}, mu = {row['momentum']:g}" for row in untestable_lines.iter_rows(named=True)]
    return f"; no cell could be placed there for {'; '.join(names)}"


def _answer(verdict: Verdict, reason: str, cells: pl.DataFrame, told: Told, evidence: Evidence) -> Answer:
    """Return the answer, with the numbers of the cell that decides it."""
    cap = ", granted because SGD diverged at every seed" if granted(told.row, evidence.margin) else ""
    return Answer(
        verdict,
        reason,
        n=len(cells),
        n_unit="cells",
        estimate=told.row["log_ratio"],
        ci=(told.row["ci_low"], told.row["ci_high"]),
        unit=f"{evidence.words.symbol} in the {told.name_of('cell')}{cap}",
        p_value=told.p_value,
        rows=tuple(cell_name(cell) for cell in cells.iter_rows(named=True)),
    )


BELOW_THRESHOLD = Claim(
    id="C1",
    statement="Below the threshold, SGD and SGDM train alike.",
    table=PLACEMENTS,
    judge=judge_below,
    power=below_power,
    units=below_units,
)
ABOVE_THRESHOLD = Claim(
    id="C2",
    statement="Above the threshold, SGDM is better.",
    table=PLACEMENTS,
    judge=judge_above,
    power=above_power,
    units=above_units,
)
