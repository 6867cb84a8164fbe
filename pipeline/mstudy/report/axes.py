"""Scales, ticks and colours that every chart shares, so that panels can be compared by eye."""

from __future__ import annotations

import math
from collections.abc import Iterable

import altair as alt

RATE_TITLE = "effective learning rate η_ef = η / (1 − μ)"
STEP_TITLE = "step (updates made)"
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_MOST_TICKS = 12


def log_domain(values: Iterable[float | None], pad: float = 0.04, headroom: float = 0.0) -> tuple[float, float]:
    """Ends of a log axis around the positive finite `values`.

    `pad`: share of the log range added at both ends. `headroom`: share of the axis kept free at its upper end.
    """
    usable = [v for v in values if v is not None and math.isfinite(v) and v > 0]
    if not usable:
        return 0.1, 10.0
    low, high = math.log(min(usable)), math.log(max(usable))
    margin = pad * (high - low) or math.log(2.0)
    low, high = low - margin, high + margin
    return math.exp(low), math.exp(low + (high - low) / (1 - headroom))


def log_ticks(domain: tuple[float, float]) -> list[float]:
    """Few round values within a log axis: 1-2-5 over little more than a decade, then 1-3, then decades alone."""
    low, high = domain
    decades = math.log10(high / low)
    steps = (1, 2, 5) if decades < 1.7 else (1, 3) if decades < 3.2 else (1,)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{step * 10.0**exponent:.3g}") for exponent in exponents for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def measured_ticks(values: Iterable[float], domain: tuple[float, float]) -> list[float]:
    """The values that were measured, where few enough to label, so that a tick is a setting that was run."""
    distinct = sorted(set(values))
    return distinct if len(distinct) <= _MOST_TICKS else log_ticks(domain)


def log_scale(domain: tuple[float, float]) -> alt.Scale:
    """A log scale that ends where the data end."""
    return alt.Scale(type="log", domain=list(domain), nice=False)


def log_axis(title: str, ticks: list[float], grid: bool = True) -> alt.Axis:
    """A log axis with the given ticks alone: no minor grid."""
    return alt.Axis(title=title, values=ticks, format="~g", labelOverlap="greedy", labelSeparation=4, grid=grid)


def log_x(field: str, title: str, domain: tuple[float, float], ticks: list[float] | None = None) -> alt.X:
    """A horizontal log axis; the grid stays horizontal."""
    axis = log_axis(title, log_ticks(domain) if ticks is None else ticks, grid=False)
    return alt.X(field, type="quantitative", scale=log_scale(domain), axis=axis)


def log_y(field: str, title: str, domain: tuple[float, float]) -> alt.Y:
    """A vertical log axis."""
    return alt.Y(field, type="quantitative", scale=log_scale(domain), axis=log_axis(title, log_ticks(domain)))


def method_colour(methods: list[str]) -> alt.Color:
    """Colour by method. The domain is the whole study's, so that a method keeps its hue in every chart."""
    return alt.Color("method", type="nominal", scale=alt.Scale(domain=methods), legend=None)


def method_shape(methods: list[str]) -> alt.Shape:
    """The shape of a method's points, for readers who cannot tell the hues apart."""
    shapes = [_SHAPES[k % len(_SHAPES)] for k in range(len(methods))]
    return alt.Shape("method", type="nominal", scale=alt.Scale(domain=methods, range=shapes), legend=None)


def shape_of(index: int) -> str:
    """The shape of the method at `index`."""
    return _SHAPES[index % len(_SHAPES)]


def number_tip(field: str, title: str) -> alt.Tooltip:
    """A number in a tooltip, to four digits."""
    return alt.Tooltip(field, type="quantitative", title=title, format=".4~g")


def text_tip(field: str, title: str) -> alt.Tooltip:
    """A word in a tooltip."""
    return alt.Tooltip(field, type="nominal", title=title)
