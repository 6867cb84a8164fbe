"""Lines: the pairs of one batch size and momentum as arrays over effective learning rate and seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mstudy.core.losses.scale import Scale
from mstudy.core.params import Margins
from mstudy.core.statuses import Matched
from mstudy.pairs.interpolation import interpolated_pairs
from mstudy.pairs.pairing import log_ratio, pair_runs
from mstudy.tables.table import LINE

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]
_REPEATED_CELLS = 4  # a threshold over seeds takes so many


@dataclass(frozen=True)
class Line:
    """All pairs of one tables.LINE; every matrix is (n_rates, n_seeds), NaN or False where there is no such pair.

    ratio: log L_SGD / L_SGDM, or the difference of the losses in their unit; capped, a tie of two diverged runs being
    0. error: (n_rates,), by how much the mean ratio may be wrong because SGD's loss was interpolated; interpolated:
    (n_rates,), where that is so of a pair.
    """

    keys: dict[str, Any]
    eta_ef: NDArray[np.float64]
    seeds: NDArray[np.int64]
    ratio: Matrix
    error: NDArray[np.float64]
    interpolated: Mask
    sgd_diverged: Mask
    sgdm_diverged: Mask

    @property
    def matched(self) -> list[Matched]:
        """How SGD's side of each cell was found, (n_rates,)."""
        return [Matched.INTERPOLATED if flag else Matched.EXACT for flag in self.interpolated]

    @cached_property
    def compared(self) -> Mask:
        """Return the cells in which at least one pair is no tie, (n_rates,)."""
        return np.asarray((~np.isnan(self.ratio) & ~(self.sgd_diverged & self.sgdm_diverged)).any(axis=1))

    @cached_property
    def whole(self) -> Mask:
        """Return the cells that compare something and in which nothing diverged, (n_rates,)."""
        return self.compared & ~(self.sgd_diverged | self.sgdm_diverged).any(axis=1)

    @cached_property
    def n(self) -> NDArray[np.int64]:
        """Count the pairs of each cell, ties included, (n_rates,)."""
        return np.asarray((~np.isnan(self.ratio)).sum(axis=1))

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """Mean ratio of each cell, (n_rates,); 0 without a pair."""
        return np.asarray(np.nansum(self.ratio, axis=1) / np.maximum(self.n, 1))

    def is_replicated(self, min_seeds: int) -> bool:
        """Return whether seeds tell the noise: a cell has `min_seeds`, and others are repeated too.

        Repeated: of two seeds or more, in four cells or half of them. Ten seeds at a tuned rate alone make no line.
        """
        repeated, n_cells = int((self.n >= 2).sum()), int((self.n > 0).sum())
        return int(self.n.max(initial=0)) >= min_seeds and (repeated >= _REPEATED_CELLS or 2 * repeated >= n_cells)

    def only(self, chosen: Mask) -> Line:
        """Return the same line with the seeds chosen, (n_seeds,) bool."""
        names = ("ratio", "sgd_diverged", "sgdm_diverged")
        return replace(self, seeds=self.seeds[chosen], **{name: getattr(self, name)[:, chosen] for name in names})

    def without_each_seed(self) -> Iterator[tuple[int, Line]]:
        """Yield the index of the seed left out, and the line of the others."""
        for k in range(len(self.seeds)):
            yield k, self.only(np.arange(len(self.seeds)) != k)


def rate_lines(runs: pl.DataFrame, margins: Margins, scale: Scale = Scale.LOG) -> list[Line]:
    """Return all lines of tables.RUNS, sorted by their key; SGDM without an exact partner has an interpolated one.

    The losses of `runs` are as `in_units` returns them.
    """
    exact = pair_runs(runs).with_columns(pl.lit(0.0).alias("interpolation_error"))
    pairs = pl.concat([exact, interpolated_pairs(runs, scale)])
    pairs = pairs.with_columns(
        log_ratio(pairs, margins.diverged, scale),
        pl.col("sgd_diverged_step").is_not_null().alias("sgd_gone"),
        pl.col("sgdm_diverged_step").is_not_null().alias("sgdm_gone"),
        pl.col("sgd_run_id").is_null().alias("interpolated"),
    )
    both = pl.col("sgd_gone") & pl.col("sgdm_gone")
    pairs = pairs.with_columns(pl.when(both).then(0.0).otherwise(pl.col("log_ratio")).alias("log_ratio"))
    return [_line(part) for part in pairs.sort(*LINE).partition_by(LINE, maintain_order=True)]


def _line(pairs: pl.DataFrame) -> Line:
    rates, rows = np.unique(pairs["eta_ef"].to_numpy(), return_inverse=True)
    seeds, columns = np.unique(pairs["seed"].to_numpy(), return_inverse=True)

    def numbers(column: str) -> Matrix:
        matrix = np.full((len(rates), len(seeds)), np.nan)
        matrix[rows, columns] = pairs[column].to_numpy()
        return matrix

    def flags(column: str) -> Mask:
        matrix = np.zeros((len(rates), len(seeds)), dtype=bool)
        matrix[rows, columns] = pairs[column].to_numpy()
        return matrix

    return Line(
        keys=pairs.select(LINE).row(0, named=True),
        eta_ef=rates,
        seeds=seeds,
        ratio=numbers("log_ratio"),
        error=np.nanmean(numbers("interpolation_error"), axis=1),
        interpolated=np.asarray(flags("interpolated").any(axis=1)),
        sgd_diverged=flags("sgd_gone"),
        sgdm_diverged=flags("sgdm_gone"),
    )
