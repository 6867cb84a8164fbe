"""At which look a claim is judged, by which seeds and at what level: verdicts of studies that grow seed by seed.

Lines may have different numbers of seeds, since only those grow that are undecided. A claim over units (C1, C2, C6) has
one p-value a unit, and a unit is judged at the look of its own line. Any other claim is one test of all its lines: it
is judged at the last look that all of them have reached, by the seeds of that look.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.optimizers import SGD
from mstudy.core.params import Estimate, Looks
from mstudy.core.statuses import SharpeningStatus, Verdict
from mstudy.estimate.claims.all_claims import judge_claims, list_units, measure_power
from mstudy.estimate.claims.evidence import Evidence
from mstudy.pairs.pairing import main_runs
from mstudy.tables.contracts import ADVANTAGE, BEST, CLAIM_UNITS, PLACEMENTS, POWER
from mstudy.tables.table import LINE, Table

OVER_UNITS = frozenset({"C1", "C2", "C6"})
OVER_RATES = frozenset({"C3", "C7"})
OVER_EVENTS = frozenset({"C4", "C5", "C8"})
TESTED_BY_LINE = (PLACEMENTS, BEST, ADVANTAGE)
_P_VALUES = ("equivalence_p", "pooled_equivalence_p", "superiority_p", "inferiority_p")
_RESAMPLES_PER_LEVEL = 4  # so many permutations at least for each 1 / level: else no p-value could be as small
_MAX_RESAMPLES = 50_000


@dataclass(frozen=True)
class Scope:
    """The seeds by which a claim is judged, and the parameters with the level in force.

    shown: the parameters of the tables, whose intervals are at alpha whatever the level is. looks: None where there are
    none: then all seeds count, and nothing is said of them.
    """

    params: Estimate
    shown: Estimate
    looks: Looks | None = None
    look: int = 0

    def keep(self, runs: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of these seeds. runs: any table with a study and a seed."""
        if self.looks is None:
            return runs
        return runs.filter(~_is_of(self.looks) | (_place_of_seed(self.looks) < self.looks.seeds[self.look]))

    @property
    def note(self) -> str:
        """What a reason adds."""
        if self.looks is None:
            return ""
        seeds, last = self.looks.seeds[self.look], self.looks.seeds[-1]
        return f" Look of {seeds} of at most {last} seeds, at level {self.params.alpha:.2g}."


