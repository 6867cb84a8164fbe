"""The check that labels must pass, whatever file they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mstudy.errors import DataError


def checked_labels(labels: NDArray[Any], n_images: int, n_classes: int, path: Path) -> NDArray[np.int64]:
    """labels (n_images,) as int64. Raises DataError when their number or one of them is impossible."""
    if n_images == 0 or len(labels) != n_images:
        raise DataError(f"{path} must hold one label an image, found {len(labels)} labels for {n_images} images.")
    wrong = labels[(labels < 0) | (labels >= n_classes)]
    if len(wrong):
        raise DataError(f"Labels must be 0 to {n_classes - 1}, found {wrong[0]} in {path}.")
    return labels.astype(np.int64)
