"""The order of mini-batches: it depends only on data size, batch size, seed and step.

A pair therefore shares it, a resumed run goes on with it, and nothing about it needs to be saved.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Streams apart from each other, so that equal seeds correlate neither weights nor orders nor extra draws.
_ORDER, _DRAWS = 1, 2


class MiniBatches:
    """Batches of some seeds: a fresh permutation each epoch, an incomplete last batch left out."""

    def __init__(self, n_samples: int, batch_size: int, seeds: Sequence[int]) -> None:
        self._n_samples, self._batch_size, self._seeds = n_samples, batch_size, list(seeds)
        self._epoch, self._order = -1, np.empty((0, 0), dtype=np.int64)

    def at(self, step: int) -> NDArray[np.int64]:
        """Sample indices of the step's batches, (n_seeds, batch_size)."""
        epoch, place = divmod(step, self._n_samples // self._batch_size)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.stack([self._permutation(seed, epoch) for seed in self._seeds])
        return self._order[:, place * self._batch_size : (place + 1) * self._batch_size]

    def drawn(self, step: int, n_batches: int) -> NDArray[np.int64]:
        """Draw batches for measuring at a step, (n_batches, n_seeds, batch_size), each without replacement."""
        generators = [np.random.default_rng([_DRAWS, seed, step]) for seed in self._seeds]
        return np.stack(
            [[g.permutation(self._n_samples)[: self._batch_size] for g in generators] for _ in range(n_batches)]
        )

    def _permutation(self, seed: int, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([_ORDER, seed, epoch]).permutation(self._n_samples)
