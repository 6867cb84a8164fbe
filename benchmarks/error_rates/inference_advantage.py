"""C1, C2, C3, C6, C7 and the threshold on whole synthetic sweeps with known truth (benchmarks/error_rates/sweeps.py).

python -m benchmarks.error_rates.inference_advantage [--experiments 200] [--ladder 200] [--write]: Markdown to stdout,
or to benchmarks/inference_advantage.md. Counted: verdicts of each claim where it is true and where it is false, with 3,
5 and 10 seeds; coverage of the intervals; size of the trend test; the ladder of C1 and C2 and the bounds beside it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing import Pool
from multiprocessing.pool import Pool as PoolType
from pathlib import Path

import numpy as np
import polars as pl
from mstudy.core.params import Estimate, Margins
from mstudy.estimate.claims.c1_c2_cells import judge_above, judge_below
from mstudy.estimate.claims.c3_batch_trend import judge_batch_trend
from mstudy.estimate.claims.c6_best import judge_best
from mstudy.estimate.claims.c7_law import judge_law
from mstudy.estimate.claims.claim import Answer
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.rates.best import compare_best
from mstudy.estimate.rates.placements import place_cells
from mstudy.estimate.rates.stability_law import measure_limits
from mstudy.estimate.rates.stability_limits import find_limits, limit_rows
from mstudy.estimate.rates.thresholds import estimate_thresholds, find_threshold
from mstudy.estimate.rates.trends import THRESHOLD, measure_trends
from mstudy.pairs.rate_lines import rate_lines
from mstudy.tables.contracts import STABILITY_LIMITS

from benchmarks.error_rates.evidence import REPLICATED, evidence_of
from benchmarks.error_rates.ladder import LADDERS, judge, ladder_table
from benchmarks.error_rates.sweeps import (
    RATES,
    SHAPES,
    Array,
    Design,
    Truth,
    draw_truth,
    heavy,
    sample_runs,
    stability_truth,
    table_of,
)

SEED = 52_000  # not of development
SEEDS = (3, 5, 10)
_NULLS = 5  # a share of 5 % is known to 0.7 % from a thousand
_ON_LADDER = {ladder.id for ladder in LADDERS}  # claims whose verdicts stand in a table of their own
MARGINS, ESTIMATE = Margins(), Estimate()
VERDICTS = REPLICATED
Draw = Callable[[int, np.random.Generator], pl.DataFrame]


def judge_cells(runs: pl.DataFrame, judge: Callable[[Evidence, Estimate], Answer]) -> str:
    """Verdict of C1 or C2."""
    lines = rate_lines(runs, MARGINS)
    thresholds = estimate_thresholds(lines, MARGINS, ESTIMATE)
    placements = place_cells(lines, MARGINS, ESTIMATE)
    return judge(evidence_of(thresholds=thresholds, placements=placements), ESTIMATE).verdict


def judge_c1(runs: pl.DataFrame) -> str:
    return judge_cells(runs, judge_below)


def judge_c2(runs: pl.DataFrame) -> str:
    return judge_cells(runs, judge_above)


def judge_c3(runs: pl.DataFrame) -> str:
    return judge_batch_trend(evidence_of(trends=trends_of(runs)), ESTIMATE).verdict


def judge_c6(runs: pl.DataFrame) -> str:
    best = compare_best(runs, MARGINS, ESTIMATE)
    return judge_best(evidence_of(best=best), ESTIMATE).verdict


def judge_c7(runs: pl.DataFrame) -> str:
    limits, law = measure_limits(runs, ESTIMATE)
    return judge_law(evidence_of(stability_limits=limits, law=law), ESTIMATE).verdict


def trends_of(runs: pl.DataFrame) -> pl.DataFrame:
    """tables.TRENDS."""
    lines = rate_lines(runs, MARGINS)
    limits = STABILITY_LIMITS.frame(limit_rows(find_limits(runs), ESTIMATE))
    return measure_trends(lines, estimate_thresholds(lines, MARGINS, ESTIMATE), limits, ESTIMATE)


JUDGES = {"C1": judge_c1, "C2": judge_c2, "C3": judge_c3, "C6": judge_c6, "C7": judge_c7}


@dataclass(frozen=True)
class Scenario:
    """Sweeps in which the claim is true, or false in a stated way; `supported` is an error where it is false."""

    claim: str
    name: str
    holds: bool
    draw: Draw


def _sweep(
    alter: Callable[[Design, Truth, np.random.Generator], Truth] = lambda design, truth, rng: truth, **options: float
) -> Draw:
    def draw(seeds: int, rng: np.random.Generator) -> pl.DataFrame:
        design = Design(seeds=seeds, momenta=(0.9,))
        return sample_runs(design, alter(design, draw_truth(design, rng, **options), rng), rng)

    return draw


def _one_line(change: Callable[[Array, float, Array], Array]) -> Callable[[Design, Truth, np.random.Generator], Truth]:
    """Changes the advantage of the second batch size: change(advantage, log threshold, x)."""

    def alter(design: Design, truth: Truth, rng: np.random.Generator) -> Truth:
        advantage, x = truth.advantage.copy(), np.log(design.rates)
        crossing = truth.crossing(1, MARGINS.advantage, MARGINS.diverged)
        advantage[1] = change(advantage[1], crossing, x)
        return replace(truth, advantage=advantage)

    return alter


def _worse_below(advantage: Array, crossing: float, x: Array) -> Array:
    return np.where(x < crossing - 0.3, -MARGINS.advantage, advantage)


def _better_in_one_cell(advantage: Array, crossing: float, x: Array) -> Array:
    """Just at the margin in the cell two octaves below the threshold."""
    cell = max(int(np.searchsorted(x, crossing)) - 3, 0)
    return np.where(np.arange(len(x)) == cell, MARGINS.advantage, advantage)


def _closes(advantage: Array, crossing: float, x: Array) -> Array:
    """From the third cell above the threshold on the advantage is back at the margin, no more."""
    return np.where(np.arange(len(x)) > np.searchsorted(x, crossing) + 1, MARGINS.advantage, advantage)


def _no_divergence(truth: Truth) -> Truth:
    return replace(truth, sgd_limit=truth.sgd_limit + 10, sgdm_limit=truth.sgdm_limit + 10)


def _closing(design: Design, truth: Truth, rng: np.random.Generator) -> Truth:
    return _one_line(_closes)(design, _no_divergence(truth), rng)


def _sgdm_diverges_first(design: Design, truth: Truth, rng: np.random.Generator) -> Truth:
    limits = truth.sgdm_limit.copy()
    limits[1] = truth.crossing(1, MARGINS.advantage, MARGINS.diverged) + 1.2
    sgd = truth.sgd_limit.copy()
    sgd[1] = limits[1] + 1.5
    return replace(truth, sgd_limit=sgd, sgdm_limit=limits)


def _coin(design: Design, truth: Truth, rng: np.random.Generator) -> Truth:
    """Beyond one limit either optimizer diverges as often as the other."""
    return replace(truth, sgdm_limit=truth.sgd_limit.copy(), limit_spread=0.6)


def _limits_move(design: Design, truth: Truth, rng: np.random.Generator) -> Truth:
    doublings = np.log2(np.array(design.batch_sizes) / 256)
    return replace(truth, sgd_limit=truth.sgd_limit + 0.15 * doublings, sgdm_limit=truth.sgdm_limit + 0.15 * doublings)


def _bowls(lead: float, lines: int = 5, at_edge: bool = False) -> Draw:
    """SGD's and SGDM's log loss are bowls over log eta_ef, SGDM's two cells to the right and deeper by `lead`."""

    def draw(seeds: int, rng: np.random.Generator) -> pl.DataFrame:
        design = Design(seeds=seeds, momenta=(0.9,))
        x, n_b = np.log(design.rates), len(design.batch_sizes)
        own = rng.uniform(np.log(0.04), np.log(0.2), (n_b, 1)) + (5 if at_edge else 0)
        curved = rng.uniform(0.1, 0.4)
        deeper = np.where(np.arange(n_b) < lines, lead, 0.0)[:, None]
        sgd, sgdm = curved * (x - own) ** 2, curved * (x - own - 2 * np.log(2)) ** 2 - deeper
        noise = np.exp(rng.uniform(np.log(0.005), np.log(0.03)))
        loss = np.stack([sgd, sgdm], axis=1)[..., None] + 0.1 * rng.normal(size=(n_b, 1, 1, seeds))
        loss = loss + noise * heavy(rng, loss.shape)
        limit = own + 1.5 + 0.15 * rng.normal(size=(n_b, seeds))
        gone = x[None, None, :, None] > np.stack([limit, limit + 1.5], axis=1)[:, :, None, :]
        return table_of(design, loss, gone)

    return draw


