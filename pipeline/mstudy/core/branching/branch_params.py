"""The parameters of the branches of one study: what is done to its runs, when, and how strongly."""

from __future__ import annotations

from dataclasses import dataclass

from mstudy.core.branching.treatments import TREATMENT
from mstudy.core.errors import require


@dataclass(frozen=True)
class Branches:
    """What is done to the runs of a study whose SGD sharpens abruptly, just before that and at a control time.

    treatments: names of `treatments.TREATMENTS`. lead: rows of the log between the branching and the onset of the
    sharpening. control: the control step, as a share of that of the branching. rates: learning rates of each batch
    size, those at which most seeds sharpen, then the highest; None for all. share_of_line, search_every, rate_share: as
    in `treatments.Dose`, whose momentum is the largest of the study.
    """

    treatments: tuple[str, ...] = ("projected", "lower_rate", "momentum")
    lead: int = 3
    control: float = 0.25
    rates: int | None = 3
    share_of_line: float = 0.8
    search_every: int = 3
    rate_share: float = 0.5

    def __post_init__(self) -> None:
        names = list(self.treatments)
        require(len(names) > 0, "treatments", names, "a list of at least one treatment")
        for name in names:
            require(name in TREATMENT, "treatments", name, f"one of {', '.join(TREATMENT)}")
        require(len(set(names)) == len(names), "treatments", names, "free of repetitions")
        require(self.lead >= 0, "lead", self.lead, "at least 0")
        require(0 < self.control < 1, "control", self.control, "above 0 and below 1")
        require(self.rates is None or self.rates >= 1, "rates", self.rates, "at least 1, or null for all")
        require(self.share_of_line > 0, "share_of_line", self.share_of_line, "above 0")
        require(self.search_every >= 1, "search_every", self.search_every, "at least 1")
        require(0 < self.rate_share < 1, "rate_share", self.rate_share, "above 0 and below 1")
