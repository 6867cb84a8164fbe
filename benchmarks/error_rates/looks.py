"""Group-sequential looks on synthetic experiments with known truth: false verdicts over all looks, and runs saved.

python -m benchmarks.error_rates.looks [--experiments 100] [--write]: Markdown to stdout, or to benchmarks/looks.md.
Each experiment goes as `mstudy settle` would: verdicts at 5 seeds, and more seeds for the lines that the claim waits
for, chosen by the code of the command, up to 10 and 20 seeds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
from mstudy.core.params import Analysis, Estimate, Looks, Margins
from mstudy.core.statuses import Verdict
from mstudy.estimate.claims.all_claims import judge_claims, list_units
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.event_times.coincidence import measure_alignment
from mstudy.estimate.event_times.deferral import measure_deferral
from mstudy.estimate.looks import Scopes
from mstudy.estimate.rates.best import compare_best
from mstudy.estimate.rates.placements import place_cells
from mstudy.estimate.rates.stability_law import measure_limits
from mstudy.estimate.rates.thresholds import estimate_thresholds
from mstudy.estimate.rates.trends import measure_trends
from mstudy.pairs.rate_lines import rate_lines
from mstudy.settle.undecided import Analysed
from mstudy.tables.contracts import CLAIM_UNITS, INTERVENTIONS, RUNS, SHARPENINGS, THRESHOLDS

from benchmarks.error_rates.evidence import evidence_of
from benchmarks.error_rates.experiments import (
    CONSTANT_LAG,
    SHARED_CAUSE,
    Coincidence,
    Deferral,
    Intervened,
    draw_interventions,
    draw_survival,
    draw_times,
)
from benchmarks.error_rates.inference_advantage import SCENARIOS

SEED = 91_000  # not of development
LOOKS = Looks((5, 10, 20), ("synthetic",), (0,))
LAST = LOOKS.seeds[-1]
MARGINS = Margins()
ESTIMATE = Estimate(resamples=1000)
NO_EVENTS = SHARPENINGS.frame([])
HOLDS = (Verdict.SUPPORTED, Verdict.MOSTLY)
OPEN = (Verdict.INCONCLUSIVE, Verdict.UNTESTABLE, Verdict.UNCLEAR)


@dataclass(frozen=True)
class Course:
    """One experiment. verdicts: one a look, until a verdict; share: runs trained, of those of 20 seeds everywhere.

    at_once: the verdict of 20 seeds everywhere at alpha; None where the claim is false and nothing is to be saved.
    """

    verdicts: tuple[str, ...]
    share: float
    at_once: str | None


@dataclass(frozen=True)
class Case:
    """A truth of a claim. holds: whether `supported` would be right. run: one experiment, with `at_once` or without."""

    claim: str
    name: str
    holds: bool
    run: Callable[[np.random.Generator, bool], Course]


# ---- claims over units: lines grow by themselves ---------------------------------------------------------------------


def over_units(claim: str, draw: Callable[[int, np.random.Generator], pl.DataFrame]) -> Callable[..., Course]:
    """Return an experiment in which the lines that the claim waits for grow."""

    def run(rng: np.random.Generator, compared: bool) -> Course:
        runs = draw(LAST, rng)
        verdicts, grown = [], {line: LOOKS.seeds[0] for line in _lines(runs)}
        for _ in LOOKS.seeds:
            kept = _kept(runs, grown)
            verdict, analysed = _analysed(claim, kept)
            verdicts.append(verdict)
            more = analysed.next_seeds([claim]) if verdict in OPEN else {}
            if not more:
                break
            grown |= more
        at_once = judge_claims(_evidence(claim, runs), ESTIMATE, {claim})[0]["verdict"] if compared else None
        return Course(tuple(verdicts), len(kept) / len(runs), at_once)

    return run


def _lines(runs: pl.DataFrame) -> list[tuple[int, float]]:
    return sorted(runs.filter(pl.col("momentum") > 0).select("batch_size", "momentum").unique().rows())


def _kept(runs: pl.DataFrame, grown: dict[tuple[int, float], int]) -> pl.DataFrame:
    """Return the runs of these seeds; SGD has as many as the line with most."""
    sgd: dict[int, int] = {}
    for (b, _), n in grown.items():
        sgd[b] = max(n, sgd.get(b, 0))
    rows = [(b, mu, n) for (b, mu), n in grown.items()] + [(b, 0.0, n) for b, n in sgd.items()]
    schema = {"batch_size": pl.Int64(), "momentum": pl.Float64(), "n": pl.Int64()}
    planned = pl.DataFrame(rows, schema=schema, orient="row")
    return runs.join(planned, on=["batch_size", "momentum"]).filter(pl.col("seed") < pl.col("n")).drop("n")


def _evidence(claim: str, runs: pl.DataFrame) -> Evidence:
    """Return the tables that C1 and C2, or C6, are judged by."""
    if claim == "C6":
        return evidence_of(runs=runs, best=compare_best(runs, MARGINS, ESTIMATE))
    lines = rate_lines(runs, MARGINS)
    thresholds = estimate_thresholds(lines, MARGINS, ESTIMATE)
    return evidence_of(runs=runs, thresholds=thresholds, placements=place_cells(lines, MARGINS, ESTIMATE))


def _analysed(claim: str, runs: pl.DataFrame) -> tuple[str, Analysed]:
    """Judge at the looks that the lines have reached, as the stage does; return what `mstudy settle` would see."""
    scopes = Scopes.of(LOOKS, runs, NO_EVENTS, ESTIMATE)
    known = _evidence(claim, runs)
    tested = {name: scopes.by_own_look(known.frames[name]) for name in ("placements", "best")}
    evidence = Evidence(known.margin, {**known.frames, **tested})
    (entry,) = judge_claims(evidence, ESTIMATE, {claim})
    tables: dict[str, Any] = {
        RUNS.name: runs,
        CLAIM_UNITS.name: list_units(evidence, ESTIMATE, {claim}),
        THRESHOLDS.name: known[THRESHOLDS],
        SHARPENINGS.name: NO_EVENTS,
        INTERVENTIONS.name: INTERVENTIONS.frame([]),
    }
    seen = _Tables(
        tables, params=Analysis(estimate=ESTIMATE), claims={claim: SimpleNamespace(verdict=entry["verdict"])}
    )
    return entry["verdict"], Analysed(seen, "synthetic", LOOKS)  # type: ignore[arg-type]


class _Tables(dict[str, pl.DataFrame]):
    """What the choice of lines reads of an analysis."""

    def __init__(self, tables: dict[str, pl.DataFrame], **names: Any) -> None:
        super().__init__(tables)
        self.__dict__.update(names)


# ---- claims that are one test of all lines: all of these grow together -----------------------------------------------


def jointly(
    claim: str,
    draw: Callable[[int, np.random.Generator], Any],
    known: Callable[[Any, int, Estimate], dict[str, pl.DataFrame]],
) -> Callable[..., Course]:
    """Return an experiment in which all lines grow. known: the claim's tables of the first n seeds."""

    def verdict(drawn: Any, n: int, params: Estimate) -> str:
        return str(judge_claims(evidence_of(**known(drawn, n, params)), params, {claim})[0]["verdict"])

    def run(rng: np.random.Generator, compared: bool) -> Course:
        drawn, verdicts = draw(LAST, rng), []
        for look, n in enumerate(LOOKS.seeds):
            level = LOOKS.level(look, ESTIMATE.alpha)
            at_level = verdict(
                drawn, n, replace(ESTIMATE, alpha=level, resamples=max(1000, min(50_000, int(4 / level))))
            )
            refuted = at_level in HOLDS and verdict(drawn, n, ESTIMATE) == Verdict.CONTRADICTED
            verdicts.append(Verdict.INCONCLUSIVE if refuted else at_level)
            if verdicts[-1] not in OPEN:
                break
        return Course(tuple(verdicts), n / LAST, verdict(drawn, LAST, ESTIMATE) if compared else None)

    return run


