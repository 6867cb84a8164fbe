"""A value with its interval, and what has become of it from one analysis to the other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mstudy.report.words import interval, number


@dataclass(frozen=True)
class Estimate:
    """A number with its interval. None: not estimated, or an end that the interval does not have."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def lies_outside(self, other: Estimate) -> bool:
        """Return whether this value is outside the other's interval; without an interval, whether it is another."""
        if self.value is None or other.value is None:
            return self.value is not other.value
        if other.low is None and other.high is None:
            return self.value != other.value
        low = -math.inf if other.low is None else other.low
        return not low <= self.value <= (math.inf if other.high is None else other.high)

    def is_beyond(self, other: Estimate) -> bool:
        """Return whether each of the two lies outside the interval of the other."""
        return self.lies_outside(other) and other.lies_outside(self)

    def __str__(self) -> str:
        if self.low is None and self.high is None:
            return number(self.value)
        return f"{number(self.value)} {interval(self.low, self.high)}"


@dataclass(frozen=True)
class Told:
    """What one analysis says: a word, such as a verdict or a status, and a number. None: nothing."""

    word: str | None
    estimate: Estimate = field(default_factory=lambda: Estimate(None))

    def differs_from(self, other: Told) -> bool:
        """Return whether the word is another, or the number beyond the intervals."""
        return self.word != other.word or self.estimate.is_beyond(other.estimate)

    def __str__(self) -> str:
        words = "nothing" if self.word is None else self.word.replace("_", " ")
        return words if self.estimate.value is None else f"{words}, {self.estimate}"


NOTHING = Told(None)


@dataclass(frozen=True)
class Change:
    """key: of what, as the tables name it. name: the same in words. a, b: what each analysis says."""

    key: Mapping[str, Any]
    name: str
    a: Told
    b: Told

    def as_dict(self) -> dict[str, Any]:
        """Return the change for JSON."""
        return {**self.key, "name": self.name, "a": asdict(self.a), "b": asdict(self.b)}

    def __str__(self) -> str:
        return f"{self.name}: {self.a} → {self.b}"


Named = Mapping[str, tuple[Mapping[str, Any], Told]]  # name -> key and what is told


def changes(a: Named, b: Named) -> list[Change]:
    """Return what has changed of all that either names, in their order."""
    found = []
    for name in dict.fromkeys([*a, *b]):
        key = (a.get(name) or b[name])[0]
        before, after = (side[name][1] if name in side else NOTHING for side in (a, b))
        if before.differs_from(after):
            found.append(Change(key, name, before, after))
    return found
