"""What a treatment does at the sharpening, less what it does anyway: contrasts of branches, paired over seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from mstudy.core.params import Estimate
from mstudy.core.statuses import BranchTime
from mstudy.pairs.seed_tests import Sample, p_greater, t_interval
from mstudy.tables.contracts import TREATMENTS
from mstudy.tables.table import BLOCK, CELL, SETTING

_PAIR = (*CELL, "seed", "intervention")
MEANS = ("gap_parent", "gap_branch", "effect", "effect_control", "contrast")


def with_controls(interventions: pl.DataFrame) -> pl.DataFrame:
    """Return the branches before a sharpening, each with the effect of its control and the contrast of the two.

    interventions: tables.INTERVENTIONS. An effect is the part of the gap that went: `gap_parent` less `gap_branch`.
    The control is the branch of the same run by the same treatment at the control time; both columns are null where
    there is none, or one of the two diverged. A branch that does not say its time is taken for one before a sharpening.
    """
    effects = interventions.with_columns((pl.col("gap_parent") - pl.col("gap_branch")).alias("effect"))
    is_control = (pl.col("intervention_at") == BranchTime.CONTROL).fill_null(False)
    own = pl.col("effect").alias("effect_control"), pl.lit(True).alias("has_control")
    controls = effects.filter(is_control).select(*_PAIR, *own)
    controls = controls.unique(_PAIR, keep="first", maintain_order=True)
    both = effects.filter(~is_control).join(controls, on=_PAIR, how="left", maintain_order="left")
    contrast = pl.col("effect") - pl.col("effect_control")
    return both.with_columns(contrast.alias("contrast"), pl.col("has_control").fill_null(False))


def lost_sharpening() -> pl.Expr:
    """Select branches without the sharpening that their parent had."""
    return pl.col("sharpened_parent") & ~pl.col("sharpened_branch")


@dataclass(frozen=True)
class Units:
    """Means of the units of some branches. name: blocks where there are `min_cells` of them, else seeds."""

    name: str
    means: pl.DataFrame

    @classmethod
    def of(cls, rows: pl.DataFrame, estimate: Estimate) -> Units:
        """Average the branches of each unit; a seed of a block may count with several SGDM runs."""
        blocks = rows.group_by(BLOCK, maintain_order=True).agg(pl.col(MEANS).mean())
        if len(blocks) >= estimate.min_cells:
            return cls("blocks", blocks)
        return cls("seeds", rows.group_by("seed", maintain_order=True).agg(pl.col(MEANS).mean()))

    def sample(self, column: str) -> Sample:
        """Return the mean of each unit that has one."""
        return np.asarray(self.means[column].drop_nulls(), dtype=float)


def measure_treatments(interventions: pl.DataFrame, estimate: Estimate) -> pl.DataFrame:
    """Return what each treatment with a control does (tables.TREATMENTS); none without controls."""
    known = with_controls(interventions).filter("has_control")
    parts = known.partition_by(*SETTING, "intervention", maintain_order=True)
    return TREATMENTS.frame([_row(part, estimate) for part in parts])


def _row(part: pl.DataFrame, estimate: Estimate) -> dict[str, Any]:
    """Return the row of one treatment; its means are of the branches that, like their controls, did not diverge."""
    whole = part.drop_nulls("contrast")
    units = Units.of(whole, estimate)
    contrast = units.sample("contrast")
    row = part.select(*SETTING, "intervention", "by_momentum", "of_sgdm").row(0, named=True)
    row |= {"unit": units.name, "n": len(contrast), "n_branches": part["branch_run_id"].n_unique()}
    row["n_diverged"] = row["n_branches"] - whole["branch_run_id"].n_unique()
    row["n_removed"] = whole.filter(lost_sharpening())["branch_run_id"].n_unique()
    row |= {name: _mean(units.sample(name)) for name in ("gap_parent", "gap_branch")}
    for name, column in (("effect_sharpening", "effect"), ("effect_control",) * 2, ("contrast",) * 2):
        interval = t_interval(units.sample(column), estimate.alpha)
        row[name] = _mean(units.sample(column))
        row[f"{name}_low"], row[f"{name}_high"] = (None, None) if interval is None else interval[1:]
    return row | {"p_value": p_greater(contrast, 0.0)}


def _mean(sample: Sample) -> float | None:
    return float(sample.mean()) if len(sample) else None
