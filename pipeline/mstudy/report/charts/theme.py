"""One colour an optimizer, the same in every chart, light and dark; axes and the look that all charts share."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import altair as alt

from mstudy.core.optimizers import HEAVY_BALL, SGD, optimizer_of
from mstudy.core.statuses import BranchTime

# After Okabe & Ito (2008), safe for colour-blind readers, darkened until text in them reads on white. Specifications
# hold the light colours; for a dark page each is replaced by its partner.
_SGD = ("#c44f00", "#ff9a4d")
_MOMENTA = (
    ("#0069ad", "#5cb8ff"),
    ("#00805c", "#3fd6a2"),
    ("#a8487f", "#f09cc8"),
    ("#8a6a00", "#e3c04a"),
    ("#3a3f8f", "#a6aaff"),
)
# Of treatments of branches, once the optimizers and other treatments have taken those of the momenta.
_TREATMENTS = (
    ("#a3142f", "#ff8089"),
    ("#00707d", "#35d3e3"),
    ("#7b3bb8", "#cf9dff"),
    ("#56690a", "#b9d24a"),
)
# On paper, which is often grey: as many steps of lightness apart as there are.
_ON_PAPER = (
    "#5c2000",
    "#5590cc",
    "#00694b",
    "#b0579a",
    "#5a4500",
    "#6266b8",
    "#6c202e",
    "#156f79",
    "#966fbb",
    "#495517",
)
GREY, PALE = "#6a7078", "#b9bec5"
_INKS = {"#e6e7e9": "#1d1f22", "#565c64": "#b9bec5"}  # of axes and words: dark -> light
CARD = "#ffffff"  # the paper of a chart, which outlines of words have
DARK_COLOURS = dict([_SGD, *_MOMENTA, *_TREATMENTS, (GREY, "#a1a8b0"), (PALE, "#4c525a")])
RECOLOURED = DARK_COLOURS | {CARD: "#1c1f23"}  # all that a chart has, light -> dark; the papers as in page.css
PAPER_COLOURS = dict(zip([light for light, _ in (_SGD, *_MOMENTA, *_TREATMENTS)], _ON_PAPER, strict=True))
HEIGHT = 210
_MAX_DECADES = 24  # decades that have a tick each on an axis
_EXPONENTS = (-307, 307)  # of the powers of ten that, times any digit, are ordinary floats
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
Palette = dict[str, str]
_AT_CONTROL = " (control)"  # end of the label of a branch


def label(momentum: float, optimizer: str) -> str:
    """Return the name of an optimizer at a momentum, for charts and tables."""
    entry = optimizer_of(optimizer)
    return f"{entry.label} μ = {momentum:g}" if entry.has_momentum else entry.label


def run_label(run: Mapping[str, Any]) -> str:
    """Return the name of a run, a row of tables.RUNS: a branch says what it went on with, a twin that it is one."""
    name = label(run["momentum"], run["optimizer"])
    if run.get("twin_of") is not None:
        return f"{name} again"
    if run["intervention"] is None:
        return name
    time = _AT_CONTROL if run["intervention_at"] == BranchTime.CONTROL else ""
    return f"{name} then {run['intervention']}{time}"


def short(name: str) -> str:
    """Return the short label of an optimizer, for where there is little room: only its momentum."""
    return name.removeprefix(f"{optimizer_of(HEAVY_BALL).label} ")


def line_name(momentum: float, optimizer: str) -> str:
    """Return what a stability line is called in a chart: whose it is, and its formula."""
    return f"{short(label(momentum, optimizer))}: {optimizer_of(optimizer).line_text}"


def colours(optimizers: Iterable[tuple[str, float]]) -> Palette:
    """Return colour by label, SGD first, then rising momentum; optimizers as (optimizer, momentum).

    The largest momentum has the strongest contrast to SGD.
    """
    ranked = sorted({(mu, name) for name, mu in optimizers if name != SGD}, reverse=True)
    by_rank = {key: _MOMENTA[i % len(_MOMENTA)][0] for i, key in enumerate(ranked)}
    return {label(0.0, SGD): _SGD[0]} | {label(*key): by_rank[key] for key in sorted(by_rank)}


def with_branches(palette: Palette, names: Iterable[str]) -> Palette:
    """Add the colours of branches, by their labels. A treatment has one, at whichever time it begins.

    It is none of an optimizer, so that the legend tells a branch from the run of a momentum.
    """
    treatments = sorted({name.removesuffix(_AT_CONTROL) for name in names})
    free = [light for light, _ in (*_MOMENTA, *_TREATMENTS) if light not in palette.values()]
    hues = {name: free[k % len(free)] for k, name in enumerate(treatments)}
    return palette | {name: hues[name.removesuffix(_AT_CONTROL)] for name in sorted(set(names))}


def colour_scale(palette: Palette) -> alt.Color:
    """Return colour of the column `label`; the page shows one legend for all charts."""
    scale = alt.Scale(domain=list(palette), range=list(palette.values()))
    return alt.Color("label:N", scale=scale, legend=None)


def log_x(column: str, title: str, domain: tuple[float, float] | None = None, room: float = 1.0) -> alt.X:
    """Return the horizontal channel on a log scale that hugs its domain; `room` widens it to the right, for direct
    labels.
    """
    return alt.X(f"{column}:Q", title=title, scale=log_scale(domain, room), axis=log_axis(domain))


def log_y(column: str, title: str, domain: tuple[float, float] | None = None) -> alt.Y:
    """Return the vertical channel, likewise."""
    return alt.Y(f"{column}:Q", title=title, scale=log_scale(domain), axis=log_axis(domain))


def linear_y(column: str, title: str, domain: tuple[float, float] | None = None) -> alt.Y:
    """Return the vertical channel on a linear scale that hugs its domain."""
    axis = alt.Axis(tickCount=5, grid=False, labelExpr=_TICK_TEXT)
    return alt.Y(f"{column}:Q", title=title, scale=linear_scale(domain), axis=axis)


def linear_scale(domain: tuple[float, float] | None = None) -> alt.Scale:
    """Return a linear scale of a fixed domain, or of that of its data."""
    return alt.Scale(nice=False, zero=False) if domain is None else alt.Scale(nice=False, domain=list(domain))


def log_scale(domain: tuple[float, float] | None = None, room: float = 1.0) -> alt.Scale:
    """Return a log scale of a fixed domain, or of that of its data."""
    if domain is None:
        return alt.Scale(type="log", nice=False, padding=8)
    return alt.Scale(type="log", nice=False, domain=[domain[0], drawable(domain[1] * room)])


def log_axis(domain: tuple[float, float] | None = None) -> alt.Axis:
    """Return ticks at 1, 2 and 5 of each decade, more or fewer where the domain is short or long; labels that fit."""
    low, high = domain or (1e-9, 1e9)
    digits = (1, 2, 5) if domain is None else _digits(math.log(high) - math.log(low))
    values = [float(f"{digit}e{power}") for power in powers_of_ten(low, high, _MAX_DECADES) for digit in digits]
    inside = [value for value in values if low * 0.999 <= value <= drawable(high * 1.001)]
    return alt.Axis(
        format="~g", values=inside, labelOverlap="greedy", labelSeparation=2, grid=False, labelExpr=_TICK_TEXT
    )


def powers_of_ten(low: float, high: float, n: int) -> list[int]:
    """Return the exponents of the powers of ten from below `low` to `high`; beyond `n` decades every second or less.

    What is beside a round number of decades is left out, so that 1 keeps its tick.
    """
    first, last = max(math.floor(math.log10(low)), _EXPONENTS[0]), min(math.ceil(math.log10(high)), _EXPONENTS[1])
    every = max(1, math.ceil((last - first) / n))
    return [power for power in range(first, last + 1) if power % every == 0]


def drawable(value: float) -> float:
    """Return a positive number as it can be drawn: a product that no float holds is the largest or the smallest one."""
    return min(max(value, sys.float_info.min), sys.float_info.max)


def _digits(log_ratio: float) -> tuple[float, ...]:
    if log_ratio < math.log(8):
        return (1, 1.5, 2, 3, 4, 5, 6, 8)
    return (1, 2, 5) if log_ratio < math.log(2000) else (1,)


# 1e-6, not 0.000001; 20,000 as 20k.
_TICK_TEXT = (
    "abs(datum.value) < 0.001 && datum.value != 0 ? format(datum.value, '.0e') : "
    "datum.value >= 10000 ? format(datum.value, '~s') : format(datum.value, '~g')"
)


def data_domain(values: Iterable[float | None], widen: float = 1.15) -> tuple[float, float] | None:
    """Return the range of the positive finite values, widened by a factor either side; None without one."""
    usable = [v for v in values if v is not None and math.isfinite(v) and v > 0]
    return (drawable(min(usable) / widen), drawable(max(usable) * widen)) if usable else None


def linear_domain(values: Iterable[float | None], widen: float = 0.05) -> tuple[float, float] | None:
    """Return the range of the finite values, widened by a share of itself either side; None without one."""
    usable = [v for v in values if v is not None and math.isfinite(v)]
    if not usable:
        return None
    slack = widen * (max(usable) - min(usable)) or max(abs(usable[0]), 1.0) * widen
    return min(usable) - slack, max(usable) + slack


def config(dark: bool) -> dict[str, Any]:
    """Return the configuration of Vega-Lite that fits a light or a dark page."""
    ink, rule = _INKS if dark else _INKS.values()
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            "labelColor": ink,
            "titleColor": ink,
            "domainColor": rule,
            "tickColor": rule,
            "labelFontSize": 11,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "titlePadding": 8,
        },
        "text": {"color": ink, "fontSize": 11},
        "title": {"color": ink, "fontSize": 13, "fontWeight": 600, "anchor": "start"},
    }


def paper_rules() -> list[tuple[str, str]]:
    """Return what each colour that a chart can have, light or dark, is replaced by on paper."""
    light = {colour: PAPER_COLOURS.get(colour, colour) for colour in RECOLOURED}
    dark = {RECOLOURED[colour]: on_paper for colour, on_paper in light.items()}
    return [(shown, on_paper) for shown, on_paper in (light | dark | _INKS).items() if shown != on_paper]


def recolour(text: str) -> str:
    """Return a specification (JSON text) with its light colours replaced by the dark ones."""
    for light, dark in RECOLOURED.items():
        text = text.replace(light, dark)
    return text