def _stable(exponent: float, ratio: float | None = None) -> Draw:
    """Stability limits with rho ~ b^-exponent; ratio: SGDM's limit is that many times SGD's at every b instead."""

    def draw(seeds: int, rng: np.random.Generator) -> pl.DataFrame:
        design = Design(seeds=seeds, rates=0.01 * 2.0 ** np.arange(12))
        truth = stability_truth(design, rng, exponent)
        if ratio is not None:
            truth = replace(truth, sgdm_limit=np.repeat(truth.sgd_limit, 2) + np.log(ratio))
        return sample_runs(design, truth, rng)

    return draw


SCENARIOS = (
    Scenario("C1", "alike below, four shapes, diverged runs", True, _sweep()),
    Scenario("C1", "one b: SGDM worse by just the margin below", False, _sweep(_one_line(_worse_below))),
    Scenario("C1", "one cell below: better by just the margin", False, _sweep(_one_line(_better_in_one_cell))),
    Scenario("C2", "better above, four shapes, no diverged runs", True, _sweep(diverging=False)),
    Scenario("C2", "better above, four shapes, diverged runs", True, _sweep()),
    Scenario("C2", "one b: back at the margin, two cells above", False, _sweep(_closing)),
    Scenario("C2", "one b: SGDM diverges first", False, _sweep(_sgdm_diverges_first)),
    Scenario("C2", "divergence is a coin's toss", False, _sweep(_coin)),
    Scenario("C3", "grows: slope and level by 20 % a doubling", True, _sweep(slope_per_doubling=0.2)),
    Scenario("C3", "no trend, b differ at random", False, _sweep()),
    Scenario("C3", "no trend, stability limits rise with b", False, _sweep(_limits_move)),
    Scenario("C3", "falls: by 20 % a doubling", False, _sweep(slope_per_doubling=-0.2)),
    Scenario("C6", "equal bests, two cells apart", True, _bowls(0.0)),
    Scenario("C6", "one b: SGDM's best ahead by just the margin", False, _bowls(MARGINS.advantage, lines=1)),
    Scenario("C6", "SGDM's best ahead by 0.3", False, _bowls(0.3)),
    Scenario("C6", "the best lies at the end of the grid", False, _bowls(0.3, at_edge=True)),
    Scenario("C7", "by the law", True, _stable(1.0)),
    Scenario("C7", "exponent 0.5: at the tolerance", False, _stable(0.5)),
    Scenario("C7", "exponent 1.5: at the tolerance", False, _stable(1.5)),
    Scenario("C7", "no dependence on b", False, _stable(0.0)),
    Scenario("C7", "SGDM's limit 3 times SGD's at every b", False, _stable(1.0, ratio=3.0)),
)


