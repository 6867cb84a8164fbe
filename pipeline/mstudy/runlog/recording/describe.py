"""What a run says of itself: its metadata, completed, and held to the rules that a log is validated by.

Standard library alone, for the training path.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from mstudy.core.errors import LogError
from mstudy.core.optimizers import SGD, implied_optimizer
from mstudy.core.statuses import Severity
from mstudy.runlog.format.schema import SCHEMA_VERSION
from mstudy.runlog.rules.metadata_fields import METADATA


def complete_metadata(run_id: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of a run, complete but for `status` and `diverged_step`.

    facts: `learning_rate`, `batch_size`, `seed`, `momentum` and/or `optimizer`, and anything else that is text, a
    number, true, false or null, or, as an `intervention`, a mapping to these; what is None is left out. Raises LogError
    where the analysis could not use it.
    """
    known = {key: _plain(value) for key, value in facts.items() if value is not None}
    for key, value in _leaves(known):
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            raise LogError(f"{key} must be text, a finite number, true or false, found {value!r}, for {run_id}.")
    metadata = _with_optimizer(known) | {"schema": SCHEMA_VERSION, "run_id": run_id}
    errors = [problem for problem in METADATA.problems(metadata, run_id) if problem.severity == Severity.ERROR]
    if errors:
        raise LogError(f"{errors[0].reason.removesuffix('.')}, for {run_id}.")
    numbers = {key: float(metadata[key]) for key in ("learning_rate", "momentum")}
    return metadata | numbers | {key: int(metadata[key]) for key in ("batch_size", "seed")}


def _leaves(facts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and value of each, those of a mapping one by one."""
    for key, value in facts.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{name}", each) for name, each in value.items())
        else:
            yield key, value


def _plain(value: Any) -> Any:
    """Return a scalar of numpy as Python's own, in a mapping too."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value


def _with_optimizer(facts: dict[str, Any]) -> dict[str, Any]:
    """Return momentum and optimizer, where one says the other."""
    optimizer, momentum = facts.get("optimizer"), facts.get("momentum")
    if momentum is None and optimizer == SGD:
        return facts | {"momentum": 0.0}
    if optimizer is None and isinstance(momentum, int | float):
        return facts | {"optimizer": implied_optimizer(momentum)}
    return facts
