"""The order of mini-batches: a function of data size, batch size and seed alone, so that a pair shares it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def minibatches(n_samples: int, batch_size: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Endless index batches (batch_size,): a fresh permutation each epoch, an incomplete last batch left out."""
    generator = np.random.default_rng([_STREAM, seed])
    while True:
        order = generator.permutation(n_samples)
        for start in range(0, n_samples - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


_STREAM = 1  # apart from the stream of initial weights, so that equal seeds do not correlate them