def verdict(job: tuple[int, int, int]) -> str:
    """The verdict on one sweep: (scenario, seeds, experiment)."""
    index, seeds, k = job
    scenario = SCENARIOS[index]
    return JUDGES[scenario.claim](scenario.draw(seeds, np.random.default_rng([SEED, index, seeds, k])))


def coverage(job: tuple[str, int, int]) -> tuple[int, int, int]:
    """Of one sweep's lines: estimated, covered, all."""
    shape, seeds, k = job
    rng = np.random.default_rng([SEED, SHAPES.index(shape), seeds, k])
    design = Design(seeds=seeds, momenta=(0.9,))
    truth = draw_truth(design, rng, shape)
    lines = rate_lines(sample_runs(design, truth, rng), MARGINS)
    estimated = covered = 0
    for i, line in enumerate(lines):
        found = find_threshold(line, MARGINS, ESTIMATE)
        if found.ci_low is not None and found.ci_high is not None:
            estimated += 1
            star = np.exp(truth.crossing(i, MARGINS.advantage, MARGINS.diverged))
            covered += int(found.ci_low <= star <= found.ci_high)
    return estimated, covered, len(lines)


def trend_rejected(job: tuple[float, int, int]) -> bool:
    """Whether a trend of log eta_ef* with b is found at alpha: (true trend per doubling, seeds, experiment)."""
    per_doubling, seeds, k = job
    rng = np.random.default_rng([SEED, 7, int(1000 * per_doubling), seeds, k])
    design = Design(seeds=seeds, momenta=(0.9,))
    runs = sample_runs(design, draw_truth(design, rng, knee_per_doubling=per_doubling), rng)
    p = trends_of(runs).filter(pl.col("quantity") == THRESHOLD)["p_value"][0]
    return p is not None and p <= ESTIMATE.alpha


