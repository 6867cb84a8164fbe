"""What a branch of a run does, from which of its steps to which."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mstudy.core.branching.treatments import MAX_DIRECTIONS, Dose, Rule, Treatment, Velocity
from mstudy.core.statuses import BranchTime


@dataclass(frozen=True)
class Projection:
    """Updates lose their component along the sharp directions.

    share_of_line: of the stability line, from which on an eigenvalue counts as sharp. every: updates after which the
    directions are searched for anew. directions: how many are removed at most.
    """

    share_of_line: float
    every: int
    directions: int = MAX_DIRECTIONS


@dataclass(frozen=True)
class Branching:
    """At which step a branch leaves its parent, and for which rule.

    kind: what was done; None for what plain SGD did in earlier versions, which is to go on with momentum to the end.
    end: the step from which on the rule of the parent holds again; None for never. parent_end: the step of the parent
    that is as far along as the branch at `end`. at: whether the step lies before the sharpening of the parent, or at a
    control time. velocity: that of the first update by the new rule.
    """

    step: int
    rule: Rule
    kind: str | None = None
    end: int | None = None
    parent_end: int | None = None
    at: str | None = None
    velocity: Velocity = Velocity.ZERO
    projection: Projection | None = None

    @property
    def extra_steps(self) -> int:
        """Updates by which the branch is longer than its parent."""
        return 0 if self.end is None or self.parent_end is None else self.end - self.parent_end

    def treats(self, step: int) -> bool:
        """Return whether the new rule is in force at a step."""
        return self.step <= step and (self.end is None or step < self.end)

    def gathers(self, step: int) -> bool:
        """Return whether the velocity grows at a step although no update uses it yet."""
        return self.velocity == Velocity.PAST_GRADIENTS and step < self.step

    def searches(self, step: int) -> bool:
        """Return whether the sharp directions are searched for at a step."""
        return self.projection is not None and self.treats(step) and (step - self.step) % self.projection.every == 0

    def content(self) -> dict[str, Any]:
        """Return the branching as JSON can hold it; what no earlier version had is left out where it has no part."""
        unsaid = {name: getattr(_PLAIN, name) for name in vars(self)}
        about = asdict(self)
        return {name: value for name, value in about.items() if name in ("step", "rule") or value != unsaid[name]}

    def intervention(self, parent: Rule) -> dict[str, Any]:
        """Return what the log says of it. The momentum is left out where it is the parent's."""
        if self.kind is None:
            return {"kind": f"momentum {self.rule.momentum:g}", "step": self.step, **asdict(self.rule)}
        times = {"step": self.step, "end": self.end, "parent_end": self.parent_end, "at": self.at}
        own = {name: value for name, value in asdict(self.rule).items() if value != getattr(parent, name)}
        velocity = {"velocity": self.velocity} if self.velocity != Velocity.OWN else {}
        projection = {} if self.projection is None else asdict(self.projection)
        return {"kind": self.kind, **times, **own, **velocity, **projection}


_PLAIN = Branching(0, Rule("", 0.0, 0.0))


def branching_of(treatment: Treatment, parent: Rule, dose: Dose, at: BranchTime, step: int, window: int) -> Branching:
    """Return a treatment of `window` updates of the parent from a step on.

    A treatment that goes slower lasts longer, so that its learning rates sum up to those of the parent's window.
    """
    rule = treatment.rule(parent, dose)
    length = round(window * parent.learning_rate / rule.learning_rate) if treatment.stretches else window
    return Branching(
        step,
        rule,
        kind=treatment.kind(dose.momentum),
        end=step + length,
        parent_end=step + window,
        at=at,
        velocity=treatment.velocity,
        projection=Projection(dose.share_of_line, dose.every) if treatment.projects else None,
    )
