"""The order of mini-batches: it depends only on data size, batch size, seed and step, and on whether it is another one.

A pair therefore shares it, a resumed run goes on with it, and nothing about it needs to be saved.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Streams apart from each other, so that equal seeds correlate neither weights nor orders nor extra draws.
_ORDER, _DRAWS, _OTHER_ORDER = 1, 2, 3


class MiniBatches:
    """Batches of some seeds: a fresh permutation each epoch, an incomplete last batch left out.

    others: of each seed, whether its order is another than that of its pairs; by default none is.
    """

    def __init__(self, n_samples: int, batch_size: int, seeds: Sequence[int], others: Sequence[bool] = ()) -> None:
        self._n_samples, self._batch_size, self._seeds = n_samples, batch_size, list(seeds)
        self._streams = [_OTHER_ORDER if other else _ORDER for other in others] or [_ORDER] * len(self._seeds)
        self._epoch, self._order = -1, np.empty((0, 0), dtype=np.int64)

    def at(self, step: int) -> NDArray[np.int64]:
        """Sample indices of the step's batches, (n_seeds, batch_size)."""
        epoch, place = divmod(step, self._n_samples // self._batch_size)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._permutations(epoch)
        return self._order[:, place * self._batch_size : (place + 1) * self._batch_size]

    def drawn(self, step: int, n_batches: int) -> NDArray[np.int64]:
        """Draw batches for measuring at a step, (n_batches, n_seeds, batch_size), each without replacement."""
        generators = [np.random.default_rng([_DRAWS, seed, step]) for seed in self._seeds]
        return np.stack(
            [[g.permutation(self._n_samples)[: self._batch_size] for g in generators] for _ in range(n_batches)]
        )

    def _permutations(self, epoch: int) -> NDArray[np.int64]:
        keys = zip(self._streams, self._seeds, strict=True)
        return np.stack([np.random.default_rng([*key, epoch]).permutation(self._n_samples) for key in keys])
