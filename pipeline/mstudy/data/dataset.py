"""A data set in memory: arrays ready for a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import DataError


@dataclass(frozen=True)
class Dataset:
    """Inputs and what a network should say to them.

    name: as a log says it, e.g. "digits", or "mydata@1a2b3c4d..." for a file of the user's own.
    inputs: (n_samples, *input_shape); floats (channels, height, width) or (n_features,), or, for text, int64 symbols
    (length,). targets: int64 labels from 0, (n_samples,) or, for text, (n_samples, length); or float64
    (n_samples, n_outputs) for regression. n_outputs: classes, symbols or regression outputs.
    """

    name: str
    inputs: NDArray[Any]
    targets: NDArray[Any]
    n_outputs: int

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.inputs)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.inputs.shape[1:]

    @property
    def is_text(self) -> bool:
        """Whether inputs are symbols, to be looked up rather than multiplied."""
        return np.issubdtype(self.inputs.dtype, np.integer)

    @property
    def classification(self) -> bool:
        """Whether targets are labels, not numbers to come near to."""
        return np.issubdtype(self.targets.dtype, np.integer)

    def first(self, n: int) -> Dataset:
        """Return the first n samples, in the order of the source; numbers and n_outputs stay as they are."""
        return replace(self, inputs=self.inputs[:n], targets=self.targets[:n])


def checked_labels(labels: NDArray[Any], n_images: int, n_classes: int, path: Path) -> NDArray[np.int64]:
    """Return labels (n_images,) as int64. Raises DataError when their number or one of them is impossible."""
    if n_images == 0 or len(labels) != n_images:
        raise DataError(f"{path} must hold one label an image, found {len(labels)} labels for {n_images} images.")
    wrong = labels[(labels < 0) | (labels >= n_classes)]
    if len(wrong):
        raise DataError(f"Labels must be 0 to {n_classes - 1}, found {wrong[0]} in {path}.")
    return labels.astype(np.int64)
