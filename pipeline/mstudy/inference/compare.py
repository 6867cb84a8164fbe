"""SGD against SGDM: the advantage of each cell and the parting of each pair."""

from __future__ import annotations

import polars as pl

from mstudy.events.detect import generator_for
from mstudy.events.parting import LossCurve, Pair, find_partings
from mstudy.inference.pairs import log_ratio, pair_runs
from mstudy.inference.seeds import bootstrap_interval, p_equivalent, p_greater, p_less
from mstudy.params import Compare
from mstudy.tables import ADVANTAGE, CELL, PARTINGS


def measure_advantage(runs: pl.DataFrame, compare: Compare) -> pl.DataFrame:
    """One row a cell (tables.ADVANTAGE): the mean log ratio of final losses over seeds, its interval, its tests."""
    pairs = pair_runs(runs)
    pairs = pairs.with_columns(log_ratio(pairs, compare.diverged_log_ratio))
    rows = []
    for cell in pairs.partition_by(CELL):
        sample = cell["log_ratio"].drop_nulls().to_numpy()
        rng = generator_for(_name(cell), compare.seed)
        interval = bootstrap_interval(sample, compare.alpha, compare.resamples, rng)
        sgd, sgdm = cell["sgd_diverged_step"].is_not_null(), cell["sgdm_diverged_step"].is_not_null()
        rows.append(
            {
                **cell.select(*CELL, "eta_ef_per_sample").row(0, named=True),
                "log_ratio": float(sample.mean()) if len(sample) else None,
                "ci_low": interval[0] if interval else None,
                "ci_high": interval[1] if interval else None,
                "log_ratio_sd": float(sample.std(ddof=1)) if len(sample) > 1 else None,
                "equivalence_p": p_equivalent(sample, compare.margin),
                "superiority_p": p_greater(sample, compare.margin),
                "inferiority_p": p_less(sample, -compare.margin),
                "n_seeds": len(cell),
                "n_diverged_sgd": int(sgd.sum()),
                "n_diverged_sgdm": int(sgdm.sum()),
                "n_diverged_both": int((sgd & sgdm).sum()),
            }
        )
    return ADVANTAGE.frame(rows)


def find_all_partings(runs: pl.DataFrame, points: pl.DataFrame, compare: Compare) -> pl.DataFrame:
    """One row a pair (tables.PARTINGS). points: one row a logged step, in order within a run."""
    pairs = pair_runs(runs)
    pairs = pairs.with_columns(log_ratio(pairs, compare.diverged_log_ratio))
    logs = points.partition_by("run_id", as_dict=True)

    def curve(run_id: str, diverged_step: int | None) -> LossCurve:
        log = logs[(run_id,)].filter((pl.col("loss") > 0) & pl.col("loss").is_finite())
        return LossCurve(log["step"].to_numpy(), log["loss"].to_numpy(), diverged_step)

    rows = []
    for cell in pairs.partition_by(CELL):
        curves = [
            Pair(
                curve(row["sgd_run_id"], row["sgd_diverged_step"]),
                curve(row["sgdm_run_id"], row["sgdm_diverged_step"]),
            )
            for row in cell.iter_rows(named=True)
        ]
        rng = generator_for(_name(cell), compare.seed)
        partings, p_value = find_partings(curves, cell["momentum"][0], compare, rng)
        for row, parting in zip(cell.iter_rows(named=True), partings, strict=True):
            keys = {key: row[key] for key in (*CELL, "seed", "sgd_run_id", "sgdm_run_id")}
            rows.append(keys | vars(parting) | {"gap": row["log_ratio"], "cell_p_value": p_value})
    return PARTINGS.frame(rows)


def _name(cell: pl.DataFrame) -> str:
    return "|".join(str(value) for value in cell.select(CELL).row(0))
