"""A data set of the user's own: arrays `x` and `y` in an .npz file."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import DataError
from mstudy.data.dataset import Dataset

MAX_CLASSES = 65_536  # a network has an output a class: a larger label is an identifier, not a class


def load_npz(path: Path) -> Dataset:
    """Return x (n, n_features) or (n, channels, height, width), used as it is: no scaling, no shift.

    x of whole numbers becomes float64; float32 and float64 stay. y: whole numbers (n,) are classes counted from 0,
    floats (n,) or (n, n_outputs) are regression targets. The name carries the first 8 digits of the file's sha256, so
    that a log tells one version of the file from the next. Pickled objects are never loaded. Raises DataError.
    """
    try:
        with path.open("rb") as file:  # opened once: hash and arrays are of the same file
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            x, y = _arrays(file, path)
    except FileNotFoundError:
        raise DataError(f"The data file must exist, found nothing at {path}.") from None
    except OSError as error:
        raise DataError(f"{path} must be readable, found: {error.strerror or error}.") from None
    inputs = _checked_inputs(x, path)
    if y.ndim == 0 or len(y) != len(inputs):
        raise DataError(f"y must have an entry for each of the {len(inputs)} samples of x, found {y.shape} in {path}.")
    targets, n_outputs = _checked_targets(y, path)
    return Dataset(f"{path.stem}@{digest[:8]}", inputs, targets, n_outputs)


def _arrays(file: BinaryIO, path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    if not zipfile.is_zipfile(file):
        raise DataError(f"{path} must be an .npz file, found no zip archive; write it with numpy.savez.")
    file.seek(0)
    try:
        with np.load(file, allow_pickle=False) as content:
            if not {"x", "y"} <= set(content.files):
                raise DataError(f"{path} must hold the arrays x and y, found {sorted(content.files)}.")
            return _array(content["x"], "x", path), _array(content["y"], "y", path)
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} must be an .npz file of plain arrays, found: {error}.") from None


def _array(member: object, name: str, path: Path) -> NDArray[Any]:
    if not isinstance(member, np.ndarray):  # a member that is no .npy file comes as bytes
        raise DataError(f"{name} must be an array, found {type(member).__name__} in {path}.")
    return member


def _checked_inputs(x: NDArray[Any], path: Path) -> NDArray[Any]:
    if x.ndim not in (2, 4) or 0 in x.shape:
        raise DataError(
            f"x must have the shape (n, n_features) or (n, channels, height, width), found {x.shape} in {path}."
        )
    return _finite("x", x if x.dtype in (np.float32, np.float64) else _as_float("x", x, path), path)


def _checked_targets(y: NDArray[Any], path: Path) -> tuple[NDArray[Any], int]:
    if np.issubdtype(y.dtype, np.integer):
        return _checked_classes(y, path)
    if y.ndim not in (1, 2) or 0 in y.shape:
        raise DataError(f"y of floats must have the shape (n,) or (n, n_outputs), found {y.shape} in {path}.")
    targets = _finite("y", _as_float("y", y, path), path).reshape(len(y), -1)
    return targets, targets.shape[1]


def _checked_classes(y: NDArray[Any], path: Path) -> tuple[NDArray[np.int64], int]:
    if y.ndim != 1:
        raise DataError(f"y of whole numbers must have the shape (n,), found {y.shape} in {path}.")
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= MAX_CLASSES:
        wrong = low if low < 0 else high
        raise DataError(
            f"y of whole numbers must be classes, 0 to at most {MAX_CLASSES - 1}, found {wrong} in {path}; "
            "count classes from 0, or make y float for regression."
        )
    return y.astype(np.int64), high + 1


def _as_float(name: str, values: NDArray[Any], path: Path) -> NDArray[np.float64]:
    if not (np.issubdtype(values.dtype, np.integer) or np.issubdtype(values.dtype, np.floating)):
        raise DataError(f"{name} must be numbers, found {values.dtype} in {path}.")
    return values.astype(np.float64)


def _finite(name: str, values: NDArray[Any], path: Path) -> NDArray[Any]:
    n_wrong = values.size - int(np.isfinite(values).sum())
    if n_wrong:
        raise DataError(f"{name} must be finite, found {n_wrong} entries that are not, in {path}.")
    return values
