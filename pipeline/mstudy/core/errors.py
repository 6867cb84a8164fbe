"""Every foreseeable fault. The command line prints its sentence and exits with 1; nothing else catches the family."""

from __future__ import annotations

import reprlib

# How large a number from outside may be: one bound for all parts, so that what one writes the next can read.
WHOLE_NUMBERS_END = 2**53  # from here on float64 does not tell whole numbers apart
MIN_RATE = 1e-300  # learning rates lie above; below 2e-308 floats lose digits
MAX_NUMBER = 1e300  # numbers lie below, so that their products with everyday numbers are finite
MAX_MOMENTUM = 1 - 1e-9

# What is listed in memory, counted before it is listed.
MAX_RUNS = 100_000  # of a study
MAX_GRID_POINTS = 10_000
MAX_FIRST_SEED = 1_000_000_000  # so that it and the seeds after it fit 32 bits
MAX_LOGGED_ROWS = 1_000_000  # of a run
MAX_ENSEMBLE_WIDTH = 10_000  # runs side by side
MAX_DRAWN_BATCHES = 10_000
MAX_RESAMPLES = 1_000_000
MAX_CURVE_POINTS = 100_000
MAX_LAYERS = 1_000
MAX_LAYER_WIDTH = 1_000_000


def printable(text: str) -> str:
    """Return the text on one line: what cannot be printed is spelt. A name from outside may hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


class MstudyError(Exception):
    """A problem in the user's data or configuration: what must hold, what was found, where, what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


class ConfigError(MstudyError):
    """A parameter is unknown, of the wrong type, or impossible."""


class DataError(MstudyError):
    """A data set is missing, damaged, or smaller than asked for."""


class LogError(MstudyError):
    """A runs folder, or a run's log in it, cannot be used."""


class TrainingError(MstudyError):
    """Training could not go on; what was finished stays in the store."""


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 80


def shown(value: object) -> str:
    """Return a value from outside as a short text for a sentence, however long or deep the value is."""
    return _REPR.repr(value)


def require(holds: bool, key: str, value: object, rule: str) -> None:
    """Raise ConfigError unless the value of a parameter is as its rule says."""
    if not holds:
        raise ConfigError(f"{key} must be {rule}, found {shown(value)}.")


def is_text(value: str) -> bool:
    """Return whether UTF-8 can hold the text: JSON and YAML can spell half of a surrogate pair."""
    return not any(0xD800 <= ord(c) <= 0xDFFF for c in value)
