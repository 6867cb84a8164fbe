"""What a claim is: a question, its answer, and what the design could have shown.

Each claim is one family of tests, with Holm's correction inside it. A verdict rests on pooled or joint statistics,
never on the best of many. `untestable` says what is missing. `inconclusive` says that the data allow both. A claim over
units (cells, lines, blocks) that does not hold in every one may hold in most: `mostly`, by the bound of `at_least`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, assert_never

import polars as pl

from mstudy.core.params import Estimate
from mstudy.core.statuses import Replication, Verdict
from mstudy.estimate.claims.at_least import AtLeast
from mstudy.estimate.claims.evidence import Evidence
from mstudy.pairs.pairing import main_runs
from mstudy.tables.contracts import RUNS
from mstudy.tables.table import CELL, Table


@dataclass(frozen=True)
class Answer:
    """A verdict and what it rests on. estimate, ci: in `unit`; n: counts `n_unit`; rows: names of rows of the table.

    at_least: in how many units the claim surely holds; None for a claim that is not over units. evidence: whether it
    rests on seeds; without them a verdict is `agrees`, `disagrees` or `unclear`.
    """

    verdict: Verdict
    reason: str
    n: int
    n_unit: str
    estimate: float | None = None
    ci: tuple[float, float] | None = None
    unit: str = ""
    p_value: float | None = None
    rows: tuple[str, ...] = ()
    at_least: AtLeast | None = None
    evidence: Replication = Replication.REPLICATED


@dataclass(frozen=True)
class Power:
    """What the design could have shown, and what would settle the claim: a row of tables.POWER without its claim.

    note: why a number is absent, or how to read the numbers.
    """

    note: str
    n_seeds: int | None = None
    n_units: int | None = None
    replicate: str | None = None
    effect_80: float | None = None
    unit: str | None = None
    observed: float | None = None
    seeds_needed: int | None = None
    units_needed: int | None = None
    seeds_mostly: int | None = None


@dataclass(frozen=True)
class Claim:
    """One question to the data. table: the table that its answer rests on.

    units: what each unit of a claim over units says on its own (tables.CLAIM_UNITS).
    """

    id: str
    statement: str
    table: Table
    judge: Callable[[Evidence, Estimate], Answer]
    power: Callable[[Evidence, Estimate], Power]
    units: Callable[[Evidence, Estimate], pl.DataFrame] | None = None

    def entry(self, evidence: Evidence, estimate: Estimate) -> dict[str, Any]:
        """Return the claim's entry in claims.json."""
        answer = asdict(without_seeds(self.judge(evidence, estimate), evidence, estimate))
        head = {"statement": self.statement, "id": self.id, "verdict": answer["verdict"], "reason": answer["reason"]}
        return head | {"table": self.table.name} | answer


def verdict_of(supported: bool, contradicted: bool, mostly: bool = False) -> Verdict:
    """Return the verdict of the tests; a contradiction counts before all, and every unit before most of them."""
    if contradicted:
        return Verdict.CONTRADICTED
    if supported:
        return Verdict.SUPPORTED
    return Verdict.MOSTLY if mostly else Verdict.INCONCLUSIVE


def untestable(why: str, n: int, n_unit: str, known: str = "") -> Answer:
    """Return the answer of a claim that the data cannot speak of. `why` says what is missing in the reader's design.

    known: what is known all the same, which is said first: sentences, with a space behind them.
    """
    return Answer(Verdict.UNTESTABLE, f"{known}Not testable here: {why}.", n, n_unit)


def without_seeds(answer: Answer, evidence: Evidence, estimate: Estimate) -> Answer:
    """Return the answer as that of unreplicated evidence where no cell of the study has enough seeds."""
    runs = main_runs(evidence[RUNS])
    seeds = runs.group_by(CELL).agg(pl.col("seed").n_unique())["seed"].to_list()
    if max(seeds, default=estimate.min_seeds) >= estimate.min_seeds or answer.evidence == Replication.UNREPLICATED:
        return answer
    match answer.verdict:
        case Verdict.SUPPORTED | Verdict.MOSTLY:
            verdict = Verdict.AGREES
        case Verdict.CONTRADICTED:
            verdict = Verdict.DISAGREES
        case Verdict.INCONCLUSIVE:
            verdict = Verdict.UNCLEAR
        case Verdict.UNTESTABLE | Verdict.AGREES | Verdict.DISAGREES | Verdict.UNCLEAR:
            return replace(answer, evidence=Replication.UNREPLICATED)
        case _:
            assert_never(answer.verdict)
    reason = f"{answer.reason} No cell has {estimate.min_seeds} seeds, so this is no verdict."
    return replace(answer, verdict=verdict, reason=reason, evidence=Replication.UNREPLICATED)


def method_name(row: dict[str, Any]) -> str:
    """Return the optimizer and momentum of a row, as reasons write them."""
    return f"{row['optimizer']}, mu = {row['momentum']:g}"
