"""1,797 real images of 8 x 8 pixels, ten classes, bundled with scikit-learn; UCI, CC BY 4.0."""

from __future__ import annotations

import numpy as np

from mstudy.core.errors import DataError
from mstudy.data.dataset import Dataset


def load_digits() -> Dataset:
    """Load the inputs (1797, 1, 8, 8) float64, mean 0 and variance 1 over the whole array, and the labels.

    Raises DataError where scikit-learn is not installed.
    """
    try:
        from sklearn import datasets  # seconds to import: only when needed
    except ImportError as error:
        raise DataError(f"digits needs scikit-learn, found none ({error}); install the extra `train`.") from None
    pixels, labels = datasets.load_digits(return_X_y=True)
    inputs = (pixels - pixels.mean()) / pixels.std()
    return Dataset("digits", inputs.reshape(-1, 1, 8, 8), labels.astype(np.int64), 10)