def _trends(runs: pl.DataFrame, n: int, params: Estimate) -> dict[str, pl.DataFrame]:
    runs = runs.filter(pl.col("seed") < n)
    lines, (limits, _) = rate_lines(runs, MARGINS), measure_limits(runs, params)
    thresholds = estimate_thresholds(lines, MARGINS, ESTIMATE)
    return {"runs": runs, "trends": measure_trends(lines, thresholds, limits, params)}


def _law(runs: pl.DataFrame, n: int, params: Estimate) -> dict[str, pl.DataFrame]:
    runs = runs.filter(pl.col("seed") < n)
    limits, law = measure_limits(runs, params)
    return {"runs": runs, "stability_limits": limits, "law": law}


def _alignment(drawn: Any, n: int, params: Estimate) -> dict[str, pl.DataFrame]:
    partings, sharpenings, openings, events = drawn
    first = [frame.filter(pl.col("seed") < n) for frame in (partings, openings)]
    ids = first[0].select(run_id="sgd_run_id")
    kept = [frame.join(ids, on="run_id", how="semi", maintain_order="left") for frame in (sharpenings, events)]
    return {"alignment": measure_alignment(first[0], kept[0], first[1], kept[1], params)}


def _deferral(drawn: Any, n: int, params: Estimate) -> dict[str, pl.DataFrame]:
    runs = drawn[0].filter(pl.col("seed") < n)
    sharpenings = drawn[1].join(runs, on="run_id", how="semi", maintain_order="left")
    return {"runs": runs, "sharpenings": sharpenings, "deferral": measure_deferral(runs, sharpenings, params)}


def _interventions(drawn: pl.DataFrame, n: int, params: Estimate) -> dict[str, pl.DataFrame]:
    return {"interventions": drawn.filter(pl.col("seed") < n)}


def _of_rates(claim: str, scenario: Any) -> Callable[..., Course]:
    if claim in ("C1", "C2", "C6"):
        return over_units(claim, scenario.draw)
    return jointly(claim, scenario.draw, _trends if claim == "C3" else _law)


def _times(truth: Coincidence) -> Callable[..., Course]:
    return jointly("C4", lambda n, rng: draw_times(replace(truth, n_seeds=n), rng), _alignment)


