"""CIFAR-10 (Krizhevsky 2009), from its binary version, which has no pickles, or from a Parquet file of PNG images."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mstudy.core.errors import DataError
from mstudy.data.catalogue import PARQUET, Entry
from mstudy.data.dataset import Dataset, checked_labels
from mstudy.data.places import BROKEN_GZIP, required_files

MEANS = (0.4914, 0.4822, 0.4465)  # of the 50,000 training images, per channel, pixels in 0..1
DEVIATIONS = (0.2470, 0.2435, 0.2616)
_SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32
_BATCH = re.compile(r"(?:.*/)?data_batch_([1-5])\.bin")


def load_cifar10(entry: Entry) -> Dataset:
    """Load the inputs (n, 3, 32, 32) float32, standardised per channel, in the order of the file, and the labels.

    The archive is preferred to the Parquet file, which may hold fewer images. Raises DataError.
    """
    (path,) = required_files(entry)
    images, labels = read_parquet(path) if path.name == PARQUET else read_archive(path)
    return Dataset(entry.name, _standardised(images), checked_labels(labels, len(images), 10, path), 10)


def read_archive(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return images (n, 3, 32, 32) and labels (n,) of training batches 1 to 5, read without unpacking to disk."""
    batches: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if (match := _BATCH.fullmatch(member.name)) and (content := archive.extractfile(member)):
                    batches[match[1]] = content.read()
    except (tarfile.TarError, *BROKEN_GZIP) as error:
        raise DataError(f"{path} must be a whole tar.gz archive, found a broken one ({error}).") from None
    except OSError as error:
        raise DataError(f"{path} must be readable, found: {error.strerror}.") from None
    if sorted(batches) != list("12345"):
        raise DataError(f"{path} must hold data_batch_1.bin to data_batch_5.bin, found {sorted(batches)} of them.")
    return _records(b"".join(_whole(batches[k], f"data_batch_{k}.bin", path) for k in "12345"))


def _whole(batch: bytes, name: str, path: Path) -> bytes:
    if not batch or len(batch) % _RECORD:
        raise DataError(f"{name} in {path} must be records of {_RECORD} bytes, found {len(batch)} bytes.")
    return batch


def _records(data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
    return records[:, 1:].reshape(-1, *_SHAPE), records[:, 0]


def read_parquet(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images (n, 3, 32, 32) and labels (n,) from the columns image (or img), PNG bytes or {bytes, path}, and
    label.
    """
    try:
        with path.open("rb") as source:
            table = pq.read_table(source)
        image = "img" if "img" in table.column_names else "image"
        pictures, labels = table[image].to_pylist(), table["label"].cast(pa.int64())
    except KeyError:
        raise DataError(f"{path} must have the columns image and label, found {table.column_names}.") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path} must be a Parquet file of images and whole labels, found: {reason}.") from None
    if labels.null_count:
        raise DataError(f"{path} must have a label in every row, found {labels.null_count} without.")
    images = np.empty((len(pictures), *_SHAPE), np.uint8)
    for row, picture in enumerate(pictures):
        images[row] = _decoded(picture, f"row {row} of {path}")
    return images, labels.to_numpy()


def _decoded(picture: Any, where: str) -> NDArray[np.uint8]:
    """Return (3, 32, 32) from PNG bytes."""
    try:
        from PIL import Image  # needed for this one format alone
    except ImportError as error:
        raise DataError(f"Reading {where} needs Pillow, found none ({error}); install the extra `train`.") from None
    encoded = picture.get("bytes") if isinstance(picture, dict) else picture
    if not isinstance(encoded, bytes):
        raise DataError(f"image must be PNG bytes, found {type(encoded).__name__} in {where}.")
    try:
        with Image.open(io.BytesIO(encoded), formats=["PNG"]) as image:
            if image.size != (32, 32) or image.mode != "RGB":  # known before any pixel is decoded
                size = f"{image.mode} {image.width} x {image.height}"
                raise DataError(f"image must be an RGB PNG of 32 x 32, found {size} in {where}.")
            return np.asarray(image).transpose(2, 0, 1)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # Pillow's kinds of broken PNG
        raise DataError(f"image must be an RGB PNG of 32 x 32, found {error} in {where}.") from None


def _standardised(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    levels = np.arange(256) / 255
    out = np.empty(images.shape, np.float32)
    for channel, (mean, deviation) in enumerate(zip(MEANS, DEVIATIONS, strict=True)):
        out[:, channel] = ((levels - mean) / deviation).astype(np.float32)[images[:, channel]]
    return out
