"""Cells in which SGD diverged at every seed: their ratio is granted, not measured."""

from __future__ import annotations

import math
from typing import Any

import polars as pl


def short_of_seeds(cells: pl.DataFrame, margin: float, alpha: float) -> str:
    """Say so where SGD diverged at every seed of a cell, and the seeds are too few for any test to count that."""
    least = math.ceil(math.log2(1 / alpha))  # seeds: n of one kind have p = 2^-n
    short = [granted(cell, margin) and cell["n_seeds"] < least for cell in cells.iter_rows(named=True)]
    return (
        f" In {sum(short)} of them SGD diverged at every seed, which counts from {least} seeds on."
        if any(short)
        else ""
    )


def granted(cell: dict[str, Any], margin: float) -> bool:
    """Say whether SGD diverged at every seed of a cell: its ratio is then what a divergence counts, at each."""
    return bool(cell["log_ratio"] > margin and cell["ci_low"] == cell["ci_high"])
