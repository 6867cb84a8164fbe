"""A rule of validation, what breaks it, and how a broken one is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mstudy.core.errors import printable
from mstudy.core.statuses import Severity

# An error would make a number wrong, so that `analyze` refuses it; a warning makes the evidence weaker.

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Fault:
    """One breach. reason: what must hold and what was found. row: counted from 0. path: where not the file checked."""

    reason: str
    column: str | None = None
    row: int | None = None
    path: str | None = None


@dataclass(frozen=True)
class Rule(Generic[Subject]):
    """demand: what must hold. remedy: what to do. check: yields the breaches of one subject."""

    id: str
    severity: Severity
    demand: str
    remedy: str
    check: Callable[[Subject], Iterator[Fault]]


@dataclass(frozen=True)
class Problem:
    """A breach, where it is, and what to do. path: relative to the runs folder; row: counted from 0."""

    path: str
    rule: str
    severity: Severity
    reason: str
    remedy: str
    column: str | None = None
    row: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return dict(vars(self))

    def as_text(self) -> str:
        """Return one line: file, column, row, severity and rule, what was found, what to do."""
        place = f", column {self.column}" if self.column else ""
        place += f", row {self.row}" if self.row is not None else ""
        # A name or a value from a log may hold anything, a line break included.
        return printable(f"{self.path}{place}: {self.severity} {self.rule}: {self.reason} {self.remedy}")


class Stage(Generic[Subject]):
    """Rules that look at the same kind of subject, in the order in which they were declared."""

    def __init__(self) -> None:
        self.rules: list[Rule[Subject]] = []

    def rule(
        self, name: str, severity: Severity, demand: str, remedy: str
    ) -> Callable[[Callable[[Subject], Iterator[Fault]]], Callable[[Subject], Iterator[Fault]]]:
        """Declare the decorated function as a rule of this stage."""

        def declare(check: Callable[[Subject], Iterator[Fault]]) -> Callable[[Subject], Iterator[Fault]]:
            self.rules.append(Rule(name, severity, demand, remedy, check))
            return check

        return declare

    def problems(self, subject: Subject, path: str) -> list[Problem]:
        """Return every breach of every rule of the stage."""
        return [problem_of(rule, fault, path) for rule in self.rules for fault in rule.check(subject)]


def problem_of(rule: Rule[Any], fault: Fault, path: str) -> Problem:
    """Return the fault as a problem of `path`, unless it names another file itself."""
    where = path if fault.path is None else fault.path
    return Problem(where, rule.id, rule.severity, fault.reason, rule.remedy, fault.column, fault.row)


def has_error(problems: Iterable[Problem]) -> bool:
    """Return whether any problem is an error."""
    return any(problem.severity == Severity.ERROR for problem in problems)
