"""C8: whether removing the sharpening by intervention removes the parting: the causal claim."""

from __future__ import annotations

import numpy as np
import polars as pl

from mstudy.core.params import Estimate
from mstudy.estimate.claims.claim import Claim, untestable, verdict_of
from mstudy.estimate.claims.evidence import Evidence
from mstudy.pairs.seed_tests import Sample, holm, p_equivalent, p_greater, t_interval
from mstudy.tables.table import BLOCK

_NONE = (
    "no run in which sharpening was intervened upon is here; it would take SGD runs branched before their sharpening "
    "(`branch_steps` of a study, or `branch_of` and `intervention` in logs), one for each of at least {} seeds"
)


def judge_intervention(evidence: Evidence, estimate: Estimate) -> Claim:
    """C8, from tables.INTERVENTIONS."""
    return intervention(evidence.interventions, evidence.margin, estimate)


def intervention(rows: pl.DataFrame, margin: float, estimate: Estimate) -> Claim:
    """Per kind of intervention, over branches that did remove their parent's sharpening: is the gap gone?

    Supported: parents' gap above the margin and branches' equivalent within it, for every kind. Contradicted: a
    kind's gap is still above the margin (Holm). Unit: blocks where there are `min_cells`, else seeds.
    """
    if rows.is_empty():
        return untestable("C8", "interventions", _NONE.format(estimate.min_seeds), 0, "branches")
    removed = rows.filter(pl.col("sharpened_parent") & ~pl.col("sharpened_branch")).drop_nulls(
        ["gap_parent", "gap_branch"]
    )
    kinds = [kind for kind in removed.partition_by("intervention") if kind["seed"].n_unique() >= estimate.min_seeds]
    if not kinds:
        why = (
            f"{rows['branch_run_id'].n_unique()} branches are here, but in no kind of intervention did at least "
            f"{estimate.min_seeds} seeds lose the sharpening that their parents had"
        )
        return untestable("C8", "interventions", why, len(removed), "branches without it")
    found = [_Kind(kind, margin, estimate) for kind in kinds]
    remaining = holm([kind.p_remaining for kind in found])
    worst = max(found, key=lambda kind: kind.p_gone)
    return Claim(
        "C8",
        verdict_of(max(k.p_gone for k in found) <= estimate.alpha, min(remaining) <= estimate.alpha),
        "; ".join(kind.words for kind in found) + ".",
        "interventions",
        worst.n,
        worst.unit,
        float(worst.branch.mean()),
        worst.interval,
        f"log L_SGD / L_SGDM of the branches ({worst.name})",
        worst.p_gone,
        tuple(kind.name for kind in found),
    )


class _Kind:
    """One kind of intervention. p_gone: of parents without a gap or branches with one; p_remaining: of none."""

    def __init__(self, rows: pl.DataFrame, margin: float, estimate: Estimate) -> None:
        self.name = str(rows["intervention"][0])
        self.unit, parents, self.branch = _units(rows, estimate)
        self.n = len(self.branch)
        # Both must hold, each at alpha: an intersection-union test.
        self.p_gone = max(_certain(p_greater(parents, margin)), _certain(p_equivalent(self.branch, margin)))
        self.p_remaining = _certain(p_greater(self.branch, margin))
        interval = t_interval(self.branch, estimate.alpha)
        self.interval = (interval[1], interval[2]) if interval else None
        self.words = (
            f"{self.name}: without the sharpening the log loss ratio is {self.branch.mean():+.3f}, with it "
            f"{parents.mean():+.3f} (p that the gap is not gone {self.p_gone:.3g}, n = {self.n} {self.unit})"
        )


def _certain(p_value: float | None) -> float:
    return 1.0 if p_value is None else p_value


def _units(rows: pl.DataFrame, estimate: Estimate) -> tuple[str, Sample, Sample]:
    """Means per block where there are enough of them, else per seed."""
    blocks = rows.group_by(BLOCK, maintain_order=True).agg(pl.col("gap_parent", "gap_branch").mean())
    seeds = rows.group_by("seed", maintain_order=True).agg(pl.col("gap_parent", "gap_branch").mean())
    unit, means = ("blocks", blocks) if len(blocks) >= estimate.min_cells else ("seeds", seeds)
    return unit, np.asarray(means["gap_parent"]), np.asarray(means["gap_branch"])
