"""The parameters: one frozen dataclass a stage, built once from params.yaml and handed down.

The defaults here are those of the shipped params.yaml (a test holds the two equal), so `mstudy analyze` gives in any
folder what `dvc repro` gives. Only `load` reads YAML; no function takes the whole of `Params`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from mstudy.core.errors import ConfigError, shown
from mstudy.core.optimizers import OPTIMIZERS, implied_optimizer
from mstudy.core.quantities import CHOSEN, DETECTABLE, Quantity

FULL = "full"  # a batch size: the whole training set


_NULL = {"n_train": " for all", "probe_samples": " for all", "chunk": " for the model's own", "width": " to measure"}


_BRANCHING = "0 and at least one above it where there are branch_steps (plain SGD goes on with momentum)"
_OF_MOMENTA = tuple(each.name for each in OPTIMIZERS if each.has_momentum)


def _require(holds: bool, key: str, value: object, rule: str) -> None:
    if not holds:
        raise ConfigError(f"{key} must be {rule}, found {shown(value)}.")


@dataclass(frozen=True)
class Grid:
    """A geometric grid of effective learning rates, both ends included."""

    low: float = 0.02
    high: float = 2.56
    points: int = 8

    def __post_init__(self) -> None:
        _require(self.low > 0, "low", self.low, "above 0")
        _require(self.high >= self.low, "high", self.high, f"at least low = {self.low}")
        _require(self.points >= 1, "points", self.points, "at least 1 (the grid would be empty)")
        _require(self.points > 1 or self.high == self.low, "points", self.points, "at least 2 unless low equals high")

    def values(self) -> list[float]:
        """The grid, rounded to 12 digits so that a value is the same text on every machine."""
        if self.points == 1:
            return [self.low]
        ratio = (self.high / self.low) ** (1 / (self.points - 1))
        return [float(f"{self.low * ratio**k:.12g}") for k in range(self.points)]


def _default_intervals() -> dict[str, int]:
    return {quantity.name: quantity.every or 0 for quantity in CHOSEN}


@dataclass(frozen=True)
class Cadence:
    """At which steps a run is logged, and each quantity measured.

    every: name of a quantity -> n, measured in every n-th logged row and in the last one, 0 for never. One that is
    left out has its default.
    """

    dense_steps: int = 60
    growth: float = 0.04
    every: dict[str, int] = field(default_factory=_default_intervals, hash=False)
    batch_sharpness_batches: int = 16
    adaptive_factor: float | None = 3.0

    # Keys of before; params_file refuses them and names the new ones.
    RENAMED: ClassVar[dict[str, str]] = {
        "curvature_every": "every.directional_curvature",
        "sharpness_every": "every.sharpness",
        "batch_sharpness_every": "every.batch_sharpness",
        "edge_ratio": "every.edge_ratio",
    }

    def __post_init__(self) -> None:
        _require(self.dense_steps >= 0, "dense_steps", self.dense_steps, "at least 0")
        _require(0 < self.growth <= 1, "growth", self.growth, "above 0 and at most 1")
        for name, value in self.every.items():
            _require_interval(name, value)
        object.__setattr__(self, "every", _default_intervals() | self.every)
        _require(
            self.batch_sharpness_batches >= 2,
            "batch_sharpness_batches",
            self.batch_sharpness_batches,
            "at least 2 (one has no standard error)",
        )
        _require(
            self.adaptive_factor is None or self.adaptive_factor > 1,
            "adaptive_factor",
            self.adaptive_factor,
            "above 1, or null for never",
        )

    def interval(self, quantity: Quantity) -> int:
        """Return n: the quantity is measured in every n-th logged row and in the last one, and never if that is 0."""
        return self.every[quantity.name] if quantity.is_chosen else int(quantity.is_measured)

    def measuring(self, **every: int) -> Cadence:
        """Return this cadence with these intervals in place of its own."""
        return replace(self, every=self.every | every)


def _require_interval(name: str, value: int) -> None:
    known = [quantity.name for quantity in CHOSEN]
    if name not in known:
        what = "is not a quantity that training measures where it is asked to"
        raise ConfigError(f"every.{name[:80]} {what} (value {shown(value)}); known here: {', '.join(known)}.")
    odd = value == 0 or (value > 0 and value % 2 == 1)
    _require(odd, f"every.{name}", value, "odd, or 0 for never (else period 2 hides)")


@dataclass(frozen=True)
class Study:
    """One sweep: every batch size x effective learning rate x momentum x seed."""

    dataset: str = "digits"
    n_train: int | None = None
    model: str = "mlp-tanh-64-64"
    objective: str = "squared_error"
    batch_sizes: tuple[int | str, ...] = (16, 64, 256, 512, FULL)
    eta_ef: Grid = field(default_factory=Grid)
    momenta: tuple[float, ...] = (0.0, 0.5, 0.9)
    branch_steps: tuple[int, ...] = ()
    optimizer: str | None = None
    nesterov: bool = False
    weight_decay: float = 0.0
    warmup_steps: int = 0
    seeds: int = 5
    steps: int = 800
    divergence_factor: float = 1000.0
    probe_samples: int | None = None
    chunk: int | None = None
    width: int | None = None
    log: Cadence = field(default_factory=Cadence)

    def __post_init__(self) -> None:
        _require(
            self.objective in ("squared_error", "cross_entropy"),
            "objective",
            self.objective,
            "squared_error or cross_entropy",
        )
        _require(len(self.batch_sizes) > 0, "batch_sizes", [], "a list of at least one batch size")
        for b in self.batch_sizes:
            _require(b == FULL or (isinstance(b, int) and b >= 1), "batch_sizes", b, f"at least 1, or {FULL!r}")
        _require(len(self.momenta) > 0, "momenta", [], "a list of at least one momentum")
        for mu in self.momenta:
            _require(0 <= mu < 1, "momenta", mu, "at least 0 and below 1")
        named = self.optimizer is not None
        known = self.optimizer in _OF_MOMENTA
        _require(not named or known, "optimizer", self.optimizer, " or ".join(("null", *_OF_MOMENTA)))
        _require(not (named and self.nesterov), "nesterov", self.nesterov, "false where optimizer is given")
        for step in self.branch_steps:
            _require(1 <= step < self.steps, "branch_steps", step, f"at least 1 and below steps = {self.steps}")
        paired = 0 in self.momenta and len(self.momenta) > 1
        _require(paired or not self.branch_steps, "momenta", list(self.momenta), _BRANCHING)
        for key in ("batch_sizes", "momenta", "branch_steps"):
            values = list(getattr(self, key))
            _require(len(set(values)) == len(values), key, values, "free of repetitions")
        for key in ("n_train", "probe_samples", "chunk", "width"):
            value = getattr(self, key)
            _require(value is None or value >= 1, key, value, f"at least 1, or null{_NULL[key]}")
        _require(self.weight_decay >= 0, "weight_decay", self.weight_decay, "at least 0")
        _require(self.warmup_steps >= 0, "warmup_steps", self.warmup_steps, "at least 0")
        _require(self.seeds >= 1, "seeds", self.seeds, "at least 1")
        _require(self.steps >= 1, "steps", self.steps, "at least 1")
        _require(self.divergence_factor > 1, "divergence_factor", self.divergence_factor, "above 1")

    def optimizer_at(self, momentum: float) -> str:
        """Return the optimizer of the runs of this momentum; that of momentum 0 is plain SGD."""
        if momentum > 0 and self.optimizer is not None:
            return self.optimizer
        return implied_optimizer(momentum, self.nesterov)


@dataclass(frozen=True)
class Detect:
    """Abrupt sharpening of one run; the band of its stability line."""

    quantity: str = "directional_curvature"
    jump_factor: float = 3.0
    lasting_share: float = 0.4
    min_points: int = 40
    resamples: int = 199
    alpha: float = 0.05
    band_factor: float = 2.0
    band_share: float = 0.8
    band_points: int = 8
    agreement: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.quantity in DETECTABLE, "quantity", self.quantity, " or ".join(DETECTABLE))
        _require(self.jump_factor > 1, "jump_factor", self.jump_factor, "above 1")
        _require(0 < self.lasting_share <= 1, "lasting_share", self.lasting_share, "above 0 and at most 1")
        _require(self.min_points >= 16, "min_points", self.min_points, "at least 16")
        _require(0 < self.alpha < 1, "alpha", self.alpha, "between 0 and 1")
        _require(self.band_factor > 1, "band_factor", self.band_factor, "above 1")
        _require(0 < self.band_share <= 1, "band_share", self.band_share, "above 0 and at most 1")
        _require(self.band_points >= 1, "band_points", self.band_points, "at least 1")
        _require(0 <= self.agreement < 1, "agreement", self.agreement, "at least 0 and below 1")
        _require(
            self.resamples >= 1 / self.alpha - 1,
            "resamples",
            self.resamples,
            f"at least 1/alpha - 1 = {1 / self.alpha - 1:.0f} (fewer cannot give a p-value of alpha)",
        )


@dataclass(frozen=True)
class Margins:
    """What counts as equal and what a divergence counts for, in log loss; every stage that compares losses reads it."""

    advantage: float = 0.05
    diverged: float = 3.0

    def __post_init__(self) -> None:
        _require(self.advantage > 0, "advantage", self.advantage, "above 0")
        _require(self.diverged > self.advantage, "diverged", self.diverged, f"above advantage = {self.advantage}")


@dataclass(frozen=True)
class Compare:
    """SGD against SGDM: the parting of a pair, the advantage of a cell."""

    parting_margin: float = 0.02
    horizons: tuple[float, ...] = (0.25, 0.5, 1.0)
    resamples: int = 2000
    alpha: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.parting_margin > 0, "parting_margin", self.parting_margin, "above 0")
        listed = list(self.horizons)
        _require(len(listed) > 0, "horizons", listed, "a list of at least one share of the steps")
        for share in listed:
            _require(0 < share <= 1, "horizons", share, "above 0 and at most 1 (shares of the steps)")
        _require(len(set(listed)) == len(listed), "horizons", listed, "free of repetitions")
        _require(0 < self.alpha < 0.5, "alpha", self.alpha, "between 0 and 0.5")
        _require(self.resamples >= 100, "resamples", self.resamples, "at least 100")


@dataclass(frozen=True)
class Estimate:
    """Threshold, coincidence, deferral, claims."""

    lag_tolerance: float = 0.1
    min_seeds: int = 3
    min_cells: int = 3
    min_batch_sizes: int = 5
    min_limits: int = 6
    law_tolerance: float = 0.5
    min_reliability: float = 0.5
    min_shared: float = 0.5
    resamples: int = 2000
    alpha: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        _require(0 < self.lag_tolerance < 1, "lag_tolerance", self.lag_tolerance, "between 0 and 1")
        _require(self.min_seeds >= 2, "min_seeds", self.min_seeds, "at least 2")
        _require(self.min_cells >= 2, "min_cells", self.min_cells, "at least 2")
        _require(0 <= self.min_reliability < 1, "min_reliability", self.min_reliability, "at least 0 and below 1")
        _require(0 < self.min_shared < 1, "min_shared", self.min_shared, "between 0 and 1")
        _require(self.min_batch_sizes >= 3, "min_batch_sizes", self.min_batch_sizes, "at least 3")
        _require(self.min_limits >= 4, "min_limits", self.min_limits, "at least 4 (the law has two numbers)")
        _require(0 < self.law_tolerance < 1, "law_tolerance", self.law_tolerance, "between 0 and 1")
        _require(0 < self.alpha < 0.5, "alpha", self.alpha, "between 0 and 0.5")
        _require(self.resamples >= 100, "resamples", self.resamples, "at least 100")


@dataclass(frozen=True)
class Report:
    """The HTML report."""

    title: str = "When and why momentum accelerates SGD"
    points_per_curve: int = 160
    max_runs: int = 1000

    def __post_init__(self) -> None:
        _require(self.points_per_curve >= 20, "points_per_curve", self.points_per_curve, "at least 20")
        _require(self.max_runs >= 1, "max_runs", self.max_runs, "at least 1")


@dataclass(frozen=True)
class Analysis:
    """All that `mstudy analyze` needs."""

    detect: Detect = field(default_factory=Detect)
    margins: Margins = field(default_factory=Margins)
    compare: Compare = field(default_factory=Compare)
    estimate: Estimate = field(default_factory=Estimate)
    report: Report = field(default_factory=Report)


def _default_studies() -> dict[str, Study]:
    """A sweep of batch sizes, and full batch alone on a fine grid where its SGD meets abrupt sharpening."""
    return {"digits": Study(), "digits-edge": Study(batch_sizes=(FULL,), eta_ef=Grid(0.05, 0.2, 9), branch_steps=(50,))}


@dataclass(frozen=True)
class Params:
    """The whole of params.yaml."""

    studies: dict[str, Study] = field(default_factory=_default_studies)
    detect: Detect = field(default_factory=Detect)
    margins: Margins = field(default_factory=Margins)
    compare: Compare = field(default_factory=Compare)
    estimate: Estimate = field(default_factory=Estimate)
    report: Report = field(default_factory=Report)

    @property
    def analysis(self) -> Analysis:
        """The part that the analysis reads."""
        return Analysis(self.detect, self.margins, self.compare, self.estimate, self.report)

    def study(self, name: str) -> Study:
        """The study of that name."""
        if name not in self.studies:
            raise ConfigError(
                f"studies must name the study to train, found {sorted(self.studies)}, asked for {name!r}."
            )
        return self.studies[name]
