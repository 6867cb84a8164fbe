"""C8: whether removing the sharpening by intervention removes the parting: the causal claim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mstudy.core.params import Estimate
from mstudy.estimate.claims.claim import Answer, Claim, Power, untestable, verdict_of
from mstudy.estimate.claims.evidence import Evidence
from mstudy.pairs.seed_tests import Sample, holm, p_equivalent, p_greater, t_interval
from mstudy.tables.contracts import INTERVENTIONS
from mstudy.tables.table import BLOCK

_NO_BRANCHES = (
    "no run in which sharpening was intervened upon is here; it would take SGD runs branched before their sharpening "
    "(`branch_steps` of a study, or `branch_of` and `intervention` in logs), one for each of at least {} seeds"
)


def judge_intervention(evidence: Evidence, estimate: Estimate) -> Answer:
    """Judge C8 for each kind of intervention, over the branches that did remove their parent's sharpening.

    Supported: the parents' gap lies above the margin and the branches' gap is equivalent within it, for every kind.
    Contradicted: the branches' gap of one kind still lies above the margin (Holm).
    """
    branches = evidence[INTERVENTIONS]
    if branches.is_empty():
        return untestable(_NO_BRANCHES.format(estimate.min_seeds), 0, "branches")
    removed = branches.filter(pl.col("sharpened_parent") & ~pl.col("sharpened_branch"))
    removed = removed.drop_nulls(["gap_parent", "gap_branch"])
    parts = [part for part in removed.partition_by("intervention") if part["seed"].n_unique() >= estimate.min_seeds]
    if not parts:
        why = (
            f"{branches['branch_run_id'].n_unique()} branches are here, but in no kind of intervention did at least "
            f"{estimate.min_seeds} seeds lose the sharpening that their parents had"
        )
        return untestable(why, len(removed), "branches without it")
    kinds = [_Kind.of(part, evidence.margin, estimate) for part in parts]
    worst = max(kinds, key=lambda kind: kind.p_gone)
    remaining = holm([kind.p_remaining for kind in kinds])
    return Answer(
        verdict_of(worst.p_gone <= estimate.alpha, min(remaining) <= estimate.alpha),
        "; ".join(kind.sentence for kind in kinds) + ".",
        n=len(worst.branches),
        n_unit=worst.unit,
        estimate=float(worst.branches.mean()),
        ci=worst.interval(estimate.alpha),
        unit=f"log L_SGD / L_SGDM of the branches ({worst.name})",
        p_value=worst.p_gone,
        rows=tuple(kind.name for kind in kinds),
    )


def intervention_power(evidence: Evidence, estimate: Estimate) -> Power:
    """Say why no power can be given."""
    if evidence[INTERVENTIONS].is_empty():
        return Power("not estimable without branches: train some first (`branch_steps`), three seeds at least")
    return Power("not estimable: how many branches lose the sharpening is not known beforehand")


@dataclass(frozen=True)
class _Kind:
    """One kind of intervention. parents, branches: the mean gap of each unit, (n_units,).

    p_gone: that the parents have no gap, or the branches have one. p_remaining: that the branches have none.
    """

    name: str
    unit: str
    parents: Sample
    branches: Sample
    p_gone: float
    p_remaining: float

    @classmethod
    def of(cls, rows: pl.DataFrame, margin: float, estimate: Estimate) -> _Kind:
        """Test the rows of tables.INTERVENTIONS of one kind."""
        unit, parents, branches = _means_of_units(rows, estimate)
        # Both must hold, each at alpha: an intersection-union test.
        p_gone = max(_one_if_none(p_greater(parents, margin)), _one_if_none(p_equivalent(branches, margin)))
        p_remaining = _one_if_none(p_greater(branches, margin))
        return cls(str(rows["intervention"][0]), unit, parents, branches, p_gone, p_remaining)

    @property
    def sentence(self) -> str:
        """What was found, for the reason."""
        return (
            f"{self.name}: without the sharpening the log loss ratio is {self.branches.mean():+.3f}, with it "
            f"{self.parents.mean():+.3f} (p that the gap is not gone {self.p_gone:.3g}, n = {len(self.branches)} "
            f"{self.unit})"
        )

    def interval(self, alpha: float) -> tuple[float, float] | None:
        """Return Student's interval of the branches' mean gap."""
        interval = t_interval(self.branches, alpha)
        return interval and interval[1:]


def _one_if_none(p_value: float | None) -> float:
    return 1.0 if p_value is None else p_value


def _means_of_units(rows: pl.DataFrame, estimate: Estimate) -> tuple[str, Sample, Sample]:
    """Return the unit and its mean gaps: blocks where there are `min_cells` of them, else seeds."""
    blocks = rows.group_by(BLOCK, maintain_order=True).agg(pl.col("gap_parent", "gap_branch").mean())
    seeds = rows.group_by("seed", maintain_order=True).agg(pl.col("gap_parent", "gap_branch").mean())
    unit, means = ("blocks", blocks) if len(blocks) >= estimate.min_cells else ("seeds", seeds)
    return unit, np.asarray(means["gap_parent"]), np.asarray(means["gap_branch"])


CLAIM = Claim(
    id="C8",
    statement="Without the abrupt sharpening, SGD and SGDM do not part.",
    table=INTERVENTIONS,
    judge=judge_intervention,
    power=intervention_power,
)
