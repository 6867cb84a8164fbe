"""Training data, as float arrays ready for a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mstudy.errors import DataError


@dataclass(frozen=True)
class Dataset:
    """inputs: (n_samples, n_features), mean 0 and variance 1 over the whole array. labels: (n_samples,)."""

    name: str
    inputs: NDArray[np.float64]
    labels: NDArray[np.int64]

    @property
    def n_classes(self) -> int:
        """Number of classes, labels counted from 0."""
        return int(self.labels.max()) + 1

    def first(self, n: int) -> Dataset:
        """The first n samples, in the order of the source."""
        return Dataset(self.name, self.inputs[:n], self.labels[:n])


def load_dataset(name: str) -> Dataset:
    """A data set by name. Raises DataError for a name that is not known."""
    if name not in _LOADERS:
        raise DataError(f"dataset must be one of {', '.join(sorted(_LOADERS))}, found {name!r}.")
    inputs, labels = _LOADERS[name]()
    return Dataset(name, (inputs - inputs.mean()) / inputs.std(), labels.astype(np.int64))


def _digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """1,797 real 8x8 images, ten classes, bundled with scikit-learn; UCI, CC BY 4.0."""
    from sklearn.datasets import load_digits  # seconds to import: only when needed

    inputs, labels = load_digits(return_X_y=True)
    return inputs, labels


_LOADERS = {"digits": _digits}
