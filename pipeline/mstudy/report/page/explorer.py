"""Every run's curves and events, for the page's linked charts: what one control or one click picks from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mstudy.core.losses.scale import Scale
from mstudy.core.params import Report
from mstudy.core.quantities import LOSS
from mstudy.core.statuses import SHARPENING_KINDS
from mstudy.core.theory import stability_line_of
from mstudy.pairs.gap import LossCurve
from mstudy.report.charts.theme import line_name, run_label, short
from mstudy.report.page.branches.gaps import branch_gaps
from mstudy.report.page.curves import Curve, drawn_gap, losses_in_units, median_curve
from mstudy.report.page.downsample import spike_rows
from mstudy.report.page.drawn_quantities import Drawn, quantities_drawn, quantities_seen
from mstudy.report.page.drawn_runs import BRANCH, blocks_within, ranked_runs
from mstudy.report.page.encode import columns, pack, pack_steps
from mstudy.report.page.sentences import block_sentence, pair_sentence, run_sentence
from mstudy.report.results import Results
from mstudy.report.sections.base import BranchesShown
from mstudy.tables.contracts import PARTINGS, SHARPENING_EVENTS, SHARPENINGS
from mstudy.tables.table import BLOCK

Log = dict[str, Curve]  # by the names of the quantities drawn


@dataclass(frozen=True)
class Explorer:
    """data: what page.js draws from, the block to start with first. note: how much of the logs that is.

    drawn: of each panel the quantities that it shows, since the logs have them.
    """

    data: dict[str, Any]
    drawn: Drawn
    note: str


def build_explorer(
    results: Results,
    points: pl.DataFrame,
    report: Report,
    scale: Scale = Scale.LOG,
    branches: Sequence[BranchesShown] = (),
) -> Explorer:
    """Return all that the page needs to draw any block; curves of at most `report.max_runs` runs.

    scale: how losses are compared; by difference they are drawn on a linear axis. branches: those whose gaps are drawn.
    """
    runs = ranked_runs(results)
    blocks = runs.select(BLOCK).unique(maintain_order=True)
    kept = blocks_within(runs, report.max_runs)
    runs_drawn = runs.join(kept, on=BLOCK, maintain_order="left")
    drawn = quantities_drawn(points)
    linear = _on_linear_axes(scale)
    logs = _logs(points, [quantity.name for of_panel in drawn.values() for quantity in of_panel], linear)
    steps = _StepGrids()
    n_drawn = n_logged = 0
    curves = []
    for run_id in runs_drawn["run_id"]:
        packed = {}
        for name, curve in logs[run_id].items():
            log = name not in linear
            rows = spike_rows(np.log(curve[1]) if log else curve[1], report.points_per_curve)
            packed[name] = [steps.index(curve[0][rows]), *pack(curve[1][rows], log)]
            n_drawn, n_logged = n_drawn + len(rows), n_logged + len(curve[0])
        curves.append(packed)
    place = {run_id: k for k, run_id in enumerate(runs_drawn["run_id"])}
    losses = losses_in_units(runs_drawn, results, {run: log[LOSS.name] for run, log in logs.items()}, scale)

    def packed_gap(curve: Curve) -> list[Any]:
        kept = spike_rows(curve[1], report.points_per_curve)
        return [steps.index(curve[0][kept]), *pack(curve[1][kept], log=False)]

    data = {
        "runs": columns(_described(runs_drawn, results)),
        "optimizers": columns(_named(runs_drawn)),
        "curves": curves,
        "events": _events(results, place),
        "pairs": _pairs(results, losses, place, packed_gap),
        "branch_gaps": branch_gaps(results, losses, place, branches, packed_gap),
        "medians": _medians(runs_drawn, logs, steps, [of_panel[0].name for of_panel in drawn.values()], linear),
        "linear": linear,
        "panels": {panel: [quantity.name for quantity in of_panel] for panel, of_panel in drawn.items()},
        "steps": steps.packed,
    }
    note = (
        f"{n_drawn:,} of {n_logged:,} logged points are drawn, every spike kept; medians, events and tests are of all "
        f"points."
    )
    if len(kept) < len(blocks):
        note += (
            f" The page holds the curves of {len(runs_drawn):,} of {len(runs):,} runs: of each study first the "
            f"learning rates at which runs sharpen or part, then the rest by batch size."
        )
    captions = pl.Series("caption", _captions(runs_drawn, results), dtype=pl.String)
    return Explorer(data | {"blocks": columns(kept.with_columns(captions))}, quantities_seen(drawn, points), note)


class _StepGrids:
    """Each distinct list of steps once."""

    def __init__(self) -> None:
        self.packed: list[list[Any]] = []
        self._known: dict[bytes, int] = {}

    def index(self, steps: NDArray[np.int64]) -> int:
        key = steps.tobytes()
        if key not in self._known:
            self._known[key] = len(self.packed)
            self.packed.append(pack_steps(steps))
        return self._known[key]


def _on_linear_axes(scale: Scale) -> list[str]:
    """Return the quantities whose axis is linear; their panel has the same name."""
    match scale:
        case Scale.LOG:
            return []
        case Scale.DIFFERENCE:
            return [LOSS.name]
        case _:
            assert_never(scale)


def _logs(points: pl.DataFrame, names: list[str], linear: list[str]) -> dict[str, Log]:
    """Return the curves of each run, without values that their axis cannot show. Rows of a run stand together."""
    steps = points["step"].to_numpy()
    values = {name: points[name].fill_null(float("nan")).to_numpy() for name in names}
    with np.errstate(invalid="ignore"):
        usable = {name: np.isfinite(column) & ((column > 0) | (name in linear)) for name, column in values.items()}
    lengths = points.group_by("run_id", maintain_order=True).len()
    ends = lengths["len"].cum_sum().to_list()
    logs = {}
    for run_id, start, end in zip(lengths["run_id"], [0, *ends[:-1]], ends, strict=True):
        rows = {name: np.flatnonzero(usable[name][start:end]) + start for name in values}
        logs[run_id] = {name: (steps[rows[name]], values[name][rows[name]]) for name in values}
    return logs


def _described(runs: pl.DataFrame, results: Results) -> pl.DataFrame:
    """Return one row a run: keys, its line, and what is known of it in words."""
    sharpenings = {row["run_id"]: row for row in results[SHARPENINGS].iter_rows(named=True)}
    rows = list(runs.iter_rows(named=True))
    blocks = runs.select(pl.struct(BLOCK).rank("dense")).to_series()
    order = {rank: k for k, rank in enumerate(blocks.unique(maintain_order=True))}
    return pl.DataFrame(
        {
            "block": [order[rank] for rank in blocks],
            "label": [run_label(row) for row in rows],
            "seed": runs["seed"],
            "line": pl.Series([stability_line_of(row) for row in rows], dtype=pl.Float64),
            "diverged_step": runs["diverged_step"],
            "sentence": [run_sentence(row, sharpenings[row["run_id"]]) for row in rows],
            "id": runs["run_id"],
        }
    )


def _named(runs: pl.DataFrame) -> pl.DataFrame:
    """Return one row an optimizer: its label, a short label, and the name of its stability line."""
    run_of = {run_label(run): run for run in runs.iter_rows(named=True)}
    return pl.DataFrame(
        {
            "name": list(run_of),
            "short": [short(name) for name in run_of],
            "line_name": [line_name(run["momentum"], run["optimizer"]) for run in run_of.values()],
        }
    )


def _captions(runs: pl.DataFrame, results: Results) -> list[str]:
    """Return a sentence a block, in their order."""
    labels = [run_label(row) for row in runs.iter_rows(named=True)]
    named = runs.with_columns(pl.Series("label", labels, dtype=pl.String))
    pairs = {key: rows for key, rows in results[PARTINGS].partition_by(BLOCK, as_dict=True).items()}
    none = results[PARTINGS].clear()
    sharpenings = results[SHARPENINGS].join(runs.select("run_id"), on="run_id")
    return [
        block_sentence(rows, sharpenings, pairs.get(rows.select(BLOCK).row(0), none))
        for rows in named.partition_by(BLOCK, maintain_order=True)
    ]


def _events(results: Results, place: dict[str, int]) -> dict[str, list[Any]]:
    """Return jumps (every one of a run) and the steps from which runs stay at their stability line."""
    ends = ("step", "step_low", "step_high")
    sharpens = pl.col("kind").is_in(list(SHARPENING_KINDS))
    jumps = results[SHARPENING_EVENTS].filter(sharpens).select("run_id", pl.lit("sharpens").alias("kind"), *ends)
    reached = (
        results[SHARPENINGS]
        .filter(pl.col("stability_step").is_not_null())
        .select(
            "run_id", pl.lit("reaches its line").alias("kind"), *[pl.col("stability_step").alias(end) for end in ends]
        )
    )
    rows = pl.concat([jumps, reached]).filter(pl.col("run_id").is_in(list(place)))
    run = pl.Series("run", [place[run_id] for run_id in rows["run_id"]], dtype=pl.Int64)
    return columns(rows.drop("run_id").with_columns(run))


def _pairs(
    results: Results, losses: dict[str, LossCurve], place: dict[str, int], packed: Callable[[Curve], list[Any]]
) -> dict[str, list[Any]]:
    """Return one row a pair: its two runs, its parting, and the gap of its losses over the steps."""
    partings = results[PARTINGS].filter(pl.col("sgdm_run_id").is_in(list(place)))
    rows = list(partings.iter_rows(named=True))
    gaps = [
        packed(drawn_gap(losses[row["sgd_run_id"]], losses[row["sgdm_run_id"]], row["optimizer"], row["momentum"]))
        for row in rows
    ]
    return {
        "sgd": [place[row["sgd_run_id"]] for row in rows],
        "sgdm": [place[row["sgdm_run_id"]] for row in rows],
        "sentence": [pair_sentence(row) for row in rows],
        **columns(partings.select("status", "step", "step_low", "step_high")),
        "gap": gaps,
    }


def _medians(
    runs: pl.DataFrame, logs: dict[str, Log], steps: _StepGrids, names: list[str], linear: list[str]
) -> dict[str, list[Any]]:
    """Return the median over seeds of these quantities, block by block and optimizer by optimizer, of all points.

    Interpolated to common steps, in log unless the axis is linear; it ends where fewer than half of the seeds go on.
    None for fewer than three.
    """
    rows: dict[str, list[Any]] = {"first": [], "n": []} | {name: [] for name in names}
    for cell in runs.partition_by(*BLOCK, "optimizer", "momentum", *BRANCH, maintain_order=True):
        if len(cell) < 3:
            continue
        rows["first"].append(int(np.flatnonzero(runs["run_id"] == cell["run_id"][0])[0]))
        rows["n"].append(len(cell))
        for name in names:
            at, values = median_curve([logs[run][name] for run in cell["run_id"]], name not in linear)
            rows[name].append([steps.index(at), *pack(values, name not in linear)])
    return rows
