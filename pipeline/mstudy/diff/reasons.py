"""Why two analyses may differ: parameters, runs and code, as the stamps of the stages name them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mstudy.core.errors import shown
from mstudy.tables.stamp import Finished, Stamp

_MISSING = "not given"


@dataclass(frozen=True)
class ParameterChange:
    """One parameter, and its value in each analysis; None where it has none."""

    name: str
    a: Any
    b: Any

    def __str__(self) -> str:
        return f"{self.name} {_told(self.a)} → {_told(self.b)}"


@dataclass(frozen=True)
class Reasons:
    """What differs in what a stage's results were made of.

    other_runs: whether the logs are others; None where another version of the code described them otherwise.
    """

    parameters: tuple[ParameterChange, ...]
    other_runs: bool | None
    other_code: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the reasons for JSON."""
        return asdict(self) | {"parameters": [asdict(parameter) for parameter in self.parameters]}

    def __str__(self) -> str:
        parts = [str(parameter) for parameter in self.parameters]
        parts += ["other runs"] if self.other_runs else []
        parts += ["another version of the code"] if self.other_code else []
        return "; ".join(parts) or "nothing that the stamps name"


def reasons_for(stage: str, a: Finished, b: Finished) -> Reasons:
    """Return what differs in what the results of a stage were made of, also through the stages that it read."""
    return _reasons(_made_by(stage, a), _made_by(stage, b))


def all_reasons(a: Finished, b: Finished) -> Reasons:
    """Return what differs in what the two analyses were made of."""
    return _reasons(a.stamps, b.stamps)


def _made_by(stage: str, finished: Finished) -> tuple[Stamp, ...]:
    """Return the stamps of a stage and of those whose results it read."""
    own = next(stamp for stamp in finished.stamps if stamp.stage == stage)
    return (own, *(stamp for stamp in finished.stamps if stamp is not own and own.read.keys() & stamp.written.keys()))


def _reasons(a: tuple[Stamp, ...], b: tuple[Stamp, ...]) -> Reasons:
    before, after = _parameters(a), _parameters(b)
    changed = [
        ParameterChange(name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    runs = [{stamp.runs for stamp in stamps if stamp.runs} for stamps in (a, b)]
    codes = [{stamp.stage: stamp.code for stamp in stamps} for stamps in (a, b)]
    other_code = codes[0] != codes[1]
    return Reasons(tuple(changed), _are_other(runs[0], runs[1], other_code), other_code)


def _are_other(a: set[str], b: set[str], other_code: bool) -> bool | None:
    if a == b:
        return False
    return None if other_code else True  # a digest of runs is made by the code


def _parameters(stamps: tuple[Stamp, ...]) -> dict[str, Any]:
    """Return the values by `section.key`."""
    return {
        f"{section}.{key}": value
        for stamp in stamps
        for section, values in stamp.params.items()
        for key, value in values.items()
    }


def _told(value: Any) -> str:
    return _MISSING if value is None else shown(value)