def limits_covered(job: tuple[int, int]) -> tuple[int, int, bool]:
    """Of one sweep by the law: limits estimated, covered, and whether the exponent's interval holds 1."""
    seeds, k = job
    rng = np.random.default_rng([SEED, 9, seeds, k])
    design = Design(seeds=seeds, rates=0.01 * 2.0 ** np.arange(12))
    truth = stability_truth(design, rng)
    limits, law = measure_limits(sample_runs(design, truth, rng), ESTIMATE)
    true = {(b, 0.0): x for b, x in zip(design.batch_sizes, truth.sgd_limit, strict=True)}
    true |= dict(zip(design.lines, truth.sgdm_limit, strict=True))
    known = limits.filter(pl.col("eta_ef_max").is_not_null())
    spans = known.select("batch_size", "momentum", "ci_low", "ci_high").iter_rows()
    covered = sum(low <= np.exp(true[b, mu]) <= high for b, mu, low, high in spans)
    return len(known), covered, bool(law["exponent_low"][0] <= 1 <= law["exponent_high"][0])


def confusion(pool: PoolType, n: int) -> list[str]:
    """Verdicts of each scenario, percent, by number of seeds; where the claim is false, of _NULLS times as many."""
    lines = ["| claim | truth | seeds | n | " + " | ".join(VERDICTS) + " |", "|" + "---|" * (4 + len(VERDICTS))]
    for index, scenario in enumerate(SCENARIOS):
        if scenario.claim in _ON_LADDER:
            continue
        truth = f"{'true' if scenario.holds else 'false'}: {scenario.name}"
        size = n if scenario.holds else _NULLS * n
        for seeds in SEEDS:
            found = Counter(pool.map(verdict, [(index, seeds, k) for k in range(size)], chunksize=5))
            shares = " | ".join(f"{found[v] / size:.1%}" for v in VERDICTS)
            lines.append(f"| {scenario.claim} | {truth} | {seeds} | {size} | {shares} |")
            print(lines[-1], flush=True)
    return [*lines, ""]


