"""What may be done to a run for a window of its training: one entry each.

A new treatment is one entry here. What it needs beyond a rule of its own is a flag that the training code knows:
`velocity`, `projects`, `stretches`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from mstudy.core.optimizers import SGD, optimizer_of
from mstudy.core.theory import effective_rate, learning_rate_at

MAX_DIRECTIONS = 4  # eigenvectors that a projection removes at most


@dataclass(frozen=True)
class Rule:
    """An optimizer of the schema and what it runs at."""

    optimizer: str
    learning_rate: float
    momentum: float


class Velocity(StrEnum):
    """With which velocity a branch begins: zero, that of its own past gradients, or the parent's own."""

    ZERO = "zero"
    PAST_GRADIENTS = "past gradients"
    OWN = "own"


@dataclass(frozen=True)
class Dose:
    """How strong the treatments are.

    share_of_line: of the stability line, from which on an eigenvalue of the Hessian counts as sharp. every: updates
    after which the sharp directions are searched for anew. rate_share: the lowered learning rate, as a share of the
    run's own. momentum, optimizer: those with which plain SGD goes on.
    """

    share_of_line: float
    every: int
    rate_share: float
    momentum: float
    optimizer: str


@dataclass(frozen=True)
class Treatment:
    """One treatment.

    name: in params.yaml. kind: in logs, from the momentum that it goes on with. meaning: for readers. of_sgdm: whether
    it is for the SGDM run of a pair; else for its SGD run. rule: (the parent's, the dose) -> what is in force during
    the window. velocity: of the first treated update. projects: whether updates lose their component along the sharp
    directions. stretches: whether the window is longer, so that learning rates sum up to those of the parent's window.
    with_momentum: whether plain SGD goes on with momentum.
    """

    name: str
    kind: Callable[[float], str]
    meaning: str
    rule: Callable[[Rule, Dose], Rule]
    of_sgdm: bool = False
    velocity: Velocity = Velocity.OWN
    projects: bool = False
    stretches: bool = False
    with_momentum: bool = False


def _unchanged(parent: Rule, dose: Dose) -> Rule:
    return parent


def _lower_rate(parent: Rule, dose: Dose) -> Rule:
    return Rule(parent.optimizer, float(f"{parent.learning_rate * dose.rate_share:.12g}"), parent.momentum)


def _with_momentum(parent: Rule, dose: Dose) -> Rule:
    rate = learning_rate_at(parent.learning_rate, dose.momentum, dose.optimizer)
    return Rule(dose.optimizer, rate, dose.momentum)


def _raised_to_sgd_line(parent: Rule, dose: Dose) -> Rule:
    """Return the parent's rule at the learning rate at which its stability line is that of SGD of the same eta_ef.

    A line is a constant over the learning rate, so that rate is the parent's, times the ratio of the two lines.
    """
    own, of_sgd = optimizer_of(parent.optimizer).line, optimizer_of(SGD).line
    assert own is not None and of_sgd is not None, "optimizers that training knows have lines"
    eta_ef = effective_rate(parent.learning_rate, parent.momentum, parent.optimizer)
    rate = parent.learning_rate * own(parent.learning_rate, parent.momentum) / of_sgd(eta_ef, 0.0)
    return Rule(parent.optimizer, float(f"{rate:.12g}"), parent.momentum)


TREATMENTS = (
    Treatment(
        name="unchanged",
        kind=lambda mu: "unchanged",
        meaning="nothing is changed: the branch repeats its parent",
        rule=_unchanged,
    ),
    Treatment(
        name="projected",
        kind=lambda mu: "projected",
        meaning="updates lose their component along the sharpest directions of the training loss",
        rule=_unchanged,
        projects=True,
    ),
    Treatment(
        name="lower_rate",
        kind=lambda mu: "lower rate",
        meaning="the learning rate is lower, for as much longer as it takes to cover the same distance",
        rule=_lower_rate,
        stretches=True,
    ),
    Treatment(
        name="momentum",
        kind=lambda mu: f"momentum {mu:g} from rest",
        meaning="plain SGD goes on with momentum at the same effective learning rate, its velocity zero at first",
        rule=_with_momentum,
        velocity=Velocity.ZERO,
        with_momentum=True,
    ),
    Treatment(
        name="momentum_of_history",
        kind=lambda mu: f"momentum {mu:g} with history",
        meaning="plain SGD goes on with momentum at the same rate, with the velocity that its past gradients give",
        rule=_with_momentum,
        velocity=Velocity.PAST_GRADIENTS,
        with_momentum=True,
    ),
    Treatment(
        name="raised_rate",
        kind=lambda mu: "raised rate of SGDM",
        meaning="SGDM goes on at the learning rate at which its stability line is that of SGD",
        rule=_raised_to_sgd_line,
        of_sgdm=True,
    ),
)
TREATMENT = {treatment.name: treatment for treatment in TREATMENTS}
