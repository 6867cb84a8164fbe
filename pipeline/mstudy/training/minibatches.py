"""The order of mini-batches: a function of data size, batch size, seed and step alone.

A pair therefore shares it, a resumed run goes on with it, and nothing about it needs to be saved.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Streams apart from each other, so that equal seeds correlate neither weights nor orders nor extra draws.
_ORDER, _DRAWS = 1, 2


class MiniBatches:
    """Batches of one seed: a fresh permutation each epoch, an incomplete last batch left out."""

    def __init__(self, n_samples: int, batch_size: int, seed: int) -> None:
        self._n_samples, self._batch_size, self._seed = n_samples, batch_size, seed
        self._per_epoch = n_samples // batch_size
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)

    def at(self, step: int) -> NDArray[np.int64]:
        """Sample indices of the step's batch, (batch_size,)."""
        epoch, place = divmod(step, self._per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([_ORDER, self._seed, epoch]).permutation(self._n_samples)
        return self._order[place * self._batch_size : (place + 1) * self._batch_size]

    def drawn(self, step: int, n_batches: int) -> NDArray[np.int64]:
        """Batches for measuring at a step, (n_batches, batch_size): independent, each without replacement."""
        generator = np.random.default_rng([_DRAWS, self._seed, step])
        size = self._batch_size
        return np.stack([generator.permutation(self._n_samples)[:size] for _ in range(n_batches)])
