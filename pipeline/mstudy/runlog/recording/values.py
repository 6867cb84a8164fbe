"""What a training loop hands over, as numbers."""

from __future__ import annotations

import math
import operator
from pathlib import Path
from typing import Any

from mstudy.core.errors import LogError, shown


def whole_step(step: Any, path: Path) -> int:
    """Return the step as an int; a float serves if it is whole. Raises LogError where it is none."""
    try:
        return operator.index(step)
    except TypeError:
        number = math.nan if isinstance(step, str) else _float(step)
    if not number.is_integer():
        raise LogError(f"step must be a whole number, found {shown(step)}, in {path}.")
    return int(number)


def number_of(name: str, value: Any, path: Path) -> float:
    """Return the value as a float. Raises LogError where it is none."""
    try:
        return _scalar(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise LogError(
            f"{name} must be one number, or None where it was not measured, found {shown(value)}, in {path}; text is "
            "for RunLogger(..., name=text), once for the whole run."
        ) from None


def _scalar(value: Any) -> float:
    return float(value.item() if hasattr(value, "item") else value)


def _float(value: Any) -> float:
    try:
        return _scalar(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return math.nan