def _survival(truth: Deferral) -> Callable[..., Course]:
    return jointly("C5", lambda n, rng: draw_survival(replace(truth, n_seeds=n), rng), _deferral)


def _branches(truth: Intervened) -> Callable[..., Course]:
    return jointly("C8", lambda n, rng: draw_interventions(replace(truth, n_seeds=n), rng), _interventions)


LEFT_OUT = {
    "the best lies at the end of the grid",
    "SGDM's best ahead by 0.3",
    "no dependence on b",
}  # never near support
CASES = (
    *(Case(s.claim, s.name, s.holds, _of_rates(s.claim, s)) for s in SCENARIOS if s.name not in LEFT_OUT),
    Case("C4", "one event", True, _times(Coincidence())),
    Case("C4", "shared cause", False, _times(Coincidence(link=SHARED_CAUSE))),
    Case("C4", "lag of 10 %, the tolerance", False, _times(Coincidence(link=CONSTANT_LAG, lag=1.1))),
    Case("C5", "events x 1.3 later", True, _survival(Deferral(factor=1.3))),
    Case("C5", "alike", False, _survival(Deferral())),
    Case("C5", "alike, half of the SGD runs diverge", False, _survival(Deferral(diverging=(0.5, 0.05)))),
    Case("C8", "the gap goes", True, _branches(Intervened())),
    Case("C8", "just the margin is left", False, _branches(Intervened(branches=(MARGINS.advantage,)))),
)
# Experiments of a true claim and of a false one, in per cent of --experiments: those of some claims are slow.
_SIZES = {"C1": (30, 100), "C2": (30, 50), "C3": (40, 200), "C4": (30, 80), "C5": (40, 160), "C7": (20, 40)}
_SIZE = (40, 600)


def courses(case: Case, n: int) -> list[Course]:
    """Return the course of n experiments."""
    index = CASES.index(case)
    return [case.run(np.random.default_rng([SEED, index, k]), case.holds) for k in range(n)]


def row_of(case: Case, found: list[Course]) -> str:
    """Return the table's row on a case."""
    last = [course.verdicts[-1] for course in found]
    supported = [any(v == Verdict.SUPPORTED for v in course.verdicts) for course in found]
    by_look = [np.mean([course.verdicts[k : k + 1] == (Verdict.SUPPORTED,) for course in found]) for k in range(3)]
    cells = [
        case.claim,
        f"{'true' if case.holds else 'false'}: {case.name}",
        str(len(found)),
        f"**{np.mean(supported):.1%}** ({', '.join(f'{share:.1%}' for share in by_look)})",
        f"{np.mean([v == Verdict.MOSTLY for v in last]):.1%}",
        f"{np.mean([v == Verdict.CONTRADICTED for v in last]):.1%}",
        f"{np.mean([v in OPEN for v in last]):.1%}",
        f"{np.mean([course.at_once == Verdict.SUPPORTED for course in found]):.1%}" if case.holds else "–",
        f"{np.mean([course.share for course in found]):.0%}",
    ]
    return "| " + " | ".join(cells) + " |"


def page(n: int) -> str:
    """Return the page."""
    rows = []
    for case in CASES:
        size = max(1, n * _SIZES.get(case.claim, _SIZE)[not case.holds] // 100)
        began = time.process_time()
        rows.append(row_of(case, courses(case, size)))
        print(rows[-1], f"{time.process_time() - began:.0f} s", flush=True)
    return _page_of(n, rows)


def _page_of(n: int, rows: list[str]) -> str:
    levels = ", ".join(f"{LOOKS.level(k, ESTIMATE.alpha):.2g}" for k in range(len(LOOKS.seeds)))
    head = "| claim | truth | n | supported at any look (5, 10, 20) | mostly | contradicted | open | at once | runs |"
    parts = [
        "# Looks",
        f"`python -m benchmarks.error_rates.looks --experiments {n} --write`. How looks are judged: "
        "[methods](../docs/methods.md).",
        f"Looks at 5, 10 and 20 seeds, at levels {levels}. Each experiment goes as `mstudy settle` would for its "
        "claim alone: verdicts at 5 seeds, then more seeds for the lines that the claim waits for, until it is decided "
        "or they have 20. Sweeps of C1, C2, C3 and C6 have five batch sizes and one momentum; C4, C5 and C8 have six "
        "blocks. The truths are those of [inference_advantage.md](inference_advantage.md) and "
        "[inference_events.md](inference_events.md); a false claim's lies on its border, the hardest case.",
        "*Supported at any look*: where the claim is false, this is the error that all looks together may make in 5 % "
        "of experiments; in brackets the share at each look. *Mostly*, *contradicted*, *open*: the last verdict. *At "
        "once*: supported by 20 seeds everywhere at 0.05. *Runs*: those trained, of 20 seeds everywhere.",
        "\n".join([head, "|" + "---|" * 9, *rows]),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Print or write."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--experiments", type=int, default=100)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    text = page(options.experiments)
    if options.write:
        (Path(__file__).parents[1] / "looks.md").write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