def coverages(pool: PoolType, n: int) -> list[str]:
    """Coverage of the 95 % intervals of the threshold, by shape and seeds."""
    lines = ["| shape | " + " | ".join(f"{s} seeds" for s in SEEDS) + " |", "|---|---|---|---|"]
    for shape in SHAPES:
        cells = []
        for seeds in SEEDS:
            counts = np.sum(pool.map(coverage, [(shape, seeds, k) for k in range(n)], chunksize=5), axis=0)
            cells.append(f"{counts[1] / counts[0]:.1%} of {counts[0]}")
        lines.append(f"| {shape} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    return [*lines, ""]


def trends_table(pool: PoolType, n: int) -> list[str]:
    """How often a trend of the threshold with b is found."""
    lines = ["| true trend of log η_ef* per doubling | " + " | ".join(f"{s} seeds" for s in SEEDS) + " |"]
    lines.append("|---|---|---|---|")
    for slope in (0.0, 0.1, 0.2):
        rates = [np.mean(pool.map(trend_rejected, [(slope, s, k) for k in range(n)], chunksize=5)) for s in SEEDS]
        lines.append(f"| {slope:g} | " + " | ".join(f"{rate:.1%}" for rate in rates) + " |")
        print(lines[-1], flush=True)
    return [*lines, ""]


def limits_table(pool: PoolType, n: int) -> list[str]:
    """Coverage of the stability limits and of the law's exponent."""
    lines = ["| | " + " | ".join(f"{s} seeds" for s in SEEDS) + " |", "|---|---|---|---|"]
    counts = [np.sum(pool.map(limits_covered, [(s, k) for k in range(n)], chunksize=5), axis=0) for s in SEEDS]
    lines.append("| stability limit | " + " | ".join(f"{c[1] / c[0]:.1%} of {c[0]}" for c in counts) + " |")
    lines.append("| exponent of b | " + " | ".join(f"{c[2] / n:.1%} of {n}" for c in counts) + " |")
    print("\n".join(lines[-2:]), flush=True)
    return [*lines, ""]


def report(n: int, n_ladder: int) -> str:
    """The section, in Markdown. n_ladder: sweeps in each row of the ladder."""
    with Pool(2) as pool:
        ladder = ladder_table(lambda jobs: pool.map(judge, jobs, chunksize=5), n_ladder)
        parts = [
            "## Threshold, advantage, best against best, stability law "
            "(`benchmarks/error_rates/inference_advantage.py`)",
            "",
            f"{n} whole sweeps in each row unless it says otherwise: {len(Design().batch_sizes)} batch sizes, "
            f"{len(RATES)} learning rates an octave apart (C7: 12), diverged runs unless said otherwise; "
            "generator: `benchmarks/error_rates/sweeps.py`. "
            "Seeds other than those of development.",
            "",
            f"Coverage of the threshold's 95 % interval (margin {MARGINS.advantage:g}):",
            "",
            *coverages(pool, n),
            "Trends with b found at α = 0.05, by t with K − 2 degrees of freedom (0: size):",
            "",
            *trends_table(pool, n),
            "Coverage of the 95 % intervals of the stability limits, and of the exponent of b in the law:",
            "",
            *limits_table(pool, n),
            "Verdicts. False `supported` is an error; where a row says *just the margin* or *at the tolerance*, the "
            "truth lies on the border of the claim, the hardest case. C1 and C2 stand in the ladder below.",
            "",
            *confusion(pool, n),
            "The ladder of C1 and C2 on sweeps of two momenta. Unless a row says otherwise: both momenta are set "
            "against the same SGD runs, whose noise is half of that of a ratio; noise is Student's t with 5 degrees "
            "of freedom (or 3, where a row says so); runs diverge, but for sweeps whose cells above are changed; and "
            "every cell is placed by the threshold that is estimated. *Wrongly one of the first two*: supported where "
            "a cell does not hold, or mostly where less than four fifths do. *A bound above the truth*: for some "
            "choice of cells (all, a batch size, any other) more are held to be sure than hold. A cell at just the "
            "margin does not hold. *Mean bound*, *mean truth*: the share of the placed cells.",
            "",
            *ladder,
        ]
    return "\n".join(parts)


def main() -> None:
    """Print or write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--experiments", type=int, default=200)
    arguments.add_argument("--ladder", type=int, default=200)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    text = report(options.experiments, options.ladder)
    if options.write:
        (Path(__file__).parents[1] / "inference_advantage.md").write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
