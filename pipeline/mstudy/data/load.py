"""A data set by its name."""

from __future__ import annotations

from pathlib import Path

from mstudy.core.errors import DataError, shown
from mstudy.data.catalogue import ENTRIES, entry_of
from mstudy.data.cifar import load_cifar10
from mstudy.data.dataset import Dataset
from mstudy.data.digits import load_digits
from mstudy.data.idx import load_idx
from mstudy.data.npz import load_npz
from mstudy.data.quadratic import load_quadratic
from mstudy.data.text import load_text

_MAX_PATH = 4096  # characters
_COMPUTED = {"digits": load_digits, "quadratic": load_quadratic}
_FROM_FILES = {
    "mnist": load_idx,
    "fashion-mnist": load_idx,
    "cifar10": load_cifar10,
    "tiny-shakespeare": load_text,
}


def is_known(name: str) -> bool:
    """Return whether `name` is a data set's or a path ending in .npz; not whether its files are there."""
    return name in ENTRIES or name.endswith(".npz")


def load_dataset(name: str) -> Dataset:
    """Return a data set by name, or from a path ending in .npz.

    Raises DataError if the name or the files cannot be used.
    """
    if not is_known(name):
        raise DataError(f"dataset must be one of {', '.join(ENTRIES)}, or a path ending in .npz, found {shown(name)}.")
    if name.endswith(".npz"):
        return load_npz(_path(name))
    return _COMPUTED[name]() if name in _COMPUTED else _FROM_FILES[name](entry_of(name))


def _path(name: str) -> Path:
    if len(name) > _MAX_PATH or "\0" in name:
        rule = f"at most {_MAX_PATH} characters, none of them NUL"
        raise DataError(f"The path of a data file must have {rule}, found {len(name)}: {shown(name)}.")
    try:
        return Path(name).expanduser()
    except RuntimeError as error:  # so pathlib says that a user has no home
        raise DataError(f"The path of a data file must name a folder, found {shown(name)} ({error}).") from None
