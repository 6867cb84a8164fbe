"""Tiny Shakespeare: predict the next character; public domain text, collected for karpathy/char-rnn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import DataError
from mstudy.data.catalogue import Entry
from mstudy.data.dataset import Dataset
from mstudy.data.places import read_file, required_files

LENGTH = 64  # symbols a sample
CHARACTERS, SYMBOLS = 1_115_394, 65


def load_text(entry: Entry) -> Dataset:
    """Load (n, 64) int64 symbols and, at every place, the symbol that follows as target. Raises DataError."""
    (path,) = required_files(entry)
    try:
        text = read_file(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} must be UTF-8 text, found byte {error.object[error.start]:#x}; fetch it again."
        ) from None
    symbols, n_symbols = encoded(text)
    if (len(symbols), n_symbols) != (CHARACTERS, SYMBOLS):
        raise DataError(
            f"{path} must hold {CHARACTERS} characters, {SYMBOLS} different ones, "
            f"found {len(symbols)} and {n_symbols}; fetch it again."
        )
    return Dataset(entry.name, *chunks(symbols, LENGTH), n_symbols)


def encoded(text: str) -> tuple[NDArray[np.int64], int]:
    """Return every character's place, from 0, among the text's different characters in order, and how many these
    are.
    """
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    different, symbols = np.unique(codes, return_inverse=True)
    return symbols.astype(np.int64), len(different)


def chunks(symbols: NDArray[np.int64], length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return inputs and targets, both (n, length): neighbouring stretches that do not overlap, a rest too short is
    left.
    """
    n = (len(symbols) - 1) // length
    inputs, targets = symbols[: n * length], symbols[1 : n * length + 1]
    return inputs.reshape(n, length), targets.reshape(n, length)
