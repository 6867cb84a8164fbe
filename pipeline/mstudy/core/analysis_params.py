"""The parameters of the analysis: one class for each stage, and the margins that several stages share."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import NormalDist

from mstudy.core.errors import MAX_CURVE_POINTS, MAX_RESAMPLES, ConfigError, require
from mstudy.core.losses.scale import Scale
from mstudy.core.quantities import DETECTABLE
from mstudy.core.statuses import EventDefinition

MAX_LOOK_RATIO = 10


@dataclass(frozen=True)
class Detect:
    """Abrupt sharpening of one run; its stability line; which of the two decides C4 and C5."""

    quantity: str = "directional_curvature"
    decides: str = EventDefinition.SHARPENING.value
    jump_factor: float = 3.0
    lasting_share: float = 0.4
    recurring_gap: float = 0.08
    transient_points: int = 3
    progressive_share: float = 0.4
    min_points: int = 40
    resamples: int = 199
    alpha: float = 0.05
    band_factor: float = 2.0
    band_share: float = 0.8
    band_points: int = 8
    crossing_tolerance: float = 0.0
    crossing_points: int = 1
    agreement: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.quantity in DETECTABLE, "quantity", self.quantity, " or ".join(DETECTABLE))
        require(self.decides in list(EventDefinition), "decides", self.decides, " or ".join(EventDefinition))
        require(self.jump_factor > 1, "jump_factor", self.jump_factor, "above 1")
        require(0 < self.lasting_share <= 1, "lasting_share", self.lasting_share, "above 0 and at most 1")
        require(0 < self.recurring_gap <= 0.5, "recurring_gap", self.recurring_gap, "above 0 and at most 0.5")
        require(self.transient_points >= 2, "transient_points", self.transient_points, "at least 2")
        share = self.progressive_share
        require(0 < share <= 1, "progressive_share", share, "above 0 and at most 1")
        require(self.min_points >= 16, "min_points", self.min_points, "at least 16")
        require(0 < self.alpha < 1, "alpha", self.alpha, "between 0 and 1")
        require(self.band_factor > 1, "band_factor", self.band_factor, "above 1")
        require(0 < self.band_share <= 1, "band_share", self.band_share, "above 0 and at most 1")
        require(self.band_points >= 1, "band_points", self.band_points, "at least 1")
        tolerance = self.crossing_tolerance
        require(0 <= tolerance < 1, "crossing_tolerance", tolerance, "at least 0 and below 1")
        require(self.crossing_points >= 1, "crossing_points", self.crossing_points, "at least 1")
        require(0 <= self.agreement < 1, "agreement", self.agreement, "at least 0 and below 1")
        require(
            self.resamples >= 1 / self.alpha - 1,
            "resamples",
            self.resamples,
            f"at least 1/alpha - 1 = {1 / self.alpha - 1:.0f} (fewer cannot give a p-value of alpha)",
        )
        require(self.resamples <= MAX_RESAMPLES, "resamples", self.resamples, f"at most {MAX_RESAMPLES}")


@dataclass(frozen=True)
class Margins:
    """What counts as equal and what a divergence counts for; every stage that compares losses reads it.

    In log loss, or, with `compare.scale` difference, in shares of the loss's fall.
    """

    advantage: float = 0.05
    diverged: float = 3.0

    def __post_init__(self) -> None:
        require(self.advantage > 0, "advantage", self.advantage, "above 0")
        require(self.diverged > self.advantage, "diverged", self.diverged, f"above advantage = {self.advantage}")


@dataclass(frozen=True)
class Compare:
    """SGD against SGDM: how losses are compared, the parting of a pair, the advantage of a cell."""

    scale: str = Scale.LOG.value
    parting_margin: float = 0.02
    recurring_gap: float = 0.08
    horizons: tuple[float, ...] = (0.25, 0.5, 1.0)
    resamples: int = 2000
    alpha: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.scale in list(Scale), "scale", self.scale, " or ".join(Scale))
        require(self.parting_margin > 0, "parting_margin", self.parting_margin, "above 0")
        require(0 < self.recurring_gap <= 0.5, "recurring_gap", self.recurring_gap, "above 0 and at most 0.5")
        listed = list(self.horizons)
        require(len(listed) > 0, "horizons", listed, "a list of at least one share of the steps")
        for share in listed:
            require(0 < share <= 1, "horizons", share, "above 0 and at most 1 (shares of the steps)")
        require(len(set(listed)) == len(listed), "horizons", listed, "free of repetitions")
        require(0 < self.alpha < 0.5, "alpha", self.alpha, "between 0 and 0.5")
        require(self.resamples >= 100, "resamples", self.resamples, "at least 100")
        require(self.resamples <= MAX_RESAMPLES, "resamples", self.resamples, f"at most {MAX_RESAMPLES}")


@dataclass(frozen=True)
class Estimate:
    """Threshold, coincidence, deferral, claims."""

    lag_tolerance: float = 0.1
    min_seeds: int = 3
    min_cells: int = 3
    min_batch_sizes: int = 3
    trend_margin: float = 0.02
    min_limits: int = 6
    law_tolerance: float = 0.5
    min_reliability: float = 0.5
    min_shared: float = 0.5
    resamples: int = 2000
    alpha: float = 0.05
    mostly_share: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        require(0 < self.lag_tolerance < 1, "lag_tolerance", self.lag_tolerance, "between 0 and 1")
        require(self.min_seeds >= 2, "min_seeds", self.min_seeds, "at least 2")
        require(self.min_cells >= 2, "min_cells", self.min_cells, "at least 2")
        require(0 <= self.min_reliability < 1, "min_reliability", self.min_reliability, "at least 0 and below 1")
        require(0 < self.min_shared < 1, "min_shared", self.min_shared, "between 0 and 1")
        require(self.min_batch_sizes >= 3, "min_batch_sizes", self.min_batch_sizes, "at least 3")
        require(self.trend_margin > 0, "trend_margin", self.trend_margin, "above 0")
        require(self.min_limits >= 4, "min_limits", self.min_limits, "at least 4 (the law has two numbers)")
        share = self.mostly_share
        require(0.5 < share < 1, "mostly_share", share, "above 0.5 and below 1 (most of the units)")
        require(0 < self.law_tolerance < 1, "law_tolerance", self.law_tolerance, "between 0 and 1")
        require(0 < self.alpha < 0.5, "alpha", self.alpha, "between 0 and 0.5")
        require(self.resamples >= 100, "resamples", self.resamples, "at least 100")
        require(self.resamples <= MAX_RESAMPLES, "resamples", self.resamples, f"at most {MAX_RESAMPLES}")


@dataclass(frozen=True)
class Report:
    """The HTML report."""

    title: str = "When and why momentum accelerates SGD"
    points_per_curve: int = 160
    max_runs: int = 500

    def __post_init__(self) -> None:
        require(self.points_per_curve >= 20, "points_per_curve", self.points_per_curve, "at least 20")
        most = f"at most {MAX_CURVE_POINTS}"
        require(self.points_per_curve <= MAX_CURVE_POINTS, "points_per_curve", self.points_per_curve, most)
        require(self.max_runs >= 1, "max_runs", self.max_runs, "at least 1")


def require_looks(looks: tuple[int, ...], seeds: int) -> None:
    """Raise ConfigError unless the looks are numbers of seeds that rise from `seeds`; none at all is right as well."""
    if not looks:
        return
    require(looks[0] == seeds, "looks", list(looks), f"empty, or a list that begins with seeds = {seeds}")
    rising = len(looks) > 1 and all(before < after for before, after in pairwise(looks))
    require(rising, "looks", list(looks), "at least two numbers of seeds, each larger than the one before")
    most = f"such that the last is at most {MAX_LOOK_RATIO} times the first (the first look would have no level)"
    require(looks[-1] <= MAX_LOOK_RATIO * looks[0], "looks", list(looks), most)


@dataclass(frozen=True)
class Looks:
    """Group-sequential looks: the numbers of seeds at which verdicts are given, and the names of the studies so judged.

    What is spent up to a look is O'Brien and Fleming's, in the form of Lan and DeMets (1983). A look is judged at what
    is spent between it and the one before, so all levels together are alpha whatever the tests share. first_seeds: the
    seed that each of the studies begins with; from there on they are counted.
    """

    seeds: tuple[int, ...]
    studies: tuple[str, ...]
    first_seeds: tuple[int, ...]

    def index(self, n_seeds: int) -> int:
        """Return the first look that has so many seeds. Raises ConfigError beyond the last."""
        if n_seeds > self.seeds[-1]:
            raise ConfigError(
                f"studies.{self.studies[0]}.looks must reach the number of seeds that runs have, found {n_seeds} seeds "
                f"and looks that end at {self.seeds[-1]}; add a look before its runs are trained."
            )
        return next(k for k, planned in enumerate(self.seeds) if planned >= n_seeds)

    def spent(self, look: int, alpha: float) -> float:
        """Return the part of alpha that is spent up to a look, 2 (1 - Phi(z / sqrt(share of the seeds)))."""
        z = NormalDist().inv_cdf(1 - alpha / 2)
        return math.erfc(z / math.sqrt(2 * self.seeds[look] / self.seeds[-1]))

    def level(self, look: int, alpha: float) -> float:
        """Return the level at which a look is judged."""
        return self.spent(look, alpha) - (self.spent(look - 1, alpha) if look else 0.0)


@dataclass(frozen=True)
class Reading:
    """What the analysis asks of each log: whether its loss has a logarithm, and which curvature is judged."""

    scale: Scale = Scale.LOG
    quantity: str = Detect.quantity


AS_SHIPPED = Reading()


@dataclass(frozen=True)
class Analysis:
    """All that `mstudy analyze` needs. looks: None where verdicts are given once."""

    detect: Detect = field(default_factory=Detect)
    margins: Margins = field(default_factory=Margins)
    compare: Compare = field(default_factory=Compare)
    estimate: Estimate = field(default_factory=Estimate)
    report: Report = field(default_factory=Report)
    looks: Looks | None = None

    @property
    def scale(self) -> Scale:
        """How losses are compared."""
        return Scale(self.compare.scale)

    @property
    def reading(self) -> Reading:
        """What is asked of each log."""
        return Reading(self.scale, self.detect.quantity)
