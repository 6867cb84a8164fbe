"""The runs whose curves the page holds: all of them, or of a large study whole blocks in which something happens."""

from __future__ import annotations

import polars as pl

from mstudy.core.optimizers import SGD
from mstudy.core.params import Report
from mstudy.core.statuses import PartingStatus, SharpeningStatus
from mstudy.report.results import Results
from mstudy.tables.contracts import PARTINGS, RUNS, SHARPENINGS
from mstudy.tables.table import BLOCK, SETTING

# What tells branches of a cell apart. A step that was not planned but found differs between seeds.
BRANCH = ("intervention", "intervention_at", "planned_step")


def drawn_runs(results: Results, report: Report) -> list[str]:
    """Return the run_ids whose curves the page holds: `build_explorer` needs the points of no other."""
    runs = ranked_runs(results)
    return runs.join(blocks_within(runs, report.max_runs), on=BLOCK, how="semi")["run_id"].to_list()


def ranked_runs(results: Results) -> pl.DataFrame:
    """Return runs but twins block by block: settings of more batch sizes first; in each, those in which SGD sharpens
    most.

    Then larger batches and lower rates before others; branches last. The first block is what the page starts with.
    """
    happened = results[SHARPENINGS].select("run_id", (pl.col("status") == SharpeningStatus.DETECTED).alias("sharpens"))
    runs = results[RUNS].filter(pl.col("twin_of").is_null()).join(happened, on="run_id", how="left")
    parted = results[PARTINGS].group_by(BLOCK).agg((pl.col("status") == PartingStatus.PARTED).sum().alias("n_parted"))
    left_alone = (pl.col("optimizer") == SGD) & pl.col("branch_of").is_null()
    ranked = runs.join(parted, on=BLOCK, how="left").with_columns(
        pl.col("batch_size").n_unique().over(SETTING).alias("breadth"),
        (pl.col("sharpens") & left_alone).sum().over(BLOCK).alias("n_sgd"),
        pl.col("sharpens").sum().over(BLOCK).alias("n_any"),
        pl.when(pl.col("intervention_at").is_null()).then("intervention_step").alias("planned_step"),
    )
    order = ["n_sgd", "n_any", "n_parted", "batch_size", "eta_ef"]
    return ranked.sort(
        "breadth",
        *SETTING,
        *order,
        pl.col("branch_of").is_not_null(),
        "momentum",
        "optimizer",
        *BRANCH,
        "seed",
        descending=[True, *[False] * len(SETTING), *[True] * (len(order) - 1), *[False] * (5 + len(BRANCH))],
        nulls_last=True,
    )


def blocks_within(runs: pl.DataFrame, max_runs: int) -> pl.DataFrame:
    """Return the first blocks that together hold at most `max_runs` runs, and one in any case."""
    sizes = runs.group_by(BLOCK, maintain_order=True).len()
    return sizes.filter((pl.col("len").cum_sum() <= max_runs) | (pl.int_range(pl.len()) == 0)).select(BLOCK)
