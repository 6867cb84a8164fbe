"""MNIST and its likes: images and labels in two gzipped files of the idx format."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import DataError
from mstudy.data.catalogue import Entry
from mstudy.data.dataset import Dataset, checked_labels
from mstudy.data.places import read_file, required_files

_BYTES = 8  # the format's code for elements of one unsigned byte


def load_idx(entry: Entry) -> Dataset:
    """Load (n, 1, height, width) float32, mean 0 and variance 1 over the whole training set. Raises DataError."""
    images_path, labels_path = required_files(entry)
    images = read_idx(images_path, 3)
    if len(images) and images.size == 0:
        raise DataError(
            f"{images_path} must hold images of at least one pixel, found {' x '.join(map(str, images.shape[1:]))}."
        )
    labels = checked_labels(read_idx(labels_path, 1), len(images), 10, labels_path)
    return Dataset(entry.name, _standardised(images, images_path)[:, None], labels, 10)


def read_idx(path: Path, n_dimensions: int) -> NDArray[np.uint8]:
    """Return the array of bytes in an idx file. Raises DataError unless header and length agree with one another.

    The header is two zeros, the type of the elements and the number of dimensions, a byte each, then every dimension
    as four bytes, the highest first.
    """
    data = read_file(path)
    magic, start = bytes([0, 0, _BYTES, n_dimensions]), 4 + 4 * n_dimensions
    if data[:4] != magic or len(data) < start:
        raise DataError(f"{path} must start with the idx header {magic.hex()}, found {data[:4].hex() or 'nothing'}.")
    shape = tuple(int.from_bytes(data[k : k + 4], "big") for k in range(4, start, 4))
    if len(data) - start != prod(shape):
        wanted = " x ".join(map(str, shape))
        raise DataError(f"{path} must hold {wanted} bytes after its header, found {len(data) - start}; fetch it again.")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _standardised(images: NDArray[np.uint8], path: Path) -> NDArray[np.float32]:
    # 256 levels: moments from their counts need no float copy of the images, and do not depend on summation order.
    counts = np.bincount(images.reshape(-1), minlength=256)
    levels = np.arange(256)
    mean = counts @ levels / images.size
    deviation = np.sqrt(counts @ (levels - mean) ** 2 / images.size)
    if deviation == 0:
        raise DataError(f"{path} must hold more than one shade, found {images[0, 0, 0]} alone.")
    table: NDArray[np.float32] = ((levels - mean) / deviation).astype(np.float32)
    return table[images]