@dataclass(frozen=True)
class Scopes:
    """What each group of claims is judged by. lines: the look of each line (tables.LINE, `look`), None without looks.

    rates: for claims over the rates of all lines; events: for those over the lines in which a run sharpens.
    """

    looks: Looks | None
    lines: pl.DataFrame
    params: Estimate
    rates: Scope
    events: Scope

    @classmethod
    def of(cls, looks: Looks | None, runs: pl.DataFrame, events: pl.DataFrame, params: Estimate) -> Scopes:
        """Take the looks that the runs have reached. events: tables.SHARPENINGS by the definition that decides."""
        lines = line_looks(runs, looks)
        whole = Scope(params, params)
        if looks is None or lines.is_empty():
            return cls(None, lines, params, whole, whole)
        eventful = eventful_lines(lines, runs, events)
        of_events = lines if eventful.is_empty() else eventful
        rates = _scope_at(looks, _least(lines), params)
        return cls(looks, lines, params, rates, _scope_at(looks, _least(of_events), params))

    def by_own_look(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a table of tests with each p-value divided by its line's share of alpha.

        At most x of such p-values are x or less, whenever a line stops growing: the shares of all looks are 1 together.
        """
        if self.looks is None:
            return frame
        alpha, looks = self.params.alpha, self.looks
        shares = pl.Series("share", [looks.level(k, alpha) / alpha for k in range(len(looks.seeds))])
        share = self.lines.with_columns(share=shares.gather(self.lines["look"])).drop("look")
        tested = [name for name in _P_VALUES if name in frame.columns]
        joined = frame.join(share, on=list(LINE), how="left", nulls_equal=True, maintain_order="left")
        enlarged = (pl.col(name) / pl.col("share").fill_null(1.0) for name in tested)
        # Sums over cells have no look of their own: the cells of their lines may stand at several.
        without_sums = {"doubtful": pl.lit(None, dtype=pl.Int64)} if "doubtful" in frame.columns else {}
        tests = [each.clip(upper_bound=1.0) for each in enlarged]
        return joined.with_columns(*tests, **without_sums).drop("share")

    @property
    def note_of_units(self) -> str:
        """What the reason of a claim over units adds: how many lines have how many seeds."""
        if self.looks is None:
            return ""
        counts = self.lines.group_by("look").len().sort("look").iter_rows()
        parts = [
            f"{n} with {self.looks.seeds[k]} seeds at level {self.looks.level(k, self.params.alpha):.2g}"
            for k, n in counts
        ]
        told = f"{', '.join(parts)} (p-values are enlarged to be held against {self.params.alpha:g})"
        return f" Each line is judged at its own look: {told}."


def line_looks(runs: pl.DataFrame, looks: Looks | None) -> pl.DataFrame:
    """Return the look that each line of a study with looks has reached (tables.LINE, `look`)."""
    none = pl.DataFrame(schema={**{key: runs.schema[key] for key in LINE}, "look": pl.Int64()})
    if looks is None:
        return none
    own = main_runs(runs).filter(_is_of(looks), pl.col("optimizer") != SGD)
    lines = own.group_by(LINE).agg(_place_of_seed(looks).max().alias("seed")).sort(LINE)
    found = [looks.index(seed + 1) for seed in lines["seed"]]
    return lines.drop("seed").with_columns(look=pl.Series(found, dtype=pl.Int64())) if found else none


def eventful_lines(lines: pl.DataFrame, runs: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Return the lines in which a run of SGD or of SGDM sharpens. events: tables.SHARPENINGS that decide."""
    sharpened = events.filter(pl.col("status") == SharpeningStatus.DETECTED).select("run_id")
    own = main_runs(runs).join(sharpened, on="run_id", how="semi")
    of_sgd = [key for key in LINE if key not in ("optimizer", "momentum")]
    by_sgd = lines.join(own.filter(pl.col("optimizer") == SGD), on=of_sgd, how="semi", nulls_equal=True)
    by_sgdm = lines.join(own, on=list(LINE), how="semi", nulls_equal=True)
    return pl.concat([by_sgd, by_sgdm]).unique().sort(LINE)


def _is_of(looks: Looks) -> pl.Expr:
    return pl.col("study").is_in(list(looks.studies))


def _place_of_seed(looks: Looks) -> pl.Expr:
    """Return how many seeds of its study come before the seed of a row."""
    first = dict(zip(looks.studies, looks.first_seeds, strict=True))
    return pl.col("seed") - pl.col("study").replace_strict(first, default=0, return_dtype=pl.Int64)


def _least(lines: pl.DataFrame) -> int:
    return int(lines["look"].to_numpy().min())


def _scope_at(looks: Looks, look: int, params: Estimate) -> Scope:
    level = looks.level(look, params.alpha)
    resamples = max(params.resamples, min(math.ceil(_RESAMPLES_PER_LEVEL / level), _MAX_RESAMPLES))
    shown = replace(params, resamples=resamples)
    return Scope(replace(shown, alpha=level), shown, looks, look)


@dataclass(frozen=True)
class Known:
    """All tables by their names, as the claims are judged by them.

    shown: with intervals at alpha, and those of earlier stages cut to the seeds of the claims over events. at_level:
    those whose intervals decide, at the levels of the looks. whole: those of earlier stages, of all seeds.
    """

    margin: float
    shown: Mapping[str, pl.DataFrame]
    at_level: Mapping[str, pl.DataFrame]
    whole: Mapping[str, pl.DataFrame]
    scale: Scale = Scale.LOG

    def evidence(self, frames: Mapping[str, pl.DataFrame]) -> Evidence:
        """Return some tables as evidence."""
        return Evidence(self.margin, frames, self.scale)

    def of_lines(self, scopes: Scopes) -> Evidence:
        """Return the evidence of the claims over units."""
        frames = {**self.shown, **self.whole}
        return self.evidence(frames | {t.name: scopes.by_own_look(frames[t.name]) for t in TESTED_BY_LINE})


def judge_at_looks(scopes: Scopes, known: Known) -> tuple[list[dict[str, Any]], pl.DataFrame, pl.DataFrame]:
    """Return the entries of claims.json, tables.CLAIM_UNITS and tables.POWER, which is that of tests at alpha."""
    shown, at_level = known.evidence(known.shown), known.evidence({**known.shown, **known.at_level})
    lines = known.of_lines(scopes)
    groups = (
        (OVER_UNITS, lines, lines, Scope(scopes.params, scopes.params), scopes.note_of_units),
        (OVER_RATES, at_level, shown, scopes.rates, scopes.rates.note),
        (OVER_EVENTS, at_level, shown, scopes.events, scopes.events.note),
    )
    entries: list[dict[str, Any]] = []
    units, power = [CLAIM_UNITS.frame([])], [POWER.frame([])]
    for ids, judged, told, scope, note in groups:
        found = judge_claims(judged, scope.params, ids)
        if scope.looks is not None:
            found = _unless_refuted(found, judge_claims(told, scope.shown, ids))
        found = [entry | {"reason": entry["reason"] + note} for entry in found]
        entries += found
        units.append(list_units(judged, scope.params, ids))
        power.append(measure_power(told, found, scope.shown, ids))
    return sorted(entries, key=lambda entry: str(entry["id"])), pl.concat(units), pl.concat(power)


def _unless_refuted(at_level: list[dict[str, Any]], at_alpha: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries at the level of a look; what alpha itself contradicts is not supported.

    A claim that asks for the absence of a misfit would else pass the more easily the smaller the level.
    """
    pairs = zip(at_level, at_alpha, strict=True)
    holds = (Verdict.SUPPORTED, Verdict.MOSTLY)
    return [
        one | {"verdict": Verdict.INCONCLUSIVE}
        if one["verdict"] in holds and other["verdict"] == Verdict.CONTRADICTED
        else one
        for one, other in pairs
    ]


def tables_of(scope: Scope, observed: Mapping[Table, pl.DataFrame], runs: pl.DataFrame) -> dict[Table, pl.DataFrame]:
    """Return the tables of earlier stages by the seeds of a scope. runs: tables.RUNS, whole."""
    if scope.looks is None:
        return dict(observed)
    kept = scope.keep(runs).select("run_id")
    return {table: _cut(frame, scope, kept) for table, frame in observed.items()}


def _cut(frame: pl.DataFrame, scope: Scope, kept: pl.DataFrame) -> pl.DataFrame:
    if "run_id" in frame.columns:
        return frame.join(kept, on="run_id", how="semi", maintain_order="left")
    return scope.keep(frame) if "seed" in frame.columns else frame
