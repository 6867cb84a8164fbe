"""The ladder of verdicts and "at least k of m" of C1 and C2 on sweeps in which the truth of every cell is known.

Two momenta are set against the same SGD runs, so the cells depend on each other. A bound is wrong where it is above the
number of cells in which the claim holds, for any choice of cells: that is so where it is above zero for the cells in
which the claim does not hold. A cell at just the margin counts as one in which it does not hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from mstudy.core.params import Estimate, Margins
from mstudy.core.statuses import Verdict
from mstudy.estimate.claims import c1_c2_cells
from mstudy.estimate.claims.at_least import sure_units
from mstudy.estimate.claims.claim import Claim
from mstudy.estimate.rates.placements import place_cells
from mstudy.estimate.rates.thresholds import estimate_thresholds
from mstudy.pairs.rate_lines import rate_lines
from scipy.stats import norm

from benchmarks.error_rates.evidence import REPLICATED, evidence_of
from benchmarks.error_rates.sweeps import Array, Design, Truth, draw_truth, sample_runs

SEED = 53_000  # not of development
MARGINS, ESTIMATE = Margins(), Estimate()
MARGIN, CAP = MARGINS.advantage, MARGINS.diverged
_AT_MARGIN = 1e-9  # a truth so near to the margin is at it
# Of the cells placed on a side, what a verdict says of them.
_LEAST_SHARE = {Verdict.SUPPORTED: 1.0, Verdict.MOSTLY: ESTIMATE.mostly_share}
Alter = Callable[[Design, Truth, np.random.Generator], Truth]


def unchanged(design: Design, truth: Truth, rng: np.random.Generator) -> Truth:
    return truth


def _undiverged(truth: Truth) -> Truth:
    return replace(truth, sgd_limit=truth.sgd_limit + 10, sgdm_limit=truth.sgdm_limit + 10)


def no_divergence(design: Design, truth: Truth, rng: np.random.Generator) -> Truth:
    return _undiverged(truth)


def _cells(design: Design, truth: Truth, side: str) -> list[tuple[int, int]]:
    """(line, rate) of the cells on one side of the true threshold of their line."""
    x = np.log(design.rates)
    crossings = [truth.crossing(line, MARGIN, CAP) for line in range(len(design.lines))]
    on = [x < at if side == "below" else x > at for at in crossings]
    return [(line, int(rate)) for line, cells in enumerate(on) for rate in np.flatnonzero(cells)]


def some_cells(side: str, value: float, share: float | None = None) -> Alter:
    """The advantage is `value` in a share of the cells of one side, chosen at random; None: in one cell.

    Above the threshold nothing diverges: where SGD does, SGDM is better whatever its advantage. The first cell of each
    line is not chosen there: the threshold would lie elsewhere.
    """

    def alter(design: Design, truth: Truth, rng: np.random.Generator) -> Truth:
        truth = _undiverged(truth) if side == "above" else truth
        of_side = _cells(design, truth, side)
        n, cells = 1 if share is None else int(np.ceil(share * len(of_side))), _not_first(of_side, side)
        advantage = truth.advantage.copy()
        for k in rng.permutation(len(cells))[:n]:
            advantage[cells[k]] = value
        return replace(truth, advantage=advantage)

    return alter


def _not_first(cells: list[tuple[int, int]], side: str) -> list[tuple[int, int]]:
    """Cells above but for the first of each line; all cells below."""
    first = {line: min(rate for of, rate in cells if of == line) for line, _ in cells}
    return [(line, rate) for line, rate in cells if side == "below" or rate > first[line]]


def one_batch_size(side: str, value: float) -> Alter:
    """The advantage is `value` in the cells of one side at the second batch size, at every momentum.

    Above the threshold nothing diverges, and the first cell of each line stays as it is.
    """

    def alter(design: Design, truth: Truth, rng: np.random.Generator) -> Truth:
        if side == "above":
            truth = _undiverged(truth)
        n_momenta, advantage = len(design.momenta), truth.advantage.copy()
        for line, rate in _not_first(_cells(design, truth, side), side):
            if line // n_momenta == 1:
                advantage[line, rate] = value
        return replace(truth, advantage=advantage)

    return alter


def coin(design: Design, truth: Truth, rng: np.random.Generator) -> Truth:
    """Beyond one limit either optimizer diverges as often as the other."""
    return replace(truth, sgdm_limit=np.repeat(truth.sgd_limit, len(design.momenta)), limit_spread=0.6)


def true_means(design: Design, truth: Truth) -> tuple[Array, Array]:
    """Mean log ratio of each cell, (n_lines, n_rates): of all pairs, both diverged counting 0; and without these."""
    x, n_momenta = np.log(design.rates), len(design.momenta)
    sgd = norm.cdf((x - np.repeat(truth.sgd_limit, n_momenta)[:, None]) / truth.limit_spread)
    sgdm = norm.cdf((x - truth.sgdm_limit[:, None]) / truth.limit_spread)
    mean = (1 - sgd) * (1 - sgdm) * np.clip(truth.advantage, -CAP, CAP) + CAP * (sgd * (1 - sgdm) - (1 - sgd) * sgdm)
    return mean, mean / np.maximum(1 - sgd * sgdm, 1e-12)


@dataclass(frozen=True)
class Ladder:
    """Sweeps with a known truth. sgd_share: of the noise's variance that SGD's run has; tail: freedom of its t."""

    claim: Claim
    name: str
    alter: Alter
    sgd_share: float = 0.5
    tail: float = 5.0

    @property
    def id(self) -> str:
        return self.claim.id

    def true_of(self, design: Design, truth: Truth) -> tuple[Array, Array]:
        """Whether the claim holds in a cell, and whether its contrary does, (n_lines, n_rates)."""
        mean, compared = true_means(design, truth)
        if self.claim is c1_c2_cells.BELOW_THRESHOLD:
            return np.abs(compared) < MARGIN - _AT_MARGIN, np.abs(mean) > MARGIN + _AT_MARGIN
        return mean > MARGIN + _AT_MARGIN, mean < -MARGIN - _AT_MARGIN


_C1, _C2 = c1_c2_cells.BELOW_THRESHOLD, c1_c2_cells.ABOVE_THRESHOLD
LADDERS = (
    Ladder(_C1, "alike below in every cell", unchanged),
    Ladder(_C1, "alike below in every cell, no diverged runs", no_divergence),
    Ladder(_C1, "alike below in every cell, t with 3", unchanged, 0.5, 3.0),
    Ladder(_C1, "one cell: worse by just the margin", some_cells("below", -MARGIN)),
    Ladder(_C1, "a fifth of the cells: worse by just the margin", some_cells("below", -MARGIN, 0.2)),
    Ladder(_C1, "a fifth of the cells: worse by twice the margin", some_cells("below", -2 * MARGIN, 0.2)),
    Ladder(_C1, "one batch size: worse by just the margin", one_batch_size("below", -MARGIN)),
    Ladder(_C1, "one cell: better by just the margin", some_cells("below", MARGIN)),
    Ladder(_C1, "half of the cells: worse by just the margin", some_cells("below", -MARGIN, 0.5)),
    Ladder(
        _C1,
        "half of the cells: worse by just the margin, 9/10 of the noise SGD's",
        some_cells("below", -MARGIN, 0.5),
        0.9,
    ),
    Ladder(_C1, "half of the cells: worse by just the margin, t with 3", some_cells("below", -MARGIN, 0.5), 0.5, 3.0),
    Ladder(_C1, "half of the cells: worse by just the margin, both", some_cells("below", -MARGIN, 0.5), 0.9, 3.0),
    Ladder(_C2, "better above in every cell", unchanged),
    Ladder(_C2, "better above in every cell, no diverged runs", no_divergence),
    Ladder(_C2, "better above in every cell, t with 3", unchanged, 0.5, 3.0),
    Ladder(_C2, "one cell: worse by just the margin", some_cells("above", -MARGIN)),
    Ladder(_C2, "a fifth of the cells: worse by just the margin", some_cells("above", -MARGIN, 0.2)),
    Ladder(_C2, "a fifth of the cells: better by just the margin", some_cells("above", MARGIN, 0.2)),
    Ladder(_C2, "a fifth of the cells: worse by twice the margin", some_cells("above", -2 * MARGIN, 0.2)),
    Ladder(_C2, "one batch size: better by just the margin", one_batch_size("above", MARGIN)),
    Ladder(_C2, "half of the cells: better by just the margin", some_cells("above", MARGIN, 0.5)),
    Ladder(
        _C2,
        "half of the cells: better by just the margin, 9/10 of the noise SGD's",
        some_cells("above", MARGIN, 0.5),
        0.9,
    ),
    Ladder(_C2, "half of the cells: better by just the margin, t with 3", some_cells("above", MARGIN, 0.5), 0.5, 3.0),
    Ladder(_C2, "half of the cells: better by just the margin, both", some_cells("above", MARGIN, 0.5), 0.9, 3.0),
    Ladder(_C2, "divergence is a coin's toss", coin),
)
_MORE_SEEDS = ("alike below in every cell", "better above in every cell")


@dataclass(frozen=True)
class Found:
    """What one sweep says. wrong: it is supported and does not hold everywhere, or mostly and not in most cells.

    above: some bound is above the truth; contrary_above: likewise of the contrary. share: the bound's share of the
    units, 1 where the sweep has none; true_share: the truth's.
    """

    verdict: Verdict
    wrong: bool
    above: bool
    contrary_above: bool
    share: float
    true_share: float


def judge(job: tuple[int, int, int]) -> Found:
    """Judge one sweep: (ladder, seeds, experiment)."""
    index, seeds, _ = job
    ladder, rng = LADDERS[index], np.random.default_rng([SEED, *job])
    design = Design(seeds=seeds)
    truth = ladder.alter(design, draw_truth(design, rng), rng)
    runs = sample_runs(design, truth, rng, sgd_share=ladder.sgd_share, tail=ladder.tail)
    lines = rate_lines(runs, MARGINS)
    tables = {"thresholds": estimate_thresholds(lines, MARGINS, ESTIMATE)}
    evidence = evidence_of(placements=place_cells(lines, MARGINS, ESTIMATE), **tables)
    answer = ladder.claim.judge(evidence, ESTIMATE)
    if answer.at_least is None or ladder.claim.units is None:
        return Found(answer.verdict, False, False, False, 1.0, 1.0)
    units = ladder.claim.units(evidence, ESTIMATE)
    holds, contrary = (_of_units(units, design, flags) for flags in ladder.true_of(design, truth))
    bounds = answer.at_least
    return Found(
        answer.verdict,
        float(holds.mean()) < _LEAST_SHARE.get(answer.verdict, 0.0),
        # Whether something is held to be sure among units in which it is not true.
        sure_units(units.filter(~holds), "p_holds", bounds.holds) > 0,
        sure_units(units.filter(~contrary), "p_contradicts", bounds.contradicts) > 0,
        bounds.holds.k / bounds.holds.m,
        float(holds.mean()),
    )


def _of_units(units: pl.DataFrame, design: Design, flags: Array) -> Array:
    """The flag of each unit, (n_units,)."""
    lines = [design.lines.index(line) for line in units.select("batch_size", "momentum").iter_rows()]
    rates = np.abs(np.log(units["eta_ef"].to_numpy()[:, None] / design.rates)).argmin(axis=1)
    return np.asarray(flags[lines, rates])


def ladder_table(run: Callable[[list[tuple[int, int, int]]], list[Found]], n: int) -> list[str]:
    """Rates of the verdicts and of wrong bounds, a row for each truth and number of seeds, and a sentence on all."""
    head = [
        "claim",
        "truth",
        "seeds",
        "n",
        *REPLICATED,
        "wrongly one of the first two",
        "a bound above the truth",
        "the same of the contrary",
    ]
    lines = [f"| {' | '.join([*head, 'mean bound', 'mean truth'])} |", "|" + "---|" * (len(head) + 2)]
    everything: list[Found] = []
    for index, ladder in enumerate(LADDERS):
        for seeds in (3, 5, 10) if ladder.name in _MORE_SEEDS else (5,):
            found = run([(index, seeds, k) for k in range(n)])
            everything += found
            lines.append(_row(ladder, seeds, found))
            print(lines[-1], flush=True)
    return [*lines, "", _of_all(everything, n), ""]


def _of_all(found: list[Found], n: int) -> str:
    """How often a bound is above the truth in all sweeps together. n: sweeps a row."""
    above, contrary = (np.mean([getattr(each, name) for each in found]) for name in ("above", "contrary_above"))
    return (
        f"A bound was above the truth in {above:.1%} of all {len(found)} sweeps, one of the contrary in "
        f"{contrary:.1%}; the standard error of a row with 5 % is {(0.05 * 0.95 / n) ** 0.5:.1%}."
    )


def _row(ladder: Ladder, seeds: int, found: list[Found]) -> str:
    counts = Counter(each.verdict for each in found)
    rates = [counts[verdict] / len(found) for verdict in REPLICATED]
    rates += [float(np.mean([getattr(each, name) for each in found])) for name in ("wrong", "above", "contrary_above")]
    rates += [float(np.mean([getattr(each, name) for each in found])) for name in ("share", "true_share")]
    cells = [ladder.id, ladder.name, str(seeds), str(len(found)), *(f"{rate:.1%}" for rate in rates)]
    return f"| {' | '.join(cells)} |"
