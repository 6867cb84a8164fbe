"""Shapes that an advantage may take against log eta_ef, each given by where it crosses the margin.

A shape is 1 - f(x) / f(c): c the crossing, f zero far left of its knee and rising from there. Times q < 0, the level
left of the knee less the margin, it is the advantage less the margin. The constraint "crosses at c" is built in, so
that q alone is left to fit, and linearly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
_CROSSINGS_PER_CELL = 8  # candidates between neighbouring cells, and in one cell's width beyond either end of the grid
_KNEE_DISTANCES = np.geomspace(0.03, 3.0, 9)  # of the crossing from the knee, in log eta_ef


def _positive(t: Vector) -> Vector:
    return np.maximum(t, 0.0)


# Each takes distance from the knee and a width, both in log eta_ef; the widths are the family's prior.
_KINDS: dict[str, tuple[Callable[[Vector, Vector], Vector], tuple[float, ...]]] = {
    "hinge": (lambda t, w: _positive(t), (1.0,)),
    "softened": (lambda t, w: w * np.logaddexp(0.0, t / w), (0.1, 0.2, 0.4, 0.8)),
    "saturating": (lambda t, w: -np.expm1(-_positive(t) / w), (0.2, 0.4, 0.8, 1.6)),
    "capped": (lambda t, w: np.minimum(_positive(t), w), (0.25, 0.5, 1.0, 2.0)),
    "accelerating": (lambda t, w: np.expm1(np.minimum(_positive(t) / w, 40.0)), (0.5, 1.0)),
}


@dataclass(frozen=True)
class Family:
    """crossings: (n_crossings,) of log eta_ef. values: (n_crossings, n_shapes, n_cells), NaN-free.

    log_prior: (n_crossings, n_shapes); kinds are equally likely, and so are distances and widths within one; shapes
    that never cross have none.
    """

    crossings: Vector
    values: NDArray[np.float64]
    log_prior: NDArray[np.float64]


def family_of(x: Vector) -> Family:
    """Return the family on cells at x = log eta_ef, (n_cells,), rising."""
    return _family(tuple(float(value) for value in x))


@lru_cache(maxsize=16)
def _family(cells: tuple[float, ...]) -> Family:
    x = np.array(cells)
    step = (x[-1] - x[0]) / (len(x) - 1)
    n = _CROSSINGS_PER_CELL * (len(x) + 1) + 1
    crossings = np.linspace(x[0] - step, x[-1] + step, n)
    values, priors = [], []
    for kind, (rise, widths) in _KINDS.items():
        for width in widths:
            # A softened shape may cross before its knee.
            distances = np.append(_KNEE_DISTANCES, [-2 * width, -width, 0.0]) if kind == "softened" else _KNEE_DISTANCES
            weight = -np.log(len(_KINDS) * len(widths) * len(distances))
            for distance in distances:
                at_crossing = float(rise(np.array(distance), np.array(width)))
                beyond = float(rise(np.array(distance + 0.01), np.array(width)))
                crosses = beyond > at_crossing * (1 + 1e-6)
                knee = crossings[:, None] - distance
                values.append(1.0 - rise(x[None, :] - knee, np.array(width)) / at_crossing)
                priors.append(np.full(n, weight if crosses else -np.inf))
    return Family(crossings, np.stack(values, axis=1), np.stack(priors, axis=1))
