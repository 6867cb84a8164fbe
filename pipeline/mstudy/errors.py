"""Every foreseeable fault. The command line prints its sentence and exits with 1; nothing else catches the family."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


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


@contextmanager
def exit_with_sentence() -> Iterator[None]:
    """Turn a foreseeable fault into one line on stderr and exit code 1."""
    try:
        yield
    except MstudyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
