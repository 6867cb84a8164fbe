"""Series of log curvature with planted events, and series without one: the truth that detection is measured by.

A series is, on a log scale: level + slow trend + rises + what follows a rise + noise, then logged at a cadence, with
values missing or not positive. Positions are indices of logged points, as real numbers.

*An event* is a rise of at least a factor 2 that takes at most 30 points or 5 % of the run, and lasts: its plateau
may relax to half of the rise (in log), oscillate with period 2, ring, or fall back after a tenth of the run or more
(a catapult) and rise again. *No event*: a slow trend of up to x12 over at least half of the run, up or down; noise of
any kind below; a spike of at most 5 points; a fall; the exploding tail of a diverging run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]
LINEAR, EXPONENTIAL = "linear", "exponential"
FLAT, RELAXING, RINGING, PERIOD_TWO, CATAPULTS = "flat", "relaxing", "ringing", "period_two", "catapults"
NORMAL, STUDENT, SPIKES = "normal", "student_t5", "spikes"
EVERY_STEP, LOGARITHMIC, BURSTS = "every_step", "logarithmic", "bursts"


@dataclass(frozen=True)
class Family:
    """What a series is made of. sigma: standard deviation of log curvature; phi: its autocorrelation at one point."""

    n: int = 1000
    factor: float = 10.0
    shape: str = LINEAR
    length: float = 1.0  # of the rise, in points; exponential: three time constants (95 %)
    after: str = FLAT
    noise: str = NORMAL
    sigma: float = 0.2
    phi: float = 0.5
    trend: float = 1.0  # factor over the run
    cadence: str = EVERY_STEP
    missing: float = 0.0  # share of the values missing, and a tenth of it not positive
    diverging: bool = False
    spike_length: int = 2


@dataclass(frozen=True)
class Planted:
    """A log and its truth. steps, curvature, loss: (n,). onset, midpoint, end: indices of the first event, or None.

    The midpoint is where half of the rise (in log) is reached, the end where all of a linear or 95 % of an
    exponential rise is.
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
    """Ranges that families are drawn from."""

    n: tuple[int, int]
    factor: tuple[float, float]
    sigma: tuple[float, float]
    phi: tuple[float, ...]
    lengths: tuple[float, float]
    spikes: float  # share of series with spikes
    spike_length: int = 2


SUITES = {
    "clean": Suite((500, 5000), (3, 20), (0.2, 0.2), (0.0, 0.5, 0.8, 0.95), (1, 10), 0.2),
    "broad": Suite((200, 5000), (2, 20), (0.1, 0.3), (0.0, 0.5, 0.8, 0.95), (1, 10), 0.2),
    "hard": Suite((500, 5000), (3, 20), (0.5, 0.5), (0.5, 0.8, 0.95), (1, 30), 0.5, 5),
}


def draw(suite: Suite, rng: np.random.Generator, event: bool = True) -> Planted:
    """One series of a suite, with an event or without."""
    low, high = np.log(suite.n)
    family = Family(
        n=round(np.exp(rng.uniform(low, high))),
        factor=np.exp(rng.uniform(*np.log(suite.factor))) if event else 1.0,
        shape=str(rng.choice([LINEAR, LINEAR, EXPONENTIAL])),
        length=np.exp(rng.uniform(*np.log(suite.lengths))),
        after=str(rng.choice([FLAT, FLAT, RELAXING, RINGING, PERIOD_TWO, CATAPULTS])),
        noise=SPIKES if rng.random() < suite.spikes else str(rng.choice([NORMAL, NORMAL, STUDENT])),
        sigma=rng.uniform(*suite.sigma),
        phi=float(rng.choice(suite.phi)),
        trend=np.exp(rng.choice([0, 1, 1, -1]) * rng.uniform(0, np.log(12))),
        cadence=str(rng.choice([EVERY_STEP, EVERY_STEP, LOGARITHMIC, BURSTS])),
        missing=float(rng.choice([0, 0, 0, 0.1])),
        diverging=rng.random() < 0.1,
        spike_length=suite.spike_length,
    )
    if family.cadence == BURSTS and family.after == CATAPULTS:
        family = replace(family, after=FLAT)  # its times are in rows, and a burst has many rows in little time
    return build(family, rng)


def build(family: Family, rng: np.random.Generator) -> Planted:
    """The series of a family; `factor` 1 plants no event."""
    steps = log_steps(family, rng)
    family = replace(family, n=len(steps))
    index = np.arange(family.n, dtype=np.float64)
    y = rng.normal(-1, 1) + slow_trend(family, steps, rng) + noise(family, rng)
    truth: dict[str, float] = {}
    if family.factor > 1:
        # A burst of rows at every step is where the event is, as adaptive logging makes it.
        onset = _burst_middle(steps, rng) if family.cadence == BURSTS else rng.uniform(0.15, 0.75) * family.n
        clock = _clock(steps, index, onset, family.length)
        y += np.log(family.factor) * course(clock, onset, family, rng)
        middle = onset + family.length * (0.5 if family.shape == LINEAR else np.log(2) / 3)
        truth = {"onset": onset, "midpoint": float(np.interp(middle, clock, index)), "end": onset + family.length}
    elif family.after == PERIOD_TWO:  # the oscillation alone is no event
        y += oscillation(index, 0.5 * family.n) * 0.5
    loss = np.exp(-2 * index / family.n)
    if family.diverging:
        tail = np.maximum(index - 0.95 * family.n, 0) / (0.05 * family.n)
        y, loss = y + 12 * tail, np.where(tail > 0, 1.0 + np.exp(8 * tail), loss)
    curvature = np.exp(y)
    curvature[rng.random(family.n) < family.missing] = np.nan
    curvature[rng.random(family.n) < 0.1 * family.missing] *= -1
    return Planted(family, steps, curvature, loss, **truth)


