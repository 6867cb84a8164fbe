"""All that differs between two analyses, for readers and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstudy.diff.change import Change, changes
from mstudy.diff.events import event_changes
from mstudy.diff.reasons import Reasons, all_reasons, reasons_for
from mstudy.diff.tables import named_claims, named_partings, named_thresholds
from mstudy.report.words import count
from mstudy.tables.contracts import PARTINGS, RUNS, SHARPENING_EVENTS, THRESHOLDS
from mstudy.tables.stamp import Finished, read_finished
from mstudy.tables.table import BLOCK, CELL, CLAIMS, LINE

_MOST = 20  # changes of a part that are printed
# The columns that are read, so that analyses of two versions can be compared.
_RUN = (*BLOCK, "optimizer", "momentum", "seed", "run_id")
_TIME = ("step", "step_low", "step_high")
_PAIR = (*CELL, "seed", "sgd_run_id", "sgdm_run_id", "status", *_TIME)
_LINE = (*LINE, "status", "evidence", "eta_ef_star", "ci_low", "ci_high")
_EVENT = ("run_id", "kind", *_TIME)


@dataclass(frozen=True)
class Part:
    """Results of one kind. n: of how many, in either analysis. reasons: what may have made the changes."""

    name: str
    n: int
    changes: list[Change]
    reasons: Reasons

    def as_dict(self) -> dict[str, Any]:
        """Return the part for JSON."""
        return {"n": self.n, "reasons": self.reasons.as_dict(), "changes": [each.as_dict() for each in self.changes]}


@dataclass(frozen=True)
class Difference:
    """n_runs: in A alone, in both, in B alone."""

    n_runs: tuple[int, int, int]
    reasons: Reasons
    parts: list[Part]

    @property
    def has_changes(self) -> bool:
        """Whether any result has changed."""
        return any(part.changes for part in self.parts)

    def as_dict(self) -> dict[str, Any]:
        """Return the difference for JSON."""
        runs = dict(zip(("a_alone", "both", "b_alone"), self.n_runs, strict=True))
        parts = {part.name: part.as_dict() for part in self.parts}
        return {"schema": 1, "changed": self.has_changes, "runs": runs, "reasons": self.reasons.as_dict()} | parts

    def as_text(self) -> str:
        """Return the difference in lines."""
        a, both, b = self.n_runs
        head = f"made of: {self.reasons}", f"runs: {both:,} in both, {a:,} in A alone, {b:,} in B alone"
        return "\n".join([*head, *(line for part in self.parts for line in _lines(part))])


def diff(out_a: Path, out_b: Path) -> Difference:
    """Compare two finished analyses. Raises LogError where either is not one whole analysis."""
    a, b = read_finished(out_a), read_finished(out_b)
    runs = a.columns(RUNS, _RUN), b.columns(RUNS, _RUN)
    both = len(runs[0].join(runs[1], on="run_id", how="semi"))
    return Difference((len(runs[0]) - both, both, len(runs[1]) - both), all_reasons(a, b), list(_parts(a, b)))


def _parts(a: Finished, b: Finished) -> Iterator[Part]:
    claims = [named_claims(each.json(CLAIMS)) for each in (a, b)]
    yield Part("verdicts", len({*claims[0], *claims[1]}), changes(*claims), reasons_for("estimate", a, b))
    lines = [named_thresholds(each.columns(THRESHOLDS, _LINE)) for each in (a, b)]
    yield Part("thresholds", len({*lines[0], *lines[1]}), changes(*lines), reasons_for("estimate", a, b))
    wanted = (RUNS, _RUN), (SHARPENING_EVENTS, _EVENT)
    runs, events = ((a.columns(table, names), b.columns(table, names)) for table, names in wanted)
    n_events = max(len(each) for each in events)
    yield Part("events", n_events, event_changes(runs, events), reasons_for("detect", a, b))
    pairs = [named_partings(each.columns(PARTINGS, _PAIR)) for each in (a, b)]
    shared = [{name: side[name] for name in side if name in other} for side, other in (pairs, pairs[::-1])]
    yield Part("partings", len(shared[0]), changes(*shared), reasons_for("compare", a, b))


def _lines(part: Part) -> Iterator[str]:
    if not part.changes:
        yield f"{part.name}: none of {part.n:,} has changed beyond its interval"
        return
    yield f"{part.name}: {count(len(part.changes), 'change')} among {part.n:,}; what differs: {part.reasons}"
    yield from (f"  {change}" for change in part.changes[:_MOST])
    if len(part.changes) > _MOST:
        yield f"  and {len(part.changes) - _MOST:,} more, which --json lists"
