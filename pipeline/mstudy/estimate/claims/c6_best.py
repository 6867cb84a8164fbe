"""C6: whether the best tuned SGD equals the best tuned SGDM."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from mstudy.core.params import Estimate
from mstudy.core.statuses import BestStatus
from mstudy.estimate.claims.at_least import (
    UnitWords,
    beyond_either_way,
    bound_units,
    reaches_share,
    units_frame,
)
from mstudy.estimate.claims.claim import Answer, Claim, Power, verdict_of
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.claims.power import (
    equivalence_power,
    power_of_equal,
    rows_with_spread,
    seeds_for_mostly,
)
from mstudy.estimate.claims.small_studies.best import answer_without_lines
from mstudy.estimate.claims.small_studies.words import momentum_name
from mstudy.pairs.seed_tests import holm
from mstudy.tables.contracts import BEST

_EQUAL = UnitWords("The best SGD and the best SGDM are equal", "lines")


def judge_best(evidence: Evidence, estimate: Estimate) -> Answer:
    """Judge C6: every line must be equivalent (intersection-union); one beyond the margin contradicts (Holm)."""
    lines = _compared_lines(evidence)
    if lines.is_empty():
        return answer_without_lines(evidence, estimate)
    n_edge = len(evidence[BEST].filter(pl.col("status") == BestStatus.AT_EDGE))
    units = best_units(evidence, estimate)
    at_least = bound_units(units, _EQUAL, estimate.alpha, estimate.alpha)
    p_values = units["p_holds"].to_numpy()
    beyond = holm([*lines["superiority_p"], *lines["inferiority_p"]])
    contradicted = min(beyond) <= estimate.alpha
    # What decides is told: the surest line beyond the margin, or the least sure to be within it.
    place = int(np.argmin(beyond)) % len(lines) if contradicted else int(p_values.argmax())
    told, which = lines.row(place, named=True), "surest to differ" if contradicted else "least sure"
    n_equivalent = int((p_values <= estimate.alpha).sum())
    left_out = f", {n_edge} lines whose best lies at an end of the grid left out" if n_edge else ""
    reason = (
        f"{n_equivalent} of {len(lines)} lines (batch size and momentum) are equivalent within {evidence.margin:g} "
        f"{evidence.words.within} at their best eta_ef{left_out}; the {which} is {_line_name(told)}: "
        f"{told['log_ratio']:+.3f} [{told['ci_low']:+.3f}, {told['ci_high']:+.3f}]."
    )
    return Answer(
        verdict_of(
            float(p_values.max()) <= estimate.alpha,
            contradicted,
            reaches_share(at_least, units, 0, estimate),
        ),
        reason,
        n=len(lines),
        n_unit="lines",
        estimate=told["log_ratio"],
        ci=(told["ci_low"], told["ci_high"]),
        unit=f"{evidence.words.symbol}, each at its best, in the line that is {which}",
        p_value=min(beyond) if contradicted else float(p_values.max()),
        rows=tuple(_line_name(line) for line in lines.iter_rows(named=True)),
        at_least=at_least,
    )


def best_units(evidence: Evidence, estimate: Estimate) -> pl.DataFrame:
    """Return the lines of C6: equal at their bests, or apart by more than the margin either way."""
    return units_frame("C6", _compared_lines(evidence), pl.col("equivalence_p"), beyond_either_way())


def best_power(evidence: Evidence, estimate: Estimate) -> Power:
    """Compute the power of C6 from the spread of its least sure line."""
    lines = rows_with_spread(evidence[BEST].filter(status=BestStatus.COMPARED), estimate)
    if lines.is_empty():
        return Power("not estimable: no line has both its bests inside the grid")
    alpha, margin = estimate.alpha, evidence.margin
    what = f"{evidence.words.measure} that is still declared equal in the least sure line"
    power = equivalence_power(lines, "lines", what, margin, alpha, estimate.min_seeds)
    seeds = seeds_for_mostly(lines, power_of_equal(margin), alpha, estimate, power.seeds_needed)
    return replace(power, seeds_mostly=seeds)


def _compared_lines(evidence: Evidence) -> pl.DataFrame:
    return evidence[BEST].filter(pl.col("status") == BestStatus.COMPARED)


def _line_name(line: dict[str, Any]) -> str:
    return f"b = {line['batch_size']}, {momentum_name(line)}"


CLAIM = Claim(
    id="C6",
    statement="The best tuned SGD equals the best tuned SGDM.",
    table=BEST,
    judge=judge_best,
    power=best_power,
    units=best_units,
)
