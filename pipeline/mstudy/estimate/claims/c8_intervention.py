"""C8: whether removing the sharpening by intervention removes the parting: the causal claim."""

from __future__ import annotations

import numpy as np
import polars as pl

from mstudy.core.params import Estimate
from mstudy.estimate.claims.at_least import UnitWords, bound_units, reaches_share, units_frame
from mstudy.estimate.claims.claim import Answer, Claim, Power, untestable, verdict_of
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.event_times.contrasts import MEANS, lost_sharpening, with_controls
from mstudy.estimate.event_times.treated_kinds import Kind, one_if_none, p_gone_of
from mstudy.pairs.seed_tests import holm, p_greater
from mstudy.tables.contracts import INTERVENTIONS
from mstudy.tables.table import BLOCK

_GONE = UnitWords("The gap is gone with the sharpening, by more than the treatment does anyway,", "blocks")
_NO_BRANCHES = (
    "no run in which sharpening was intervened upon is here; it would take branches of SGD runs from just before their "
    "sharpening and from a control time (`mstudy branch`, or `branch_of` and `intervention` in logs), for each of at "
    "least {} seeds"
)

_UNIT = (*BLOCK, "intervention")
_UNIT_SCHEMA = {name: INTERVENTIONS.schema[name] for name in _UNIT} | dict.fromkeys(
    ("p_holds", "p_contradicts"), pl.Float64()
)


def judge_intervention(evidence: Evidence, estimate: Estimate) -> Answer:
    """Judge C8 for each kind of intervention on SGD, over the branches that did remove their parent's sharpening.

    Blocks whose parents have no gap above the margin have none to lose: they are left out and counted. Supported: by a
    kind other than momentum the branches' gap is equivalent within the margin, and more of the gap goes than at the
    control time (Holm over these kinds). Contradicted: the gap of one kind still lies above the margin (Holm).
    """
    branches = with_controls(evidence[INTERVENTIONS].filter(~pl.col("of_sgdm").fill_null(False)))
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
    kinds = [Kind.of(part, evidence.margin, evidence.words, estimate) for part in parts]
    deciding = [kind for kind in kinds if kind.can_support]
    p_support = holm([kind.p_holds for kind in deciding])
    chosen = min(deciding or kinds, key=lambda kind: kind.p_holds if deciding else -kind.p_gone)
    remaining = holm([kind.p_remaining for kind in kinds])
    units = intervention_units(evidence, estimate)
    at_least = bound_units(units, _GONE, estimate.alpha, estimate.alpha)
    n_missing = len(removed.filter(_can_support()).select(_UNIT).unique()) - len(units)
    mostly = reaches_share(at_least, units, n_missing, estimate)
    supported = min(p_support, default=1.0) <= estimate.alpha
    return Answer(
        verdict_of(supported, min(remaining) <= estimate.alpha, mostly),
        "; ".join(kind.sentence for kind in kinds) + ".",
        n=len(chosen.branches),
        n_unit=chosen.unit,
        estimate=chosen.mean,
        ci=chosen.interval(estimate.alpha),
        unit=chosen.unit_of_mean,
        p_value=min(p_support, default=None),
        rows=tuple(kind.name for kind in kinds),
        at_least=at_least,
    )


def intervention_units(evidence: Evidence, estimate: Estimate) -> pl.DataFrame:
    """Return the blocks of C8 with enough seeds, for each kind of intervention that can support it.

    A seed of a block counts once, with its means over the SGDM runs.
    """
    of_sgd = evidence[INTERVENTIONS].filter(~pl.col("of_sgdm").fill_null(False))
    removed = _without_sharpening(with_controls(of_sgd)).filter(_can_support())
    seeds = removed.group_by(*_UNIT, "seed", maintain_order=True).agg(pl.col(MEANS).mean())
    blocks = seeds.partition_by(_UNIT, maintain_order=True)
    rows = [_unit_row(block, evidence.margin) for block in blocks if len(block) >= estimate.min_seeds]
    units = pl.DataFrame(rows, schema=_UNIT_SCHEMA)
    return units_frame("C8", units, pl.col("p_holds"), pl.col("p_contradicts"))


def _unit_row(block: pl.DataFrame, margin: float) -> dict[str, object]:
    parents, branches, contrasts = (np.asarray(block[name]) for name in ("gap_parent", "gap_branch", "contrast"))
    p_holds = max(p_gone_of(parents, branches, margin), one_if_none(p_greater(contrasts, 0.0)))
    tests = {"p_holds": p_holds, "p_contradicts": p_greater(branches, margin)}
    return block.select(_UNIT).row(0, named=True) | tests


def _without_sharpening(branches: pl.DataFrame) -> pl.DataFrame:
    """Return the branches that lost the sharpening which their parent had, with both gaps."""
    return branches.filter(lost_sharpening()).drop_nulls(["gap_parent", "gap_branch"])


def _can_support() -> pl.Expr:
    """Select branches that do not go on with momentum, and have a control.

    A branch with momentum is SGDM from there on, and one without a control may only train faster.
    """
    return ~pl.col("by_momentum").fill_null(False) & pl.col("contrast").is_not_null()


def intervention_power(evidence: Evidence, estimate: Estimate) -> Power:
    """Say why no power can be given."""
    if evidence[INTERVENTIONS].is_empty():
        return Power("not estimable without branches: train some first (`mstudy branch`), three seeds at least")
    return Power("not estimable: how many branches lose the sharpening is not known beforehand")


CLAIM = Claim(
    id="C8",
    statement="Without the abrupt sharpening, SGD and SGDM do not part.",
    table=INTERVENTIONS,
    judge=judge_intervention,
    power=intervention_power,
    units=intervention_units,
)
