"""A unit of work on its way to another process, and the answer on its way back, as bytes.

Bytes, so that a process can prepare itself before any library is imported to make sense of them.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class _Raised:
    """What a unit raised instead of giving a result."""

    error: Exception


def task_of(function: Callable[[Any], Any], unit: Any) -> bytes:
    """Return what `answer` takes."""
    return pickle.dumps((function, unit))


def answer(task: bytes) -> bytes:
    """Do a task; return its result, or what it raised."""
    try:
        function, unit = pickle.loads(task)
        return pickle.dumps(function(unit))
    except Exception as error:
        error.add_note(traceback.format_exc())  # a traceback does not travel to another process
        return pickle.dumps(_Raised(error))


def value_of(answered: bytes) -> Any:
    """Return the result of a task. Raises what the task raised."""
    value = pickle.loads(answered)
    if isinstance(value, _Raised):
        raise value.error
    return value
