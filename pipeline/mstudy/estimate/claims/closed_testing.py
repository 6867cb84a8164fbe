"""In how many units of any choice does a claim surely hold? Closed testing with Simes' local tests.

One p-value a unit, small where the claim holds in it. With probability 1 − α the bounds of all subsets of the units
are right together, so that a reader may choose the subset after looking (Goeman & Solari 2011). Hommel's h makes them
cheap (Goeman, Meijer, Krebs & Solari 2019). Simes' test is valid where the p-values are independent or depend on each
other positively (PRDS: Benjamini & Yekutieli 2001).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def hommel_h(p_values: Vector, alpha: float) -> int:
    """Return the size of the largest set of units that Simes' test does not reject, 0 where it rejects every set.

    p_values: (n_units,). Of all sets of one size that with the largest p-values is rejected last.
    """
    ascending = np.sort(p_values)
    for size in range(len(ascending), 0, -1):
        if np.all(size * ascending[-size:] > np.arange(1, size + 1) * alpha):
            return size
    return 0


def doubtful_by_simes(p_values: Vector, h: int, alpha: float) -> NDArray[np.int64]:
    """Return for each unit how many of it and of all surer ones may not hold, (n_units,): the same bounds, by unit."""
    return np.asarray(np.maximum(np.ceil(h * p_values / alpha) - 1, 0), dtype=np.int64)


def surely_true_of(doubtful: NDArray[np.int64]) -> int:
    """Return the lower bound on the number of units of a subset, by how many up to each unit may not hold.

    All but u - 1 of the units with fewer than u doubtful ones hold (Blanchard, Neuvial & Roquain 2020).
    """
    limits = np.arange(1, len(doubtful) + 1)
    return int(np.max(1 - limits + (doubtful[:, None] < limits).sum(axis=0), initial=0))


def surely_true(p_values: Vector, h: int, alpha: float) -> int:
    """Return the lower bound on the number of units of a subset in which the claim holds.

    p_values: (n_subset,), those of the subset. h: that of all units together, at the same alpha.
    """
    limits = np.arange(1, len(p_values) + 1)
    rejected = (h * p_values[:, None] <= limits * alpha).sum(axis=0)
    return int(np.max(1 - limits + rejected, initial=0))
