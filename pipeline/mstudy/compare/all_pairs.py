"""The parting of every pair and cell: frames in, frames out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from mstudy.compare.cell_parting import CellParting, find_partings
from mstudy.compare.closed_stretches import Closing
from mstudy.compare.openings import find_openings
from mstudy.core.losses.scale import Scale
from mstudy.core.params import Compare, Margins
from mstudy.core.statuses import PartingStatus
from mstudy.pairs.gap import LossCurve, Pair
from mstudy.pairs.loss_units import level
from mstudy.pairs.pairing import log_ratio, pair_runs
from mstudy.tables.contracts import CELL_PARTINGS, OPENINGS, PARTINGS
from mstudy.tables.table import CELL


@dataclass(frozen=True)
class Partings:
    """pairs: one row a pair (tables.PARTINGS). openings: one row an opening of a gap (tables.OPENINGS). cells: one row
    a cell (tables.CELL_PARTINGS).
    """

    pairs: pl.DataFrame
    openings: pl.DataFrame
    cells: pl.DataFrame


def find_all_partings(runs: pl.DataFrame, points: pl.DataFrame, margins: Margins, compare: Compare) -> Partings:
    """Find when each pair and each cell part. points: one row a logged step, in order within a run.

    The losses of `runs` and of `points` are as `in_units` returns them.
    """
    pairs, scale = pair_runs(runs), Scale(compare.scale)
    pairs = pairs.with_columns(log_ratio(pairs, margins.diverged, scale))
    curves = _Curves(runs, points, scale)
    rows: list[dict[str, Any]] = []
    openings: list[dict[str, Any]] = []
    cells: list[dict[str, Any]] = []
    for cell in pairs.partition_by(CELL):
        members = list(cell.iter_rows(named=True))
        each = [Pair(curves.of(row["sgd_run_id"]), curves.of(row["sgdm_run_id"])) for row in members]
        twins = curves.twins([row[side] for row in members for side in ("sgd_run_id", "sgdm_run_id")])
        cell_parting = find_partings(each, members[0]["momentum"], compare, members[0]["optimizer"], twins)
        opened = find_openings(
            each,
            cell_parting.pairs,
            members[0]["optimizer"],
            members[0]["momentum"],
            Closing(cell_parting.margin, compare.recurring_gap),
        )
        for row, parting, of_pair in zip(members, cell_parting.pairs, opened, strict=True):
            keys = {key: row[key] for key in (*CELL, "seed", "sgd_run_id", "sgdm_run_id")}
            openings += [keys | {"index": index} | vars(opening) for index, opening in enumerate(of_pair)]
            rows.append(keys | vars(parting) | {"gap": row["log_ratio"], "cell_p_value": cell_parting.p_value})
        cells.append({key: members[0][key] for key in CELL} | _cell_row(cell, cell_parting))
    return Partings(PARTINGS.frame(rows), OPENINGS.frame(openings), CELL_PARTINGS.frame(cells))


def _cell_row(cell: pl.DataFrame, cell_parting: CellParting) -> dict[str, Any]:
    return {name: value for name, value in vars(cell_parting).items() if name != "pairs"} | {
        "n_pairs": len(cell),
        "n_parted": sum(parting.status == PartingStatus.PARTED for parting in cell_parting.pairs),
        "n_diverged_sgd": cell["sgd_diverged_step"].count(),
        "n_diverged_sgdm": cell["sgdm_diverged_step"].count(),
    }


class _Curves:
    """The loss curves of a study, by run_id."""

    def __init__(self, runs: pl.DataFrame, points: pl.DataFrame, scale: Scale) -> None:
        self._scale = scale
        usable = points.select("run_id", "step", "loss").filter(level(pl.col("loss"), scale).is_finite())
        self._logs, self._none = usable.partition_by("run_id", as_dict=True), usable.clear()
        self._diverged = dict(runs.select("run_id", "diverged_step").iter_rows())
        # Those that state their kind are few, and of some cells: a margin of their own would make cells unlike.
        null = runs.filter(pl.col("twin_of").is_not_null() & pl.col("twin_kind").is_null())
        self._twins = null.select("run_id", "twin_of").rows()

    def of(self, run_id: str) -> LossCurve:
        """Return the curve; without rows where a run diverged before any loss that can be compared."""
        log = self._logs.get((run_id,), self._none)
        return LossCurve(log["step"].to_numpy(), log["loss"].to_numpy(), self._diverged[run_id], self._scale)

    def twins(self, run_ids: list[str]) -> list[tuple[LossCurve, LossCurve]]:
        """Return each twin of these runs with the run that it repeats. Diverged twins are left out."""
        pairs = [(of, twin) for twin, of in self._twins if of in run_ids]
        return [(self.of(a), self.of(b)) for a, b in pairs if self._diverged[a] is None and self._diverged[b] is None]
