"""Whole synthetic sweeps with known truth: tables of runs (mstudy.tables.contracts.RUNS) without training anything.

A sweep draws, for every batch size and momentum, the advantage R(log eta_ef) in one of four shapes (hinge, softened,
saturating, capped) with random knee, slope and level, a start-up bias below it, and stability limits from which runs
diverge, seed by seed. Losses get an effect shared by all runs of a seed and Student-t noise (5 degrees of freedom)
that grows with R. Nothing of it is shared with the estimators' own family of shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from mstudy.core.statuses import RunStatus
from mstudy.tables.contracts import RUNS
from scipy.stats import norm

Array = np.ndarray
RATES = 0.01 * 2.0 ** np.arange(9)
BATCH_SIZES = (16, 64, 256, 512, 1797)
N_TRAIN = 1797
SHAPES = ("hinge", "softened", "saturating", "capped")
SETTING = {"study": "synthetic", "model": "m", "dataset": "d", "objective": "o"}


@dataclass(frozen=True)
class Curve:
    """R at x = log eta_ef: bias left of the knee, rising from there by the slope, levelling off in its own way."""

    shape: str
    knee: float
    slope: float
    level: float
    bias: float

    def __call__(self, x: Array) -> Array:
        t = np.asarray(x) - self.knee
        up = np.maximum(t, 0.0)
        rise = {
            "hinge": lambda: self.slope * up,
            "softened": lambda: self.slope * 0.3 * np.logaddexp(0.0, t / 0.3),
            "saturating": lambda: -self.level * np.expm1(-up * self.slope / self.level),
            "capped": lambda: np.minimum(self.slope * up, self.level),
        }[self.shape]()
        return self.bias + rise


def draw_curve(shape: str, rng: np.random.Generator) -> Curve:
    """Knee anywhere between the third and the sixth cell, not on the grid."""
    return Curve(
        shape=shape,
        knee=rng.uniform(np.log(0.03), np.log(0.3)),
        slope=np.exp(rng.uniform(np.log(0.08), np.log(0.6))),
        level=rng.uniform(0.15, 0.8),
        bias=rng.uniform(-0.02, 0.0),
    )


@dataclass(frozen=True)
class Design:
    """What a sweep varies."""

    seeds: int = 5
    batch_sizes: tuple[int, ...] = BATCH_SIZES
    momenta: tuple[float, ...] = (0.5, 0.9)
    rates: Array = field(default_factory=lambda: RATES)

    @property
    def lines(self) -> list[tuple[int, float]]:
        """(batch size, momentum) of each line."""
        return [(b, mu) for b in self.batch_sizes for mu in self.momenta]


@dataclass(frozen=True)
class Truth:
    """Of one sweep. advantage: (n_lines, n_rates) mean of R without divergence; curves: one a line.

    sgd_limit: (n_batch_sizes,), sgdm_limit: (n_lines,): log eta_ef beyond which a run diverges.
    """

    curves: list[Curve]
    advantage: Array
    sgd_limit: Array
    sgdm_limit: Array
    noise: float
    limit_spread: float = 0.15

    def crossing(self, line: int, margin: float, cap: float) -> float:
        """log eta_ef at which the mean ratio, SGD's divergences counted at the cap, crosses the margin."""
        x = np.linspace(np.log(RATES[0]) - 2, np.log(RATES[-1]) + 2, 20_001)
        n_momenta = len(self.curves) // len(self.sgd_limit)
        gone = norm.cdf((x - self.sgd_limit[line // n_momenta]) / self.limit_spread)
        over = np.flatnonzero((1 - gone) * self.curves[line](x) + gone * cap > margin)
        return float(x[over[0]]) if len(over) else float("inf")


def draw_truth(
    design: Design,
    rng: np.random.Generator,
    shape: str | None = None,
    diverging: bool = True,
    knee_per_doubling: float = 0.0,
    slope_per_doubling: float = 0.0,
    knee_spread: float = 0.1,
) -> Truth:
    """One curve for the whole sweep; each line has its knee moved at random and with log2 b, its slope with log2 b."""
    base = draw_curve(shape or SHAPES[rng.integers(len(SHAPES))], rng)
    doublings = np.log2(np.array([b for b, _ in design.lines]) / design.batch_sizes[len(design.batch_sizes) // 2])
    curves = [
        Curve(
            base.shape,
            base.knee + knee_per_doubling * d + rng.normal(0, knee_spread),
            base.slope * np.exp(slope_per_doubling * d),
            base.level * np.exp(slope_per_doubling * d),
            base.bias,
        )
        for d in doublings
    ]
    far = 10.0 if not diverging else 0.0
    own = base.knee + rng.uniform(0.5, 3.0) + far
    sgd_limit = own + rng.normal(0, 0.1, len(design.batch_sizes))
    by_line = np.repeat(sgd_limit, len(design.momenta))
    return Truth(
        curves,
        np.stack([curve(np.log(design.rates)) for curve in curves]),
        sgd_limit,
        by_line + rng.uniform(0.7, 1.5),
        noise=np.exp(rng.uniform(np.log(0.005), np.log(0.03))),
    )


def heavy(rng: np.random.Generator, size: tuple[int, ...], tail: float = 5.0) -> Array:
    """Student t with `tail` degrees of freedom, scaled to unit variance."""
    return rng.standard_t(tail, size) / np.sqrt(tail / (tail - 2))


def sample_runs(
    design: Design,
    truth: Truth,
    rng: np.random.Generator,
    base: Callable[[Array], Array] = lambda x: -0.5 * x,
    sgd_share: float = 0.5,
    tail: float = 5.0,
) -> pl.DataFrame:
    """Runs of one sweep (tables.RUNS). base: log loss of SGDM at log eta_ef.

    sgd_share: of the variance of a log ratio, what the SGD run has; tail: degrees of freedom of the noise.
    """
    x, n_b, n_mu, n = np.log(design.rates), len(design.batch_sizes), len(design.momenta), design.seeds
    ratio = truth.advantage.reshape(n_b, n_mu, len(x))
    scale = truth.noise * (1 + 3 * np.abs(ratio))
    shared = 0.1 * rng.normal(size=(n_b, 1, n))
    of_sgd, of_sgdm = heavy(rng, (n_b, len(x), n), tail), heavy(rng, (n_b, n_mu, len(x), n), tail)
    sgd = base(x)[None, :, None] + shared + scale.mean(axis=1)[:, :, None] * of_sgd * sgd_share**0.5
    shift = base(x)[None, None, :, None] - ratio[..., None] + shared[:, None]
    sgdm = shift + scale[..., None] * of_sgdm * (1 - sgd_share) ** 0.5
    sgd_gone = x[None, :, None] > truth.sgd_limit[:, None, None] + truth.limit_spread * rng.normal(size=(n_b, 1, n))
    limits = truth.sgdm_limit.reshape(n_b, n_mu)[..., None, None]
    sgdm_gone = x[:, None] > limits + truth.limit_spread * rng.normal(size=(n_b, n_mu, 1, n))
    losses = np.concatenate([sgd[:, None], sgdm], axis=1)
    gone = np.concatenate([sgd_gone[:, None], sgdm_gone], axis=1)
    return table_of(design, losses, gone)


def table_of(design: Design, log_loss: Array, gone: Array) -> pl.DataFrame:
    """tables.RUNS of arrays (n_batch_sizes, 1 + n_momenta, n_rates, n_seeds), SGD first."""
    momenta = np.array([0.0, *design.momenta])
    b, mu, rate, seed = (
        a.ravel()
        for a in np.meshgrid(design.batch_sizes, momenta, design.rates, np.arange(design.seeds), indexing="ij")
    )
    n, fallen = len(b), gone.ravel()
    columns = {
        "run_id": np.arange(n).astype(str),
        "path": np.arange(n).astype(str),
        **{key: np.full(n, value) for key, value in SETTING.items()},
        "batch_size": b,
        "eta_ef": rate,
        "optimizer": np.where(mu == 0, "sgd", "heavy_ball"),
        "momentum": mu,
        "n_train": np.full(n, N_TRAIN),
        "learning_rate": rate * (1 - mu),
        "seed": seed,
        "eta_ef_per_sample": rate / b,
        "n_points": np.full(n, 100),
        "last_step": np.full(n, 800),
        "status": np.where(fallen, RunStatus.DIVERGED, RunStatus.COMPLETED),
        "diverged_step": np.where(fallen, 20, 0),
        "final_loss": np.exp(log_loss.ravel()),
    }
    absent = {name: None for name in RUNS.schema.names() if name not in columns}
    frame = pl.DataFrame(columns).with_columns(**absent).cast(dict(RUNS.schema))
    lost = pl.Series(fallen)
    return frame.with_columns(
        pl.when(lost).then(None).otherwise(pl.col("final_loss")).alias("final_loss"),
        pl.when(lost).then(pl.col("diverged_step")).alias("diverged_step"),
    ).select(RUNS.schema.names())


def stability_truth(design: Design, rng: np.random.Generator, exponent: float = 1.0, spread: float = 0.1) -> Truth:
    """Limits by the mean-square stability law with rho ~ b^-exponent, but for `spread` between limits.

    1/eta_ef,max = (a/2) (m + rho), m = (1 - mu) / (1 + mu): written out once more, not taken from the library.
    """
    level, noise = np.exp(rng.uniform(np.log(0.3), np.log(1.0))), np.exp(rng.uniform(np.log(0.05), np.log(1.0)))
    middle = 200.0

    def limit(b: int, mu: float) -> float:
        share = (N_TRAIN - b) / (N_TRAIN - 1) / b * middle
        rho = noise * (share**exponent if share > 0 or exponent == 0 else 0.0)
        return float(np.log(level / ((1 - mu) / (1 + mu) + rho)) + rng.normal(0, spread))

    sgd = np.array([limit(b, 0.0) for b in design.batch_sizes])
    sgdm = np.array([limit(b, mu) for b, mu in design.lines])
    flat = np.zeros((len(design.lines), len(design.rates)))
    return Truth([draw_curve("hinge", rng)] * len(design.lines), flat, sgd, sgdm, noise=0.02)
