"""From the runs of a study, and when they sharpened, to the branches that leave them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mstudy.core.branching.branch_params import Branches
from mstudy.core.branching.treatments import TREATMENT, Dose, Treatment
from mstudy.core.errors import ConfigError
from mstudy.core.params import Study
from mstudy.core.statuses import BranchTime
from mstudy.core.theory import effective_rate
from mstudy.train.branching import branching_of
from mstudy.train.configs import RunConfig

MIN_WINDOW = 4  # updates; a shorter one shows nothing


@dataclass(frozen=True)
class Window:
    """Where the branches of a run leave it. step: before its sharpening. control: before that. length: of either."""

    step: int
    control: int
    length: int

    @property
    def starts(self) -> dict[BranchTime, int]:
        """The first treated update at either time."""
        return {BranchTime.SHARPENING: self.step, BranchTime.CONTROL: self.control}


def window_before(rows: NDArray[np.int64], onset: float, n_steps: int, how: Branches) -> Window | None:
    """Return the window of a run that begins to sharpen at `onset`, and its control; None where there is no room.

    rows: the logged steps. The window begins `lead` rows before the onset. The control window is as long and ends, at
    the latest, where the other one begins: so it is over before there is anything to remove.
    """
    earlier = rows[rows <= onset]
    if len(earlier) <= how.lead:
        return None
    step = int(earlier[-1 - how.lead])
    control = max(1, round(how.control * step))
    length = min(step - control, n_steps - step)
    return Window(step, control, length) if length >= MIN_WINDOW else None


def check_branches(name: str, study: Study, how: Branches) -> None:
    """Raise ConfigError for a study without SGD, or without a momentum where a treatment needs one."""
    if 0 not in study.momenta:
        raise ConfigError(
            f"studies.{name}.momenta must have 0 where there are branches.{name} (they leave plain SGD), "
            f"found {list(study.momenta)}."
        )
    needing = [each for each in how.treatments if TREATMENT[each].with_momentum or TREATMENT[each].of_sgdm]
    if needing and max(study.momenta) == 0:
        raise ConfigError(
            f"studies.{name}.momenta must have one above 0 for the treatments {', '.join(needing)} of "
            f"branches.{name}, found {list(study.momenta)}."
        )


def plan_branches(
    runs: Sequence[RunConfig], windows: Mapping[str, Window], how: Branches, study: Study
) -> list[RunConfig]:
    """Return the branches of a study's runs. windows: run_id of an SGD run that sharpens -> where its branches begin.

    Those of the SGDM run of a pair begin where those of its SGD run do.
    """
    momentum = max(study.momenta)
    optimizer = study.optimizer_at(momentum)
    dose = Dose(how.share_of_line, how.search_every, how.rate_share, momentum, optimizer)
    own = [run for run in runs if run.branching is None and run.twin is None]
    sgdm = {_pair(run): run for run in own if run.momentum == momentum}
    parents = _of_chosen_rates([run for run in own if run.run_id in windows], how.rates)
    return [
        branch
        for run in parents
        for name in how.treatments
        for branch in _both_times(sgdm[_pair(run)] if TREATMENT[name].of_sgdm else run, name, windows[run.run_id], dose)
    ]


def _both_times(parent: RunConfig, name: str, window: Window, dose: Dose) -> list[RunConfig]:
    treatment: Treatment = TREATMENT[name]
    return [
        replace(parent, branching=branching_of(treatment, parent.own_rule, dose, at, step, window.length))
        for at, step in window.starts.items()
    ]


def _of_chosen_rates(runs: Sequence[RunConfig], n_rates: int | None) -> list[RunConfig]:
    """Return the runs of at most so many learning rates of each batch size: those of most seeds, the higher first."""
    counts: dict[int, dict[float, int]] = defaultdict(lambda: defaultdict(int))
    for run in runs:
        counts[run.batch_size][run.learning_rate] += 1
    chosen = {
        b: set(sorted(of_rate, key=lambda rate: (-of_rate[rate], -rate))[:n_rates]) for b, of_rate in counts.items()
    }
    return [run for run in runs if run.learning_rate in chosen[run.batch_size]]


def _pair(run: RunConfig) -> tuple[int, str, int]:
    """Return what the two runs of a pair share: batch size, effective learning rate, seed."""
    eta_ef = effective_rate(run.learning_rate, run.momentum, run.optimizer)
    return run.batch_size, f"{eta_ef:.6g}", run.seed
