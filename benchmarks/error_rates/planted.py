"""Series of log curvature with planted events, and series without one: the truth that detection is measured by.

A series is, on a log scale: level + slow trend + rises + what follows a rise + noise, then logged at a cadence, with
values missing or not positive. Positions are indices of logged points, as real numbers.

*An event* is a rise of at least a factor 2 that takes 1 to 30 points and at most 3 % of the run, and lasts: its
plateau may relax to half of the rise (in log), oscillate, or ring; or it is left after a tenth of the run or more and
comes back, once for good (a catapult) or again and again (bursts). *No event*: a slow trend of up to x12 over at least
half of the run; noise of any kind below; a spike of at most 5 points; a fall; the exploding tail of a diverging run.

The detector is developed on the choices of DEVELOPMENT alone. Those of REPORTING have more: in each kind of stratum
(length and shape of the rise, what follows it, trend, noise, autocorrelation, cadence, number of points) at least one
that development never saw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Series = NDArray[np.float64]
LINEAR, SMOOTH, EXPONENTIAL, ACCELERATING = "linear", "smooth", "exponential", "accelerating"
FLAT, RELAXING, RINGING, PERIOD_TWO = "flat", "relaxing", "ringing", "period_two"
CATAPULT, BURSTS_AFTER, PERIOD_FOUR = "catapult", "bursts", "period_four"
STRAIGHT, BENT, LOG_TIME, HUMP = "straight", "bent", "log_time", "hump"
NORMAL, STUDENT, LAPLACE = "normal", "student_t5", "laplace"
EVERY_STEP, GEOMETRIC, DENSE_STRETCH = "every_step", "geometric", "dense_stretch"
DENSE_THEN_SPARSE, HALVING = "dense_then_sparse", "halving"
MIDDLE_OF_EXPONENTIAL = float(np.log(2) / 3)  # share of its length at which half of the rise is reached
MIDDLE_OF_ACCELERATING = float(np.log1p(np.expm1(3.0) / 2) / 3)


@dataclass(frozen=True)
class Choices:
    """What a series may be made of; of each tuple one is drawn, all alike. phis None: any number up to 0.95."""

    shapes: tuple[str, ...]
    afters: tuple[str, ...]
    trends: tuple[str, ...]
    noises: tuple[str, ...]
    phis: tuple[float, ...] | None
    cadences: tuple[str, ...]
    longest: float  # points that a rise may take
    points: tuple[int, int]  # of a suite with a range of points, the part of that range used


DEVELOPMENT = Choices(
    shapes=(LINEAR, SMOOTH, EXPONENTIAL),
    afters=(FLAT, FLAT, RELAXING, RINGING, PERIOD_TWO, CATAPULT, BURSTS_AFTER),
    trends=(STRAIGHT, BENT, LOG_TIME),
    noises=(NORMAL, STUDENT),
    phis=(0.0, 0.5, 0.8, 0.95),
    cadences=(EVERY_STEP, EVERY_STEP, GEOMETRIC, DENSE_STRETCH),
    longest=20.0,
    points=(200, 5_000),
)
REPORTING = Choices(
    shapes=(*DEVELOPMENT.shapes, ACCELERATING),
    afters=(*DEVELOPMENT.afters, PERIOD_FOUR),
    trends=(*DEVELOPMENT.trends, HUMP),
    noises=(*DEVELOPMENT.noises, LAPLACE),
    phis=None,
    cadences=(*DEVELOPMENT.cadences, DENSE_THEN_SPARSE, HALVING),
    longest=30.0,
    points=(130, 20_000),
)


@dataclass(frozen=True)
class Family:
    """What a series is made of. sigma: standard deviation of log curvature; phi: its autocorrelation at one point."""

    n: int = 1000
    factor: float = 10.0
    shape: str = LINEAR
    length: float = 1.0  # of the rise, in points; exponential: three time constants (95 %)
    after: str = FLAT
    amplitude: float = 0.7  # of an oscillation afterwards, in log
    noise: str = NORMAL
    sigma: float = 0.2
    phi: float = 0.5
    trend: float = 1.0  # factor over the run
    trend_shape: str = STRAIGHT
    cadence: str = EVERY_STEP
    missing: float = 0.0  # share of the values missing, and a tenth of it not positive
    diverging: bool = False
    spike_length: int = 0  # points of the longest of some twenty spikes; 0: none


@dataclass(frozen=True)
class Planted:
    """A log and its truth. steps, curvature, loss: (n,). onset, midpoint, end: indices of the first event, or None.

    The midpoint is where half of the rise (in log) is reached, the end where all of it or 95 % of an exponential is.
    """

    family: Family
    steps: NDArray[np.int64]
    curvature: Series
    loss: Series
    onset: float | None = None
    midpoint: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Suite:
    """Ranges that families are drawn from. n: points, None for those of the choices."""

    n: tuple[int, int] | None
    factor: tuple[float, float]
    sigma: tuple[float, float]
    least_phi: float = 0.0
    spikes: float = 0.2  # share of series with spikes
    spike_length: int = 2


SUITES = {
    "clean": Suite(None, (3, 20), (0.2, 0.2)),
    "broad": Suite(None, (2, 20), (0.1, 0.3)),
    "hard": Suite((500, 5000), (3, 20), (0.5, 0.5), 0.5, 0.5, 5),
    "short": Suite((200, 200), (3, 20), (0.2, 0.2)),
}


def draw(suite: Suite, rng: np.random.Generator, event: bool = True, choices: Choices = REPORTING) -> Planted:
    """One series of a suite, with an event or without."""
    low, high = np.log(suite.n or choices.points)
    n = round(np.exp(rng.uniform(low, high)))
    longest = max(1.0, min(choices.longest, 0.03 * n))
    family = Family(
        n=n,
        factor=np.exp(rng.uniform(*np.log(suite.factor))) if event else 1.0,
        shape=str(rng.choice(choices.shapes)),
        length=rng.uniform(1, longest) if rng.random() < 0.5 else np.exp(rng.uniform(0, np.log(longest))),
        after=str(rng.choice(choices.afters)),
        amplitude=rng.uniform(0.2, 0.8),
        noise=str(rng.choice(choices.noises)),
        sigma=rng.uniform(*suite.sigma),
        phi=_phi(suite, choices, rng),
        trend=np.exp(rng.choice([0, 1, 1, -1]) * rng.uniform(0, np.log(12))),
        trend_shape=str(rng.choice(choices.trends)),
        cadence=str(rng.choice(choices.cadences)),
        missing=float(rng.choice([0, 0, 0, 0.1])),
        diverging=rng.random() < 0.1,
        spike_length=suite.spike_length if rng.random() < suite.spikes else 0,
    )
    if family.cadence == DENSE_STRETCH and family.after in (CATAPULT, BURSTS_AFTER):
        family = replace(family, after=FLAT)  # its times are in rows, and a stretch has many rows in little time
    return build(family, rng)


def _phi(suite: Suite, choices: Choices, rng: np.random.Generator) -> float:
    if choices.phis is None:
        return float(rng.uniform(suite.least_phi, 0.95))
    return float(rng.choice([phi for phi in choices.phis if phi >= suite.least_phi]))


def build(family: Family, rng: np.random.Generator) -> Planted:
    """The series of a family; `factor` 1 plants no event."""
    steps = log_steps(family, rng)
    family = replace(family, n=len(steps))
    index = np.arange(family.n, dtype=np.float64)
    y = rng.normal(-1, 1) + slow_trend(family, steps, rng) + noise(family, rng)
    truth: dict[str, float] = {}
    if family.factor > 1:
        # A stretch of rows at every step is where the event is, as adaptive logging makes it.
        dense = family.cadence == DENSE_STRETCH
        onset = _stretch_middle(steps, rng) if dense else rng.uniform(0.15, 0.75) * family.n
        clock = _clock(steps, index, onset, family.length)
        y += np.log(family.factor) * course(clock, onset, family, rng)
        middle = onset + family.length * SHAPES[family.shape][1]
        truth = {"onset": onset, "midpoint": float(np.interp(middle, clock, index)), "end": onset + family.length}
    elif family.after == PERIOD_TWO:  # the oscillation alone is no event
        y += oscillation(index, 0.5 * family.n, family.amplitude) * 0.5
    loss = np.exp(-2 * index / family.n)
    if family.diverging:
        tail = np.maximum(index - 0.95 * family.n, 0) / (0.05 * family.n)
        y, loss = y + 12 * tail, np.where(tail > 0, 1.0 + np.exp(8 * tail), loss)
    curvature = np.exp(y)
    curvature[rng.random(family.n) < family.missing] = np.nan
    curvature[rng.random(family.n) < 0.1 * family.missing] *= -1
    return Planted(family, steps, curvature, loss, **truth)


def log_steps(family: Family, rng: np.random.Generator) -> NDArray[np.int64]:
    """About n logged steps at the family's cadence."""
    n = family.n
    if family.cadence == EVERY_STEP:
        return np.arange(n)
    if family.cadence == GEOMETRIC:  # gaps grow with the step
        dense = n // 3
        later = dense + np.cumsum(np.maximum(1, np.exp(np.linspace(0, 4, n - dense)).astype(int)))
        return np.concatenate([np.arange(dense), later])
    if family.cadence == DENSE_THEN_SPARSE:  # every step, then every tenth
        dense = round(rng.uniform(0.2, 0.6) * n)
        return np.concatenate([np.arange(dense), dense + 10 * np.arange(n - dense)])
    if (
        family.cadence == HALVING
    ):  # an eighth step, a fourth, a second, each: the cadence is refined as training goes on
        return np.cumsum(np.repeat([8, 4, 2, 1], -(-n // 4)))[:n]
    sparse = 20 * np.arange(n)
    middle = rng.integers(int(0.2 * n), int(0.7 * n))
    stretch = np.arange(sparse[middle], sparse[middle + 4])
    return np.union1d(sparse, stretch)


def _stretch_middle(steps: NDArray[np.int64], rng: np.random.Generator) -> float:
    dense = np.flatnonzero(np.diff(steps) == 1)
    return float(rng.uniform(*np.quantile(dense, [0.2, 0.6])))


def _clock(steps: NDArray[np.int64], index: Series, onset: float, length: float) -> Series:
    """Indices, but proportional to steps from the onset to the end: a rise goes on in steps, not in logged points."""
    start, end = np.interp([onset, onset + length], index, steps)
    inside = (index > onset) & (index < onset + length)
    return np.where(inside, onset + length * (steps - start) / (end - start), index)


def slow_trend(family: Family, steps: NDArray[np.int64], rng: np.random.Generator) -> Series:
    """Log of the trend, (n,), over the logged points; with a dense stretch, over the steps."""
    share = steps / steps[-1] if family.cadence == DENSE_STRETCH else np.linspace(0, 1, family.n)
    if family.trend_shape == BENT:  # a smooth rise over a middle part of at least half of the run
        share = np.clip((share - rng.uniform(0, 0.3)) / rng.uniform(0.5, 0.7), 0, 1)
        share = share**2 * (3 - 2 * share)
    if family.trend_shape == LOG_TIME:
        share = np.log1p(30 * share) / np.log(31)
    if family.trend_shape == HUMP:  # up and down again, each over half of the run
        share = np.sin(np.pi * share) ** 2
    return np.log(family.trend) * share


def noise(family: Family, rng: np.random.Generator) -> Series:
    """Stationary AR(1), (n,), of standard deviation sigma; with spikes, some twenty lone ones of e^2 to e^4."""
    draws: dict[str, Callable[[], Series]] = {
        NORMAL: lambda: rng.normal(0, 1, family.n),
        STUDENT: lambda: rng.standard_t(5, family.n) * (3 / 5) ** 0.5,
        LAPLACE: lambda: rng.laplace(0, 0.5**0.5, family.n),
    }
    innovations = draws[family.noise]() * family.sigma * (1 - family.phi**2) ** 0.5
    innovations[0] = rng.normal(0, family.sigma)
    y: Series = lfilter([1.0], [1.0, -family.phi], innovations)
    if family.spike_length:
        for start in rng.integers(0, family.n, max(3, min(20, family.n // 50))):
            y[start : start + rng.integers(1, family.spike_length + 1)] += rng.choice([-1, 1]) * rng.uniform(2, 4)
    return y


# By shape: the rise from 0 to 1 over a share of its length (from 0, beyond 1 for what follows), and its middle.
SHAPES: dict[str, tuple[Callable[[Series], Series], float]] = {
    LINEAR: (lambda share: np.minimum(share, 1), 0.5),
    SMOOTH: (lambda share: np.minimum(share, 1) ** 2 * (3 - 2 * np.minimum(share, 1)), 0.5),
    EXPONENTIAL: (lambda share: -np.expm1(-3 * share), MIDDLE_OF_EXPONENTIAL),
    ACCELERATING: (lambda share: np.expm1(3 * np.minimum(share, 1)) / np.expm1(3.0), MIDDLE_OF_ACCELERATING),
}


def course(index: Series, onset: float, family: Family, rng: np.random.Generator) -> Series:
    """The rise from 0 to 1 and what follows it, (n,)."""
    up = SHAPES[family.shape][0](np.maximum(index - onset, 0) / family.length)
    end = onset + family.length
    later = np.maximum(index - end, 0)
    scale = rng.uniform(0.05, 0.2) * family.n
    if family.after == RELAXING:
        return up - rng.uniform(0.1, 0.5) * -np.expm1(-later / scale)
    if family.after == RINGING:
        return up + 0.2 * np.sin(2 * np.pi * later / rng.uniform(20, 60)) * np.exp(-later / scale)
    if family.after == PERIOD_TWO:
        return up * (1 + oscillation(index, end, family.amplitude) / np.log(family.factor))
    if family.after == PERIOD_FOUR:
        return up + family.amplitude * np.cos(np.pi * np.floor(index) / 2) * (index >= end) / np.log(family.factor)
    if family.after in (CATAPULT, BURSTS_AFTER):
        return _comes_back(index, onset, up, family, rng)
    return up


def _comes_back(index: Series, onset: float, up: Series, family: Family, rng: np.random.Generator) -> Series:
    """A rise that is left for as long as it held, and comes back: a catapult for good, bursts again and again."""
    hold = max(40.0, rng.uniform(0.1, 0.15) * family.n)
    since = index - onset
    phase = np.where(since >= 2 * hold, since - 2 * hold, since) if family.after == CATAPULT else since % (2 * hold)
    falling = np.clip((2 * hold - phase) / hold - 1, 0, 0.02) / 0.02
    if family.after == CATAPULT:
        falling = np.where(since >= 2 * hold, 1.0, falling)
    again = np.minimum(np.clip(phase / family.length, 0, 1), falling)
    later: Series = np.where(since >= hold * 0.9, again, up)
    return later


def oscillation(index: Series, start: float, amplitude: float) -> Series:
    """Period 2 from `start` on: the edge of stability."""
    return amplitude * np.cos(np.pi * np.floor(index)) * (index >= start)
