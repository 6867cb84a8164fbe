"""Equivalence of many cells by one test of their seeds' sums: cells that each lack a little evidence make up for it.

The seed is the unit. A set of cells is tested by the sum of its cells, one value a seed, so whatever ties the cells to
each other (SGD runs in common, the same initial weights) lies between the seeds of that sum and needs no assumption.
Closed testing with this test says how many cells of any choice are surely equivalent. Method: docs/methods.md.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
_MOST_PREFIXES = 64  # sets whose bound is computed
_ROUNDING = 1e-12  # of a sum of shares
_NODES = 400
_WIDEST = 12.0  # standard deviations; a range of normal values beyond it has no probability


def doubtful_cells(values: Matrix, margins: Vector, p_values: Vector, level: float) -> NDArray[np.int64]:
    """Return for each cell how many of it and of all surer ones may not be equivalent, (n_cells,).

    All these numbers are right together with probability 1 - level. values: (n_cells, n_seeds), NaN where a seed says
    nothing of a cell. margins: (n_cells,). p_values: of equivalence, by which the cells are ordered.
    """
    n_cells = len(values)
    order = np.argsort(p_values, kind="stable")
    scores = _scores(values, margins, level)[:, order]
    ends = np.unique(np.linspace(1, n_cells, min(n_cells, _MOST_PREFIXES)).round().astype(int))
    doubtful = np.array([end - _surely_equivalent(scores, end) for end in ends])
    found = np.empty(n_cells, dtype=np.int64)
    found[order] = doubtful[np.searchsorted(ends, np.arange(1, n_cells + 1))]
    return found


@cache
def critical_ratio(n: int, level: float) -> float:
    """Return the ratio of mean to range that n normal values of mean zero exceed with that probability (Lord 1947)."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    widths, places = (nodes + 1) * _WIDEST / 2, nodes * _WIDEST
    lowest = np.exp(-(places**2) / 2) / np.sqrt(2 * np.pi)
    highest = np.exp(-((places[:, None] + widths) ** 2) / 2) / np.sqrt(2 * np.pi)
    between = (special.ndtr(places[:, None] + widths) - special.ndtr(places)[:, None]) ** (n - 2)
    density = n * (n - 1) * ((weights * _WIDEST * lowest) @ (highest * between)) * weights * _WIDEST / 2

    def excess(ratio: float) -> float:
        return float(density @ special.ndtr(-np.sqrt(n) * ratio * widths)) - level

    return float(optimize.brentq(excess, 0.0, 1 / level))


def _scores(values: Matrix, margins: Vector, level: float) -> Matrix:
    """Return what each cell adds to each condition of the test, (n_conditions, n_cells); a set needs all sums above 0.

    The conditions: the mean exceeds the critical share of the distance of two seeds, for each pair of seeds. A cell is
    held against the end of the margin that is worse for the condition.
    """
    shares = [_shares(margins[:, None] - sign * values) for sign in (1, -1)]
    n = values.shape[1]
    one, other = np.nonzero(~np.eye(n, dtype=bool))
    ratio = critical_ratio(n, level)
    ends = [share.mean(axis=1)[:, None] - ratio * (share[:, one] - share[:, other]) for share in shares]
    return np.asarray(np.minimum(*ends).T)


def _shares(distances: Matrix) -> Matrix:
    """Return the distances of each cell's seeds from the margin in units of their root sum of squares.

    So no cell outweighs the others; units that depend on these sums alone leave the test exact (Läuter 1996). A seed
    that says nothing of a cell adds nothing.
    """
    known = np.nan_to_num(distances)
    length = np.sqrt((known**2).sum(axis=1, keepdims=True))
    return np.asarray(known / np.where(length > 0, length, 1.0))


def _surely_equivalent(scores: Matrix, end: int) -> int:
    """Return the least number of the first `end` cells outside any set that is not rejected.

    Under one condition the largest such set has all cells below zero, and the smallest others that these outweigh.
    """
    deficit = -np.minimum(scores, 0.0).sum(axis=1)
    above = np.sort(np.maximum(scores[:, :end], 0.0), axis=1)
    outweighed = (np.cumsum(above, axis=1) <= deficit[:, None] + _ROUNDING).sum(axis=1)
    return int((end - outweighed).min())
