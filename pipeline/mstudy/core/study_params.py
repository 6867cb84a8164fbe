"""The parameters of one study: which runs are trained, and at which steps they are logged."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from mstudy.core.analysis_params import require_looks
from mstudy.core.errors import (
    MAX_DRAWN_BATCHES,
    MAX_FIRST_SEED,
    MAX_GRID_POINTS,
    MAX_MOMENTUM,
    MAX_NUMBER,
    MAX_RUNS,
    MIN_RATE,
    ConfigError,
    require,
    shown,
)
from mstudy.core.errors import MAX_ENSEMBLE_WIDTH as MAX_WIDTH
from mstudy.core.optimizers import OPTIMIZERS, implied_optimizer
from mstudy.core.quantities import CHOSEN, Quantity
from mstudy.core.theory import effective_rate, learning_rate_at

FULL = "full"  # a batch size: the whole training set
_ALL, _OWN, _MEASURED = " for all", " for the model's own", " to measure"
_MEANING_OF_NULL = {"n_train": _ALL, "probe_samples": _ALL, "chunk": _OWN, "width": _MEASURED}
_BRANCHING = "0 and at least one above it where there are branch_steps (plain SGD goes on with momentum)"
_OBJECTIVES = ("squared_error", "cross_entropy")
_SIZE = "batch_sizes, eta_ef.points, momenta, branch_steps and seeds"
_OF_MOMENTA = tuple(each.name for each in OPTIMIZERS if each.has_momentum)


@dataclass(frozen=True)
class Grid:
    """A geometric grid of effective learning rates, both ends included."""

    low: float = 0.02
    high: float = 2.56
    points: int = 8

    def __post_init__(self) -> None:
        require(self.low > 0, "low", self.low, "above 0")
        require(self.high >= self.low, "high", self.high, f"at least low = {self.low}")
        require(self.points >= 1, "points", self.points, "at least 1 (the grid would be empty)")
        require(self.points > 1 or self.high == self.low, "points", self.points, "at least 2 unless low equals high")
        require(self.points == 1 or self.high > self.low, "points", self.points, "1 where low equals high")
        require(self.points <= MAX_GRID_POINTS, "points", self.points, f"at most {MAX_GRID_POINTS}")
        require(self.low > MIN_RATE, "low", self.low, f"above {MIN_RATE}")
        require(self.high < MAX_NUMBER, "high", self.high, f"below {MAX_NUMBER}")
        require(self.high / self.low < MAX_NUMBER, "high", self.high, f"below {MAX_NUMBER} times low = {self.low}")

    def values(self) -> list[float]:
        """Return the grid, rounded to 12 digits so that a value is the same text on every machine."""
        if self.points == 1:
            return [self.low]
        ratio = (self.high / self.low) ** (1 / (self.points - 1))
        return [float(f"{self.low * ratio**k:.12g}") for k in range(self.points)]


INITIAL_WEIGHTS = ("default", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal")


@dataclass(frozen=True)
class Init:
    """How the weights of a network begin.

    weights: the distribution of the weights of linear, convolutional and embedding layers; `default` is PyTorch's for
    each kind of layer. gain: factor of the standard deviation of any other. scale: factor of all weights and biases of
    these layers. zero_biases: their biases begin at 0. The parameters of normalisation layers begin as in PyTorch.
    """

    weights: str = "default"
    gain: float = 1.0
    scale: float = 1.0
    zero_biases: bool = False

    def __post_init__(self) -> None:
        require(self.weights in INITIAL_WEIGHTS, "weights", self.weights, f"one of {', '.join(INITIAL_WEIGHTS)}")
        require(self.gain > 0, "gain", self.gain, "above 0")
        require(self.scale > 0, "scale", self.scale, "above 0")
        is_used = self.weights != "default" or self.gain == 1
        require(is_used, "gain", self.gain, "1 where weights is default (write scale)")


DEFAULT_INIT = Init()


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
        require(self.dense_steps >= 0, "dense_steps", self.dense_steps, "at least 0")
        require(0 < self.growth <= 1, "growth", self.growth, "above 0 and at most 1")
        for name, value in self.every.items():
            _require_interval(name, value)
        object.__setattr__(self, "every", _default_intervals() | self.every)
        require(
            self.batch_sharpness_batches >= 2,
            "batch_sharpness_batches",
            self.batch_sharpness_batches,
            "at least 2 (one has no standard error)",
        )
        require(
            self.batch_sharpness_batches <= MAX_DRAWN_BATCHES,
            "batch_sharpness_batches",
            self.batch_sharpness_batches,
            f"at most {MAX_DRAWN_BATCHES}",
        )
        require(
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
    require(odd, f"every.{name}", value, "odd, or 0 for never (else period 2 hides)")


@dataclass(frozen=True)
class Study:
    """One sweep: every batch size x effective learning rate x momentum x seed."""

    dataset: str = "digits"
    n_train: int | None = None
    model: str = "mlp-tanh-64-64"
    objective: str = "squared_error"
    init: Init = DEFAULT_INIT
    batch_sizes: tuple[int | str, ...] = (16, 64, 256, 512, FULL)
    eta_ef: Grid = field(default_factory=Grid)
    momenta: tuple[float, ...] = (0.0, 0.5, 0.9)
    branch_steps: tuple[int, ...] = ()
    optimizer: str | None = None
    nesterov: bool = False
    weight_decay: float = 0.0
    warmup_steps: int = 0
    seeds: int = 5
    first_seed: int = 0
    looks: tuple[int, ...] = ()
    twins: int = 0
    steps: int = 800
    divergence_factor: float = 1000.0
    probe_samples: int | None = None
    chunk: int | None = None
    width: int | None = None
    log: Cadence = field(default_factory=Cadence)

    def __post_init__(self) -> None:
        require(self.objective in _OBJECTIVES, "objective", self.objective, " or ".join(_OBJECTIVES))
        require(len(self.batch_sizes) > 0, "batch_sizes", [], "a list of at least one batch size")
        for b in self.batch_sizes:
            require(b == FULL or (isinstance(b, int) and b >= 1), "batch_sizes", b, f"at least 1, or {FULL!r}")
        require(len(self.momenta) > 0, "momenta", [], "a list of at least one momentum")
        for mu in self.momenta:
            require(0 <= mu < 1, "momenta", mu, "at least 0 and below 1")
            require(mu <= MAX_MOMENTUM, "momenta", mu, "at most 1 - 1e-9")
        named = self.optimizer is not None
        known = self.optimizer in _OF_MOMENTA
        require(not named or known, "optimizer", self.optimizer, " or ".join(("null", *_OF_MOMENTA)))
        require(not (named and self.nesterov), "nesterov", self.nesterov, "false where optimizer is given")
        for step in self.branch_steps:
            require(1 <= step < self.steps, "branch_steps", step, f"at least 1 and below steps = {self.steps}")
        paired = 0 in self.momenta and len(self.momenta) > 1
        require(paired or not self.branch_steps, "momenta", list(self.momenta), _BRANCHING)
        for key in ("batch_sizes", "momenta", "branch_steps"):
            values = list(getattr(self, key))
            require(len(set(values)) == len(values), key, values, "free of repetitions")
        for key in ("n_train", "probe_samples", "chunk", "width"):
            value = getattr(self, key)
            require(value is None or value >= 1, key, value, f"at least 1, or null{_MEANING_OF_NULL[key]}")
        require(self.weight_decay >= 0, "weight_decay", self.weight_decay, "at least 0")
        require(self.warmup_steps >= 0, "warmup_steps", self.warmup_steps, "at least 0")
        require(self.seeds >= 1, "seeds", self.seeds, "at least 1")
        require(0 <= self.first_seed <= MAX_FIRST_SEED, "first_seed", self.first_seed, f"0 to {MAX_FIRST_SEED}")
        require_looks(self.looks, self.seeds)
        require(0 <= self.twins <= self.seeds, "twins", self.twins, f"at least 0 and at most seeds = {self.seeds}")
        require(0 in self.momenta or self.twins == 0, "twins", self.twins, "0 where momenta lack 0 (twins are of SGD)")
        require(self.steps >= 1, "steps", self.steps, "at least 1")
        require(self.divergence_factor > 1, "divergence_factor", self.divergence_factor, "above 1")
        require(self.width is None or self.width <= MAX_WIDTH, "width", self.width, f"at most {MAX_WIDTH}")
        require(self.n_runs <= MAX_RUNS, _SIZE, self.n_runs, f"such that they give at most {MAX_RUNS} runs")
        for mu in self.momenta:
            self._check_rates(mu)

    @property
    def n_runs(self) -> int:
        """Runs of the study at its last look, branches and twins included, counted without listing them."""
        n_cells = len(self.batch_sizes) * self.eta_ef.points * max(self.seeds, *self.looks, 0)
        n_branches = len(self.branch_steps) * sum(mu > 0 for mu in self.momenta)
        n_twins = self.twins * sum(1 if b == FULL else 2 for b in self.batch_sizes)
        return n_cells * (len(self.momenta) + n_branches) + n_twins

    def _check_rates(self, momentum: float) -> None:
        """Check that the learning rates of one momentum can be logged and differ in a log."""
        optimizer = self.optimizer_at(momentum)
        rates = [learning_rate_at(eta_ef, momentum, optimizer) for eta_ef in self.eta_ef.values()]
        what = f"such that learning rates lie between {MIN_RATE} and {MAX_NUMBER} at momentum {momentum}"
        for rate in (rates[0], rates[-1]):
            require(MIN_RATE < rate < MAX_NUMBER, "eta_ef", rate, what)
        seen = {effective_rate(rate, momentum, optimizer) for rate in rates}
        what = f"so few that the {len(rates)} effective learning rates differ in their first six digits"
        require(len(seen) == len(rates), "eta_ef.points", f"{len(seen)} that do", what)

    def optimizer_at(self, momentum: float) -> str:
        """Return the optimizer of the runs of this momentum; that of momentum 0 is plain SGD."""
        if momentum > 0 and self.optimizer is not None:
            return self.optimizer
        return implied_optimizer(momentum, self.nesterov)
