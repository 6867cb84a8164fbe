"""The sentences of small studies: cells one by one, and where thresholds lie without seeds or without a shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.losses.words import WORDS, ScaleWords
from mstudy.core.optimizers import HEAVY_BALL
from mstudy.core.statuses import GridStatus, Replication
from mstudy.estimate.claims.evidence import Evidence
from mstudy.tables.table import LINE

_MAX_TOLD = 6  # cells, or lines, that a sentence names


def cells_sentence(cells: pl.DataFrame, evidence: Evidence, level: float, alpha: float) -> str:
    """Say of each cell what is shown: alike within the margin, SGDM or SGD ahead beyond it, or undecided."""
    rows = cells.sort("batch_size", "momentum", "eta_ef").iter_rows(named=True)
    shown: dict[str, list[dict[str, Any]]] = {}
    for cell in rows:
        shown.setdefault(_shown(cell, level, alpha), []).append(cell)
    within = f"Cell by cell, with a margin of {evidence.margin:g} {evidence.words.within}: "
    return within + "; ".join(f"{what} at {_names(shown[what], what)}" for what in _ORDER if what in shown) + "."


_ALIKE, _AHEAD, _BEHIND, _UNDECIDED = "alike", "SGDM is better", "SGD is better", "undecided"
_ORDER = (_ALIKE, _AHEAD, _BEHIND, _UNDECIDED)
_TESTS = (("equivalence_p", _ALIKE), ("superiority_p", _AHEAD), ("inferiority_p", _BEHIND))


def _shown(cell: dict[str, Any], level: float, alpha: float) -> str:
    for column, what in _TESTS:
        if cell[column] is not None and cell[column] <= (level if what == _ALIKE else alpha):
            return what
    return _UNDECIDED


def _names(cells: Sequence[dict[str, Any]], what: str) -> str:
    """Name the first cells with their estimates, and with the nearest test where none is passed."""
    return listed([f"{cell_name(c)}: {_estimate(c)}{_nearest(c) if what == _UNDECIDED else ''}" for c in cells])


def _estimate(cell: dict[str, Any]) -> str:
    """Tell a ratio with its interval, or that there is none to measure."""
    if cell["n_diverged_sgd"] == cell["n_seeds"] and not cell["n_diverged_sgdm"]:
        return "SGD diverged at every seed"
    return f"{cell['log_ratio']:+.3f} [{cell['ci_low']:+.3f}, {cell['ci_high']:+.3f}]"


def _nearest(cell: dict[str, Any]) -> str:
    """Name the test that comes nearest: an interval may lie beyond the margin, and its test not be sure."""
    known = [(cell[column], what) for column, what in _TESTS if cell[column] is not None]
    p_value, what = min(known)
    return f" ({what}: p = {p_value:.2g})"


def listed(told: Sequence[str]) -> str:
    """Return the first few, and how many more there are."""
    more = len(told) - _MAX_TOLD
    return ", ".join(told[:_MAX_TOLD]) + (f" and {more} more" if more > 0 else "")


def cell_name(cell: dict[str, Any]) -> str:
    """Name a cell as reasons do."""
    return f"b = {cell['batch_size']}, eta_ef = {cell['eta_ef']:g}, {momentum_name(cell)}"


def momentum_name(row: dict[str, Any]) -> str:
    """Name the momentum of a cell or line, and the optimizer if it is not heavy ball: both may have one momentum."""
    optimizer = row.get("optimizer", HEAVY_BALL)
    return f"mu = {row['momentum']:g}" + ("" if optimizer == HEAVY_BALL else f" ({optimizer})")


def single_seeds_sentence(cells: pl.DataFrame, min_seeds: int, words: ScaleWords = WORDS[Scale.LOG]) -> str:
    """Tell the ratios of cells that have too few seeds for an interval, with a space behind; empty without such."""
    few = cells.filter(pl.col("n_seeds") < min_seeds, pl.col("log_ratio").is_not_null())
    if few.is_empty():
        return ""
    rows = few.sort("optimizer", "momentum", "batch_size", "eta_ef").iter_rows(named=True)
    told = listed([f"{row['log_ratio']:+.3f} at {cell_name(row)}{_cap(row)}" for row in rows])
    return f"With fewer than {min_seeds} seeds a cell, and so without an interval, {words.symbol} is {told}. "


def _cap(cell: dict[str, Any]) -> str:
    """Say so where a ratio is no measurement, because a run diverged."""
    return " (a cap: a run diverged)" if cell["n_diverged_sgd"] or cell["n_diverged_sgdm"] else ""


def advantage_sentence(cells: pl.DataFrame, words: ScaleWords = WORDS[Scale.LOG]) -> str:
    """Say between which values the log ratio lies in each line, with a space behind it; empty without cells.

    cells: tables.ADVANTAGE.
    """
    diverged = pl.any_horizontal(pl.col(f"n_diverged_{side}").fill_null(0) > 0 for side in ("sgd", "sgdm", "both"))
    known = cells.filter(pl.col("log_ratio").is_not_null())
    ratio = pl.col("log_ratio").filter(~diverged)
    lines = known.group_by(LINE).agg(ratio.min().alias("low"), ratio.max().alias("high"), diverged.sum().alias("n_cut"))
    lines = lines.join(known.group_by(LINE).len("n"), on=LINE, nulls_equal=True)
    told = [_range(row) for row in lines.sort("batch_size", "momentum", *LINE).iter_rows(named=True)]
    return f"{words.symbol} is {listed(told)}. " if told else ""


def _range(line: dict[str, Any]) -> str:
    """Tell the range of the cells in which nothing diverged: where SGD diverged the ratio is a cap."""
    n = line["n"] - line["n_cut"]
    cut = f"runs diverge at {line['n_cut']}" if line["n_cut"] else ""
    values = f"{line['low']:+.3f} to {line['high']:+.3f} over {n} eta_ef" if n else "not known"
    return f"{values} at {_line_name(line)}" + (f" ({cut} more)" if cut else "")


def limits_sentence(limits: pl.DataFrame) -> str:
    """Say how the limits of stability lie against the grid, with a space behind it; empty without lines.

    limits: tables.STABILITY_LIMITS.
    """
    count = Counter(limits["status"].to_list())
    words = (
        (GridStatus.ABOVE_GRID, "train at every eta_ef tried"),
        (GridStatus.ESTIMATED, "have their limit inside the grid"),
        (GridStatus.BELOW_GRID, "diverge at every eta_ef tried"),
        (GridStatus.INSUFFICIENT, "have too few seeds or rates"),
    )
    told = [f"{count[status]} {what}" for status, what in words if count[status]]
    return f"Of {len(limits)} lines (batch size and optimizer) {', '.join(told)}. " if told else ""


def threshold_sentence(thresholds: pl.DataFrame) -> str:
    """Say where the thresholds of lines without enough seeds lie, with a space behind it; empty where none is known."""
    known = thresholds.filter(
        pl.col("evidence") == Replication.UNREPLICATED, pl.col("status") == GridStatus.ESTIMATED
    ).sort("batch_size", "momentum")
    if known.is_empty():
        return ""
    told = [
        f"{row['eta_ef_star']:.3g} [{row['ci_low']:.3g}, {row['ci_high']:.3g}] at {_line_name(row)}"
        for row in known.iter_rows(named=True)
    ]
    return f"The threshold, with an interval over learning rates and not over seeds, is eta_ef = {listed(told)}. "


def bracket_sentence(thresholds: pl.DataFrame) -> str:
    """Say between which rates SGDM begins to be better, with a space behind it; empty where it is not known."""
    known = thresholds.filter(pl.col("bracket_high").is_not_null()).sort("batch_size", "momentum")
    if known.is_empty():
        return ""
    told = [_bracket(row) for row in known.iter_rows(named=True)]
    return f"SGDM begins to be better {listed(told)}. "


def _bracket(row: dict[str, Any]) -> str:
    high = f"{row['bracket_high']:g}"
    if row["bracket_low"] is None:
        return f"at or below eta_ef = {high} ({_line_name(row)})"
    return f"between eta_ef = {row['bracket_low']:g} and {high} ({_line_name(row)})"


def _line_name(row: dict[str, Any]) -> str:
    return f"b = {row['batch_size']}, {momentum_name(row)}"
