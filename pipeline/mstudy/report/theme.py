"""One colour an optimiser, the same in every chart, and the look they share."""

from __future__ import annotations

from collections.abc import Iterable

import altair as alt

from mstudy.runlog.schema import HEAVY_BALL, NESTEROV

SGD_COLOUR = "#d55e00"
# Okabe & Ito (2008), safe for colour-blind readers; the largest momentum gets the strongest contrast to SGD.
_MOMENTUM_COLOURS = ("#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
HEIGHT = 220


def label(momentum: float, optimizer: str = HEAVY_BALL) -> str:
    """The name of an optimiser in charts and tables."""
    if momentum == 0:
        return "SGD"
    return f"{'Nesterov' if optimizer == NESTEROV else 'SGDM'} μ = {momentum:g}"


def colours(optimisers: Iterable[tuple[str, float]]) -> dict[str, str]:
    """Colour by label, SGD first, then rising momentum; optimisers as (optimizer, momentum)."""
    ranked = sorted({(mu, name) for name, mu in optimisers if mu > 0}, reverse=True)
    by_rank = {key: _MOMENTUM_COLOURS[i % len(_MOMENTUM_COLOURS)] for i, key in enumerate(ranked)}
    return {label(0.0): SGD_COLOUR} | {label(*key): by_rank[key] for key in sorted(by_rank)}


def colour_scale(palette: dict[str, str]) -> alt.Color:
    """Colour of the column `optimiser`; the page shows one legend for all charts."""
    scale = alt.Scale(domain=list(palette), range=list(palette.values()))
    return alt.Color("optimiser:N", scale=scale, legend=None)


def log_x(column: str, title: str) -> alt.X:
    """The horizontal channel on a log scale that hugs its data, with few and readable ticks."""
    return alt.X(f"{column}:Q", title=title, scale=_log_scale(), axis=_few_ticks())


def log_y(column: str, title: str) -> alt.Y:
    """The vertical channel, likewise."""
    return alt.Y(f"{column}:Q", title=title, scale=_log_scale(), axis=_few_ticks())


def _log_scale() -> alt.Scale:
    return alt.Scale(type="log", nice=False, padding=8)


def _few_ticks() -> alt.Axis:
    """Ticks at 1, 2 and 5 of each decade, those without room for a label left out."""
    values = [float(f"{digit}e{power}") for power in range(-9, 10) for digit in (1, 2, 5)]
    return alt.Axis(format="~g", values=values, labelOverlap="greedy", labelSeparation=5, grid=False)
