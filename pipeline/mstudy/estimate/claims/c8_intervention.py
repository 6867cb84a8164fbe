"""C8: whether removing the sharpening by intervention removes the parting: the causal claim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mstudy.core.params import Estimate
from mstudy.estimate.claims.at_least import UnitWords, bound_units, reaches_share, units_frame
from mstudy.estimate.claims.claim import Answer, Claim, Power, untestable, verdict_of
from mstudy.estimate.claims.evidence import Evidence
from mstudy.pairs.seed_tests import Sample, holm, p_equivalent, p_greater, t_interval
from mstudy.tables.contracts import INTERVENTIONS
from mstudy.tables.table import BLOCK

_GONE = UnitWords("The gap is gone with the sharpening", "blocks")
_NO_BRANCHES = (
    "no run in which sharpening was intervened upon is here; it would take SGD runs branched before their sharpening "
    "(`branch_steps` of a study, or `branch_of` and `intervention` in logs), one for each of at least {} seeds"
)

_UNIT = (*BLOCK, "intervention")
_UNIT_SCHEMA = {name: INTERVENTIONS.schema[name] for name in _UNIT} | dict.fromkeys(
    ("p_holds", "p_contradicts"), pl.Float64()
)
_MEAN_GAPS = pl.col("gap_parent", "gap_branch").mean()


def judge_intervention(evidence: Evidence, estimate: Estimate) -> Answer:
    """Judge C8 for each kind of intervention, over the branches that did remove their parent's sharpening.

    Blocks whose parents have no gap above the margin have none to lose: they are left out and counted. Supported: in
    the others the branches' gap is equivalent within the margin, for every kind. Contradicted: that of one kind still
    lies above it (Holm).
    """
    branches = evidence[INTERVENTIONS]
    if branches.is_empty():
        return untestable(_NO_BRANCHES.format(estimate.min_seeds), 0, "branches")
    removed = _without_sharpening(branches)
    parts = [part for part in removed.partition_by("intervention") if part["seed"].n_unique() >= estimate.min_seeds]
    if not parts:
        why = (
            f"{branches['branch_run_id'].n_unique()} branches are here, but in no kind of intervention did at least "
            f"{estimate.min_seeds} seeds lose the sharpening that their parents had"
        )
        return untestable(why, len(removed), "branches without it")
    kinds = [_Kind.of(part, evidence, estimate) for part in parts]
    worst = max(kinds, key=lambda kind: kind.p_gone)
    remaining = holm([kind.p_remaining for kind in kinds])
    units = intervention_units(evidence, estimate)
    at_least = bound_units(units, _GONE, estimate.alpha, estimate.alpha)
    n_missing = len(removed.select(_UNIT).unique()) - len(units)
    mostly = reaches_share(at_least, units, n_missing, estimate)
    return Answer(
        verdict_of(worst.p_gone <= estimate.alpha, min(remaining) <= estimate.alpha, mostly),
        "; ".join(kind.sentence for kind in kinds) + ".",
        n=len(worst.branches),
        n_unit=worst.unit,
        estimate=worst.mean,
        ci=worst.interval(estimate.alpha),
        unit=f"{evidence.words.symbol} of the branches ({worst.name})",
        p_value=worst.p_gone,
        rows=tuple(kind.name for kind in kinds),
        at_least=at_least,
    )


def intervention_units(evidence: Evidence, estimate: Estimate) -> pl.DataFrame:
    """Return the blocks of C8 with enough seeds, for each kind of intervention: the gap is gone, or it is still there.

    A seed of a block counts once, with its mean gap over the SGDM runs.
    """
    seeds = _without_sharpening(evidence[INTERVENTIONS]).group_by(*_UNIT, "seed", maintain_order=True).agg(_MEAN_GAPS)
    blocks = seeds.partition_by(_UNIT, maintain_order=True)
    rows = [_unit_row(block, evidence.margin) for block in blocks if len(block) >= estimate.min_seeds]
    units = pl.DataFrame(rows, schema=_UNIT_SCHEMA)
    return units_frame("C8", units, pl.col("p_holds"), pl.col("p_contradicts"))


def _unit_row(block: pl.DataFrame, margin: float) -> dict[str, object]:
    parents, branches = np.asarray(block["gap_parent"]), np.asarray(block["gap_branch"])
    tests = {"p_holds": _p_gone(parents, branches, margin), "p_contradicts": p_greater(branches, margin)}
    return block.select(_UNIT).row(0, named=True) | tests


def _without_sharpening(branches: pl.DataFrame) -> pl.DataFrame:
    """Return the branches that lost the sharpening which their parent had, with both gaps."""
    lost = branches.filter(pl.col("sharpened_parent") & ~pl.col("sharpened_branch"))
    return lost.drop_nulls(["gap_parent", "gap_branch"])


def intervention_power(evidence: Evidence, estimate: Estimate) -> Power:
    """Say why no power can be given."""
    if evidence[INTERVENTIONS].is_empty():
        return Power("not estimable without branches: train some first (`branch_steps`), three seeds at least")
    return Power("not estimable: how many branches lose the sharpening is not known beforehand")


@dataclass(frozen=True)
class _Kind:
    """One kind of intervention. parents, branches: the mean gap of each unit with a gap to lose, (n_units,).

    p_parents: that the parents' gap is within the margin or below; p_branches: that the branches' is not within it;
    p_remaining: that it is not above it. n_left_out: blocks in which the parents have no gap that could be lost.
    """

    name: str
    measure: str
    unit: str
    parents: Sample
    branches: Sample
    margin: float
    p_parents: float
    p_branches: float
    p_remaining: float
    n_left_out: int

    @classmethod
    def of(cls, rows: pl.DataFrame, evidence: Evidence, estimate: Estimate) -> _Kind:
        """Test the rows of tables.INTERVENTIONS of one kind."""
        margin = evidence.margin
        blocks = rows.partition_by(BLOCK, maintain_order=True)
        with_gap = [block for block, p in zip(blocks, _p_of_gaps(blocks, margin), strict=True) if p <= estimate.alpha]
        chosen = pl.concat(with_gap) if with_gap else rows.clear()
        unit, parents, branches = _means_of_units(chosen, estimate)
        return cls(
            str(rows["intervention"][0]),
            evidence.words.measure,
            unit,
            parents,
            branches,
            margin,
            p_parents=_one_if_none(p_greater(parents, margin)),
            p_branches=_one_if_none(p_equivalent(branches, margin)),
            p_remaining=_one_if_none(p_greater(branches, margin)),
            n_left_out=len(blocks) - len(with_gap),
        )

    @property
    def p_gone(self) -> float:
        """That the gap was not there, or is not gone: both tests must reject, an intersection-union test."""
        return max(self.p_parents, self.p_branches)

    @property
    def sentence(self) -> str:
        """What was found, for the reason."""
        if not len(self.branches):
            return (
                f"{self.name}: in none of {self.n_left_out} blocks is the gap of the runs left alone shown to be above "
                f"{self.margin:g}, so there was none to lose"
            )
        left_out = f"; blocks without a gap to lose left out: {self.n_left_out}" if self.n_left_out else ""
        return (
            f"{self.name}: without the sharpening the {self.measure} is {self.branches.mean():+.3f} (p that it is "
            f"beyond ±{self.margin:g}: {self.p_branches:.3g}), with it {self.parents.mean():+.3f} (p that it is at "
            f"most {self.margin:g}: {self.p_parents:.3g}; n = {len(self.branches)} {self.unit}{left_out})"
        )

    @property
    def mean(self) -> float | None:
        """The mean gap of the branches; None where no block has a gap to lose."""
        return float(self.branches.mean()) if len(self.branches) else None

    def interval(self, alpha: float) -> tuple[float, float] | None:
        """Return Student's interval of the branches' mean gap."""
        interval = t_interval(self.branches, alpha)
        return interval and interval[1:]


def _p_of_gaps(blocks: list[pl.DataFrame], margin: float) -> list[float]:
    """Test in each block that the parents have no gap above the margin, over its seeds (Holm over the blocks).

    Without the correction, one block of many would seem to have a gap that could be lost.
    """
    seeds = [np.asarray(block.group_by("seed", maintain_order=True).agg(_MEAN_GAPS)["gap_parent"]) for block in blocks]
    return holm([_one_if_none(p_greater(gaps, margin)) for gaps in seeds])


def _p_gone(parents: Sample, branches: Sample, margin: float) -> float:
    """Test that the parents have a gap and the branches none: both at alpha, an intersection-union test."""
    return max(_one_if_none(p_greater(parents, margin)), _one_if_none(p_equivalent(branches, margin)))


def _one_if_none(p_value: float | None) -> float:
    return 1.0 if p_value is None else p_value


def _means_of_units(rows: pl.DataFrame, estimate: Estimate) -> tuple[str, Sample, Sample]:
    """Return the unit and its mean gaps: blocks where there are `min_cells` of them, else seeds."""
    blocks = rows.group_by(BLOCK, maintain_order=True).agg(_MEAN_GAPS)
    seeds = rows.group_by("seed", maintain_order=True).agg(_MEAN_GAPS)
    unit, means = ("blocks", blocks) if len(blocks) >= estimate.min_cells else ("seeds", seeds)
    return unit, np.asarray(means["gap_parent"]), np.asarray(means["gap_branch"])


CLAIM = Claim(
    id="C8",
    statement="Without the abrupt sharpening, SGD and SGDM do not part.",
    table=INTERVENTIONS,
    judge=judge_intervention,
    power=intervention_power,
    units=intervention_units,
)
