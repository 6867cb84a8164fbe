"""What a run says of itself: its metadata, checked and completed. Standard library alone, for the training path."""

from __future__ import annotations

import math
from typing import Any

from mstudy.errors import LogError
from mstudy.runlog.schema import HEAVY_BALL, OPTIMIZERS, SCHEMA_VERSION, SGD


def describe_run(run_id: str, facts: dict[str, Any]) -> dict[str, Any]:
    """The metadata of a run, complete but for `status` and `diverged_step`.

    facts: `learning_rate`, `batch_size`, `seed`, `momentum` and/or `optimizer`, and anything else that is text, a
    number, true, false or null; what is None is left out. Raises LogError where the analysis could not use it.
    """
    known = {key: _plain(value) for key, value in facts.items() if value is not None}
    for key, value in known.items():
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            raise LogError(f"{key} must be text, a finite number, true or false, found {value!r}, for {run_id}.")
    optimizer, momentum = _optimizer(run_id, known)
    return known | {
        "schema": SCHEMA_VERSION,
        "run_id": run_id,
        "optimizer": optimizer,
        "momentum": momentum,
        "learning_rate": _number(run_id, known, "learning_rate", above=0.0),
        "batch_size": _whole(run_id, known, "batch_size", least=1),
        "seed": _whole(run_id, known, "seed"),
    }


def _plain(value: Any) -> Any:
    """A scalar of numpy as Python's own."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value


def _optimizer(run_id: str, facts: dict[str, Any]) -> tuple[str, float]:
    if "optimizer" not in facts and "momentum" not in facts:
        raise LogError(f"momentum or optimizer must be given, found neither, for {run_id}.")
    optimizer = facts.get("optimizer")
    if optimizer is not None and optimizer not in OPTIMIZERS:
        raise LogError(
            f"optimizer must be one of {', '.join(OPTIMIZERS)}, which are what the analysis compares, "
            f"found {optimizer!r}, for {run_id}."
        )
    momentum = 0.0 if optimizer == SGD and "momentum" not in facts else _number(run_id, facts, "momentum")
    if not 0 <= momentum < 1:
        raise LogError(f"momentum must be at least 0 and below 1, found {momentum!r}, for {run_id}.")
    if optimizer is None:
        optimizer = HEAVY_BALL if momentum > 0 else SGD
    if (optimizer == SGD) != (momentum == 0):
        raise LogError(
            f"momentum must be 0 for sgd and above 0 otherwise, found {momentum!r} with {optimizer!r}, for {run_id}."
        )
    return optimizer, momentum


def _number(run_id: str, facts: dict[str, Any], key: str, above: float = -math.inf) -> float:
    value: Any = facts.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= above:
        rule = f"a number above {above:g}" if above > -math.inf else "a number"
        raise LogError(f"{key} must be {rule}, found {value!r}, for {run_id}.")
    return float(value)


def _whole(run_id: str, facts: dict[str, Any], key: str, least: float = -math.inf) -> int:
    value: Any = facts.get(key)
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)
    if not whole or value < least:
        rule = f"a whole number, at least {least}" if least > -math.inf else "a whole number"
        raise LogError(f"{key} must be {rule}, found {value!r}, for {run_id}.")
    return int(value)
