"""A data set of the user's own: arrays `x` and `y` in an .npz file."""

from __future__ import annotations

import hashlib
import lzma
import struct
import tokenize
import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import DataError, shown
from mstudy.core.outside import require_plain
from mstudy.data.dataset import Dataset

MAX_CLASSES = 65_536  # a network has an output a class: a larger label is an identifier, not a class
MAX_BYTES = 1 << 33  # of the file, and of each array in memory, where all but float32 is float64 or int64
_MAX_HEADER_BYTES = 10_000  # of an array; NumPy's own bound, kept before it reads that many
_DIGITS = 32  # of a SHA-256 in a name: 128 bits, which nobody can make two files share
# What zipfile, the methods of compression, and NumPy's parser of headers raise at damaged or crafted files.
_FAULTS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, LookupError, ArithmeticError),
    *(ValueError, TypeError, AttributeError, AssertionError, RuntimeError, MemoryError, SyntaxError),
    tokenize.TokenError,
)


def load_npz(path: Path) -> Dataset:
    """Return x (n, n_features) or (n, channels, height, width), used as it is: no scaling, no shift.

    x of whole numbers becomes float64; float32 and float64 stay. y: whole numbers (n,) are classes counted from 0,
    floats (n,) or (n, n_outputs) are regression targets. The name carries the first 32 digits of the file's
    SHA-256, so that a log tells one version of the file from the next. Pickled objects are never loaded.

    Raises DataError.
    """
    try:
        require_plain(path, MAX_BYTES, DataError)
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
    return Dataset(f"{path.stem}@{digest[:_DIGITS]}", inputs, targets, n_outputs)


def _arrays(file: BinaryIO, path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    if not zipfile.is_zipfile(file):
        raise DataError(f"{path} must be an .npz file, found no zip archive; write it with numpy.savez.")
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            arrays = {name.removesuffix(".npy"): name for name in archive.namelist()}
            if not {"x", "y"} <= set(arrays):
                raise DataError(f"{path} must hold the arrays x and y, found {shown(sorted(arrays))}.")
            return _array(archive, arrays["x"], "x", path), _array(archive, arrays["y"], "y", path)
    except _FAULTS as error:
        reason = " ".join(str(error).split())[:200].removesuffix(".") or type(error).__name__
        raise DataError(f"{path} must be an .npz file of plain arrays, found: {reason}.") from None


def _array(archive: zipfile.ZipFile, member: str, name: str, path: Path) -> NDArray[Any]:
    """Return an array whose header says a size that the archive holds; it is checked before memory is asked for."""
    with archive.open(member) as stream:
        head = stream.read(12)
    if not head.startswith(np.lib.format.MAGIC_PREFIX):
        raise DataError(f"{name} must be an array, found bytes in {path}.")
    n_header = int.from_bytes(head[8:10] if head[6] == 1 else head[8:12], "little")
    if n_header > _MAX_HEADER_BYTES:
        raise DataError(f"{name} must have a header of at most {_MAX_HEADER_BYTES} bytes, found {n_header} in {path}.")
    with archive.open(member) as stream:
        _check_size(stream, archive.getinfo(member).file_size, name, path)
    with archive.open(member) as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def _check_size(stream: IO[bytes], n_stored: int, name: str, path: Path) -> None:
    """Raise DataError where an array would take more bytes than are stored for it, or than MAX_BYTES."""
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    n_bytes, n_there = prod(shape) * dtype.itemsize, n_stored - stream.tell()
    if min(shape, default=0) < 0 or (n_bytes > n_there and not dtype.hasobject):
        wanted = f"{n_bytes:,} bytes for its shape {shown(shape)}"
        raise DataError(f"{name} must hold {wanted}, found {n_there:,} in {path}.")
    in_memory = n_bytes if dtype == np.float32 else max(n_bytes, prod(shape) * 8)
    if in_memory > MAX_BYTES:
        raise DataError(f"{name} must take at most {MAX_BYTES:,} bytes of memory, found {in_memory:,} in {path}.")


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
