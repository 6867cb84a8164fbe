"""Numbers of an analysis that can be held against those worked out by hand."""

from __future__ import annotations

import polars as pl
from mstudy.analysis_result import AnalysisResult
from mstudy.core.statuses import CrossingStatus, GridStatus, RunStatus

_NEAR = 1e-3  # of a learning rate: 10^(k/5) is written with few digits


def log_ratio(result: AnalysisResult, optimizer: str, batch_size: int, eta_ef: float) -> float | None:
    """Return log L_SGD / L_SGDM of a cell; None where there is none."""
    rows = result["advantage"].filter(
        pl.col("optimizer") == optimizer,
        pl.col("batch_size") == batch_size,
        (pl.col("eta_ef") / eta_ef - 1).abs() < _NEAR,
        pl.col("matched") == "exact",
    )
    return rows["log_ratio"][0] if len(rows) == 1 else None


def largest_ratio(result: AnalysisResult, below: float) -> float | None:
    """Return the largest size of log L_SGD / L_SGDM up to a learning rate."""
    rows = result["advantage"].filter(pl.col("eta_ef") <= below * (1 + _NEAR), pl.col("matched") == "exact")
    return rows["log_ratio"].abs().max()  # type: ignore[return-value]  # a column of floats


def slope(result: AnalysisResult, optimizer: str) -> float | None:
    """Return the change of the advantage per doubling of the batch size, at matched eta_ef."""
    rows = result["trends"].filter(pl.col("optimizer") == optimizer, pl.col("decides"))
    return rows["slope"][0] if len(rows) == 1 else None


def slope_p(result: AnalysisResult, optimizer: str) -> float | None:
    """Return the one-sided p-value of that slope, null: it is not positive."""
    rows = result["trends"].filter(pl.col("optimizer") == optimizer, pl.col("decides"), pl.col("slope") > 0)
    return rows["p_value"][0] / 2 if len(rows) == 1 else None


def crossing(result: AnalysisResult, optimizer: str, batch_size: int) -> float | None:
    """Return the first step at which a run is above its stability line; None where it never is."""
    runs = result.logs.runs.filter(pl.col("optimizer") == optimizer, pl.col("batch_size") == batch_size)
    rows = result["sharpenings"].join(runs.select("run_id"), on="run_id")
    steps = rows.filter(pl.col("crossing_status") == CrossingStatus.CROSSED)["crossing_step"]
    return steps[0] if len(steps) == 1 else None


def threshold(result: AnalysisResult) -> tuple[float, float, float] | None:
    """Return the threshold and its interval, where one line has one."""
    rows = result["thresholds"].filter(pl.col("status") == GridStatus.ESTIMATED)
    return rows.select("eta_ef_star", "ci_low", "ci_high").row(0) if len(rows) == 1 else None


def first_diverged(result: AnalysisResult) -> float | None:
    """Return the lowest eta_ef at which a run of SGD diverged."""
    runs = result.logs.runs.filter(pl.col("optimizer") == "sgd", pl.col("status") == RunStatus.DIVERGED)
    return runs["eta_ef"].min()  # type: ignore[return-value]  # a column of floats


def last_trained(result: AnalysisResult) -> float | None:
    """Return the highest eta_ef at which a run of SGDM trained to its end."""
    runs = result.logs.runs.filter(pl.col("optimizer") != "sgd", pl.col("status") == RunStatus.COMPLETED)
    return runs["eta_ef"].max()  # type: ignore[return-value]  # a column of floats
