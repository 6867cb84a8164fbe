"""From an analysis to what more seeds could settle: claims that are undecided, and the lines that they rest on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from mstudy.analysis_result import AnalysisResult
from mstudy.core.params import Looks
from mstudy.core.statuses import EventDefinition, GridStatus, Verdict
from mstudy.estimate.looks import OVER_EVENTS, OVER_RATES, OVER_UNITS, eventful_lines, line_looks
from mstudy.estimate.rates.placements import equivalence_level
from mstudy.pairs.deciding_events import deciding_events
from mstudy.tables.contracts import CLAIM_UNITS, INTERVENTIONS, RUNS, SHARPENINGS, THRESHOLDS
from mstudy.tables.table import LINE
from mstudy.train.sweep.settled import Line

_UNDECIDED = (Verdict.INCONCLUSIVE, Verdict.UNTESTABLE, Verdict.UNCLEAR)
BEST_RATES, INTERVENTION = "C6", "C8"
# A threshold of which a claim should have cells, though none may have a say.
_SIDES = {
    "C1": (GridStatus.ESTIMATED, GridStatus.ABOVE_GRID),
    "C2": (GridStatus.ESTIMATED, GridStatus.BELOW_GRID),
    BEST_RATES: (),
}
SETTLED_BY_SEEDS = tuple(sorted(OVER_UNITS | OVER_EVENTS))  # the units of the others are batch sizes and limits


@dataclass(frozen=True)
class Analysed:
    """An analysis of the runs at hand, and the look that each line of one study has reached by them."""

    result: AnalysisResult
    study: str
    looks: Looks

    def undecided(self, asked: Collection[str]) -> list[str]:
        """Return which of these claims have no verdict yet."""
        return [name for name, claim in self.result.claims.items() if name in asked and claim.verdict in _UNDECIDED]

    def next_seeds(self, claims: Iterable[str]) -> dict[Line, int]:
        """Return the seeds of the next look for each line that these claims wait for; none is beyond the last look."""
        wanted: dict[Line, int] = {}
        for claim in claims:
            for line, look in self._next_looks(claim).items():
                wanted[line] = max(look, wanted.get(line, 0))
        return {line: self.looks.seeds[look] for line, look in wanted.items() if look < len(self.looks.seeds)}

    def _next_looks(self, claim: str) -> Mapping[Line, int]:
        """Return the next look of each line: its own, or that of all lines together where the claim is one test."""
        if claim in OVER_UNITS:
            reached = _by_line(self._own(self._lines()))
            return {line: reached[line] + 1 for line in self._unsure_lines(claim) if line in reached}
        lines = self._lines() if claim in OVER_RATES else self._lines_with_events()
        if lines.is_empty() or (claim == INTERVENTION and self._own(self.result[INTERVENTIONS.name]).is_empty()):
            return {}
        next_look = int(lines["look"].to_numpy().min()) + 1
        return {line: next_look for line, look in _by_line(self._own(lines)).items() if look < next_look}

    def _lines(self) -> pl.DataFrame:
        """Return the look of each line of every study that has looks."""
        return line_looks(self.result[RUNS.name], self.looks)

    def _lines_with_events(self) -> pl.DataFrame:
        decides = EventDefinition(self.result.params.detect.decides)
        events = deciding_events(self.result[SHARPENINGS.name], decides)
        return eventful_lines(self._lines(), self.result[RUNS.name], events)

    def _own(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(pl.col("study") == self.study)

    def _unsure_lines(self, claim: str) -> set[Line]:
        """Return the lines with a unit that is not sure, or that should have a unit and have none."""
        alpha = self.result.params.estimate.alpha
        level = equivalence_level(alpha) if claim == "C1" else alpha
        units = self._own(self.result[CLAIM_UNITS.name]).filter(pl.col("claim") == claim)
        if units.is_empty():  # of C6 because its bests lie at the ends of the grid, which seeds do not move
            return set() if claim == BEST_RATES else set(_by_line(self._own(self._lines())))
        thresholds = self._own(self.result[THRESHOLDS.name]).filter(pl.col("status").is_in(list(_SIDES[claim])))
        without = thresholds.join(units, on=list(LINE), how="anti", nulls_equal=True)
        unsure = units.filter(pl.col("p_holds") > level)
        return {line for rows in (unsure, without) for line in rows.select("batch_size", "momentum").iter_rows()}


def _by_line(lines: pl.DataFrame) -> dict[Line, int]:
    return {(b, mu): look for b, mu, look in lines.select("batch_size", "momentum", "look").iter_rows()}
