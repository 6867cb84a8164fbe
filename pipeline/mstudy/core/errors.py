"""Every foreseeable fault. The command line prints its sentence and exits with 1; nothing else catches the family."""

from __future__ import annotations

import reprlib
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class MstudyError(Exception):
    """A problem in the user's data or configuration: what must hold, what was found, where, what to do."""


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
    """Return a value from outside as part of a sentence: short, however long or deep it is."""
    return _REPR.repr(value)


def require(holds: bool, key: str, value: object, rule: str) -> None:
    """Raise ConfigError unless the value of a parameter is as its rule says."""
    if not holds:
        raise ConfigError(f"{key} must be {rule}, found {shown(value)}.")


def is_text(value: str) -> bool:
    """Return whether UTF-8 can hold it: JSON and YAML can spell half a character."""
    return not any(0xD800 <= ord(c) <= 0xDFFF for c in value)


@contextmanager
def exit_with_sentence() -> Iterator[None]:
    """Turn a foreseeable fault into one line on stderr and exit code 1."""
    try:
        yield
    except MstudyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def exit_interrupted(sentence: str = "") -> NoReturn:
    """Say how to go on, and exit with 130, after the work was interrupted.

    From here on Ctrl-C is ignored: there is nothing left to interrupt, and Python would end in a traceback.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sentence:
        print(sentence, file=sys.stderr)
    sys.exit(130)
