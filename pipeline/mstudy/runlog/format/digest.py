"""What a log says of its own content: a digest that tells a changed byte."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mstudy.runlog.format.schema import COLUMNS


def content_digest(metadata: bytes, columns: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256, in hex, of a log's metadata entry and of each column that the analysis reads.

    metadata: as it stands in the file. columns: `step` int64, others float64, (n_rows,); what is not finite was not
    measured. Other columns have no part in it: no number comes from them.
    """
    digest = hashlib.sha256(metadata)
    for name in COLUMNS:
        if name in columns:
            digest.update(name.encode())
            digest.update(_plain(columns[name]).tobytes())
    return digest.hexdigest()


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Return the values in one form, whatever the machine and however a missing one is written."""
    if np.issubdtype(values.dtype, np.integer):
        return values.astype("<i8")
    numbers = values.astype("<f8")
    return np.where(np.isfinite(numbers), numbers, np.nan)