def log_steps(family: Family, rng: np.random.Generator) -> NDArray[np.int64]:
    """About n logged steps: every step; gaps growing with the step; or every 20 with stretches at every step."""
    if family.cadence == EVERY_STEP:
        return np.arange(family.n)
    if family.cadence == LOGARITHMIC:
        dense = family.n // 3
        later = dense + np.cumsum(np.maximum(1, np.exp(np.linspace(0, 4, family.n - dense)).astype(int)))
        return np.concatenate([np.arange(dense), later])
    sparse = 20 * np.arange(family.n)
    middle = rng.integers(int(0.2 * family.n), int(0.7 * family.n))
    burst = np.arange(sparse[middle], sparse[middle + 4])
    return np.union1d(sparse, burst)


def _burst_middle(steps: NDArray[np.int64], rng: np.random.Generator) -> float:
    dense = np.flatnonzero(np.diff(steps) == 1)
    return float(rng.uniform(*np.quantile(dense, [0.2, 0.6])))


def _clock(steps: NDArray[np.int64], index: Series, onset: float, length: float) -> Series:
    """Indices, but proportional to steps from the onset to the end: a rise goes on in steps, not in logged points."""
    start, end = np.interp([onset, onset + length], index, steps)
    inside = (index > onset) & (index < onset + length)
    return np.where(inside, onset + length * (steps - start) / (end - start), index)


def slow_trend(family: Family, steps: NDArray[np.int64], rng: np.random.Generator) -> Series:
    """Log of the trend, (n,): linear over the run, or a smooth rise over a middle part of at least half of it.

    Over the logged points, which with a logarithmic cadence are about log time; with bursts, over the steps.
    """
    share = steps / steps[-1] if family.cadence == BURSTS else np.linspace(0, 1, family.n)
    if rng.random() < 0.5:
        first, width = rng.uniform(0, 0.3), rng.uniform(0.5, 0.7)
        share = np.clip((share - first) / width, 0, 1)
        share = share**2 * (3 - 2 * share)
    return np.log(family.trend) * share


def noise(family: Family, rng: np.random.Generator) -> Series:
    """Stationary AR(1), (n,), of standard deviation sigma; with spikes, some twenty lone ones of e^2 to e^4."""
    scale = family.sigma * (1 - family.phi**2) ** 0.5
    if family.noise == STUDENT:
        innovations = rng.standard_t(5, family.n) * (3 / 5) ** 0.5 * scale
    else:
        innovations = rng.normal(0, scale, family.n)
    y = np.empty(family.n)
    y[0] = rng.normal(0, family.sigma)
    for i in range(1, family.n):
        y[i] = family.phi * y[i - 1] + innovations[i]
    if family.noise == SPIKES:
        for start in rng.integers(0, family.n, max(3, min(20, family.n // 50))):
            y[start : start + rng.integers(1, family.spike_length + 1)] += rng.choice([-1, 1]) * rng.uniform(2, 4)
    return y


def course(index: Series, onset: float, family: Family, rng: np.random.Generator) -> Series:
    """The rise from 0 to 1 and what follows it, (n,)."""
    since = np.maximum(index - onset, 0)
    up = np.clip(since / family.length, 0, 1) if family.shape == LINEAR else -np.expm1(-3 * since / family.length)
    later = np.maximum(index - onset - family.length, 0)
    scale = rng.uniform(0.05, 0.2) * family.n
    if family.after == RELAXING:
        return up - rng.uniform(0.1, 0.5) * -np.expm1(-later / scale)
    if family.after == RINGING:
        return up + 0.2 * np.sin(2 * np.pi * later / rng.uniform(20, 60)) * np.exp(-later / scale)
    if family.after == PERIOD_TWO:
        return up * (1 + oscillation(index, onset + family.length) / np.log(family.factor))
    if family.after == CATAPULTS:
        hold = max(40.0, rng.uniform(0.1, 0.15) * family.n)
        phase = (index - onset) % (2 * hold)
        again = np.minimum(np.clip(phase / family.length, 0, 1), np.clip((2 * hold - phase) / hold - 1, 0, 0.02) / 0.02)
        return np.where(index >= onset + hold * 0.9, again, up)
    return up


def oscillation(index: Series, start: float) -> Series:
    """Period 2 from `start` on, amplitude 0.7 in log: the edge of stability."""
    return 0.7 * np.cos(np.pi * index) * (index >= start)
