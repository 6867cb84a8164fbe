"""CIFAR-10 (Krizhevsky 2009), from its binary version, which has no pickles, or from a Parquet file of PNG images."""

from __future__ import annotations

import io
import re
import tarfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mstudy.core.errors import DataError, shown
from mstudy.core.outside import require_plain
from mstudy.data.catalogue import PARQUET, Entry
from mstudy.data.dataset import Dataset, checked_labels
from mstudy.data.places import BROKEN_GZIP, MAX_BYTES, read_raw, required_files, undo_gzip

MEANS = (0.4914, 0.4822, 0.4465)  # of the 50,000 training images, per channel, pixels in 0..1
DEVIATIONS = (0.2470, 0.2435, 0.2616)
MAX_IMAGES = 100_000  # of a Parquet file: twice the training set
_ROWS_AT_ONCE = 8  # few: one large picture, stored once, may stand in every row
_NO_LABEL = -(2**63)
_SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32
_BROKEN_TAR = (tarfile.TarError, *BROKEN_GZIP, ValueError, LookupError, ArithmeticError, RecursionError)
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
        # Undone as a whole: gzip's checksum stands at the end, and what the archive claims cannot exceed what is there.
        with tarfile.open(fileobj=io.BytesIO(undo_gzip(read_raw(path), path)), mode="r:") as archive:
            for member in archive:
                match = _BATCH.fullmatch(member.name)
                is_plain = member.isreg() and not member.issparse()  # links and holes lead anywhere
                if match and is_plain and (content := archive.extractfile(member)):
                    batches[match[1]] = content.read()
    except _BROKEN_TAR as error:
        raise DataError(f"{path} must be a whole tar.gz archive, found a broken one ({error}).") from None
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
        require_plain(path, MAX_BYTES, DataError)
        with path.open("rb") as source:
            file = pq.ParquetFile(source)
            _check_footer(file.metadata, path)
            return _images(file, path)
    except KeyError:
        names = shown(file.schema_arrow.names)
        raise DataError(f"{path} must have the columns image and label, found {names}.") from None
    except (pa.ArrowException, OSError, ValueError, TypeError, MemoryError, OverflowError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path} must be a Parquet file of images and whole labels, found: {reason}.") from None


def _check_footer(footer: pq.FileMetaData, path: Path) -> None:
    if not 0 <= footer.num_rows <= MAX_IMAGES:
        raise DataError(f"{path} must hold at most {MAX_IMAGES:,} images, found {footer.num_rows:,} rows.")
    size = sum(footer.row_group(k).total_byte_size for k in range(footer.num_row_groups))
    if size > MAX_BYTES:
        raise DataError(f"{path} must hold at most {MAX_BYTES:,} bytes unpacked, found {size:,}.")


def _images(file: pq.ParquetFile, path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    names = file.schema_arrow.names
    image = "img" if "img" in names else "image"
    if not {image, "label"} <= set(names):
        raise KeyError(image)
    images = np.empty((file.metadata.num_rows, *_SHAPE), np.uint8)
    labels = np.empty(file.metadata.num_rows, np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large pictures, which are refused below
        for row, (picture, label) in enumerate(_rows(file, image)):
            images[row] = _decoded(picture, f"row {row} of {path}")
            labels[row] = _NO_LABEL if label is None else label
    if n_without := int((labels == _NO_LABEL).sum()):
        raise DataError(f"{path} must have a label in every row, found {n_without} without.")
    return images, labels


def _rows(file: pq.ParquetFile, image: str) -> Iterator[tuple[Any, int | None]]:
    for batch in file.iter_batches(_ROWS_AT_ONCE, columns=[image, "label"]):
        yield from zip(batch[image].to_pylist(), batch["label"].cast(pa.int64()).to_pylist(), strict=True)


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
