"""Verdicts without seeds, on sweeps with known truth: `python -m benchmarks.error_rates.unreplicated --write`.

Sweeps as in benchmarks/error_rates/sweeps.py, with one seed, one momentum and 17 learning rates half an octave apart.
Wrong direction: `agrees` where the claim is false, or `disagrees` where it is true. A slope of C3 counts as none below
`trend_margin`: a sweep whose true slope at the rates that are compared is smaller is not told wrongly by `disagrees`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from mstudy.compare.advantage import measure_advantage
from mstudy.core.params import Compare, Estimate, Margins
from mstudy.core.statuses import Verdict
from mstudy.estimate.claims.c1_c2_cells import judge_above, judge_below
from mstudy.estimate.claims.c3_batch_trend import judge_batch_trend
from mstudy.estimate.claims.claim import Answer
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.rates.thresholds import estimate_thresholds
from mstudy.estimate.rates.trends import measure_trends
from mstudy.estimate.rates.unreplicated_cells import measure_over_rates
from mstudy.pairs.rate_lines import rate_lines
from mstudy.tables.contracts import STABILITY_LIMITS, TRENDS

from benchmarks.error_rates.evidence import evidence_of
from benchmarks.error_rates.sweeps import Array, Design, Truth, draw_truth, sample_runs

REPORT = Path(__file__).parents[1] / "unreplicated.md"
SEED = 61_000  # not of development
RATES = 0.01 * 2.0 ** (np.arange(17) / 2)
MARGINS, ESTIMATE = Margins(), Estimate()
VERDICTS = (Verdict.AGREES, Verdict.UNCLEAR, Verdict.DISAGREES, Verdict.UNTESTABLE)
Judge = Callable[[Evidence, Estimate], Answer]
Alter = Callable[[Array], Array]


@dataclass(frozen=True)
class Scenario:
    """A claim, its judge, and sweeps in which it holds or does not. change: of the advantage, (n_lines, n_rates)."""

    claim: str
    judge: Judge
    name: str
    holds: bool
    change: Alter = lambda advantage: advantage
    slope_per_doubling: float = 0.0
    diverging: bool = True


def _worse_at_low_rates(advantage: Array) -> Array:
    """SGDM behind by three margins wherever it is not ahead."""
    return np.where(advantage < MARGINS.advantage / 2, -3 * MARGINS.advantage, advantage)


SCENARIOS = (
    Scenario("C1", judge_below, "alike below, diverged runs", True),
    Scenario("C1", judge_below, "alike below, no diverged runs", True, diverging=False),
    Scenario("C1", judge_below, "SGDM worse by three margins below", False, _worse_at_low_rates),
    Scenario("C2", judge_above, "better above, diverged runs", True),
    Scenario("C2", judge_above, "better above, no diverged runs", True, diverging=False),
    Scenario("C2", judge_above, "no advantage anywhere", False, np.zeros_like, diverging=False),
    Scenario("C2", judge_above, "SGDM worse where it should be better", False, np.negative, diverging=False),
    Scenario("C3", judge_batch_trend, "grows by 20 % a doubling", True, slope_per_doubling=0.2),
    Scenario("C3", judge_batch_trend, "no trend, b differ at random", False),
    Scenario("C3", judge_batch_trend, "falls by 20 % a doubling", False, slope_per_doubling=-0.2),
)


def verdict(scenario: Scenario, experiment: int) -> tuple[Verdict, bool]:
    """Draw one sweep and judge it; return the verdict, and whether it has the direction wrong."""
    rng = np.random.default_rng([SEED, SCENARIOS.index(scenario), experiment])
    design = Design(seeds=1, momenta=(0.9,), rates=RATES)
    truth = draw_truth(design, rng, diverging=scenario.diverging, slope_per_doubling=scenario.slope_per_doubling)
    truth = replace(truth, advantage=scenario.change(truth.advantage))
    evidence = _evidence(sample_runs(design, truth, rng))
    found = scenario.judge(evidence, ESTIMATE).verdict
    if not scenario.holds:
        return found, found == Verdict.AGREES
    small = scenario.claim == "C3" and _true_slope(design, truth, evidence) < ESTIMATE.trend_margin
    return found, found == Verdict.DISAGREES and not small


def _true_slope(design: Design, truth: Truth, evidence: Evidence) -> float:
    """Return the slope on log2 b of the true advantage at the rates that C3 compares."""
    matched = evidence[TRENDS].filter(pl.col("decides"))["matched"].to_list()
    rates = [float(rate) for text in matched for rate in text.split(", ") if rate]
    if not rates:
        return 0.0
    compared = np.isclose(design.rates[:, None], rates, rtol=1e-4).any(axis=1)
    return float(np.polyfit(np.log2(design.batch_sizes), truth.advantage[:, compared].mean(axis=1), 1)[0])


def _evidence(runs: pl.DataFrame) -> Evidence:
    lines = rate_lines(runs, MARGINS)
    thresholds = estimate_thresholds(lines, MARGINS, ESTIMATE)
    return evidence_of(
        thresholds=thresholds,
        unreplicated_cells=measure_over_rates(lines, MARGINS, ESTIMATE),
        advantage=measure_advantage(runs, MARGINS, Compare(resamples=100)),
        trends=measure_trends(lines, thresholds, STABILITY_LIMITS.frame([]), ESTIMATE),
    )


def report(n: int) -> str:
    """Return the page: the share of each verdict over n sweeps of each scenario."""
    heads = ["claim", "truth", *map(str, VERDICTS), "wrong direction"]
    rows = [" | ".join(heads), " | ".join("---" for _ in heads)]
    for scenario in SCENARIOS:
        found = [verdict(scenario, k) for k in range(n)]
        counts, wrong = Counter(each for each, _ in found), sum(is_wrong for _, is_wrong in found)
        truth = f"{'true' if scenario.holds else 'false'}: {scenario.name}"
        shares = [f"{counts[each] / n:.0%}" for each in VERDICTS]
        rows.append(" | ".join([scenario.claim, truth, *shares, f"{wrong / n:.1%}"]))
    table = "\n".join(f"| {row} |" for row in rows)
    return f"# Verdicts without seeds (`benchmarks/error_rates/unreplicated.py`)\n\n{_intro(n)}\n\n{table}\n"


def _intro(n: int) -> str:
    return (
        f"{n} synthetic sweeps each: one seed, five batch sizes, one momentum, {len(RATES)} learning rates half an "
        "octave apart; shapes,\nnoise and divergences as in `benchmarks/error_rates/sweeps.py`. Wrong direction: "
        "`agrees` where the claim is false,\n`disagrees` where it is true; of C3 where the true slope at the compared "
        f"rates is at least {ESTIMATE.trend_margin:g}."
    )


def main() -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    text = report(asked.n)
    if asked.write:
        REPORT.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
