"""One block over training: curvature, loss, gap and events on one time axis. Rows come by name; the page fills them.

Named data, in the order of the functions: `curves`, `levels`, `curves`, `gaps`, `events`, `rows`, `spans`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from mstudy.core.losses.scale import Scale
from mstudy.core.losses.words import WORDS
from mstudy.core.quantities import CURVATURE_PANEL, LOSS_PANEL, Quantity
from mstudy.report.charts.kit import haloed, tips
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import GREY, Palette, colour_scale
from mstudy.report.page.drawn_quantities import SHAPES, Drawn

_STEP = "step (updates made + 1)"
_GUTTER = 46  # pixels for the labels left of the axis: the same in all panels, so that steps stand below each other
_PARAMETERS = {"first_step": 1, "last_step": 1000, "y_low": 0.1, "y_high": 1, "y_ticks": [0.1, 1]}
ROW = 30  # pixels a row of events takes: its name, and below it the marks, which else lie on the name


def all_panels(
    palette: Palette, drawn: Drawn, n_event_rows: int = 1, scale: Scale = Scale.LOG
) -> list[tuple[str, str, Layered]]:
    """Return (name, title, chart) of each panel, in the order of the page."""
    own = [
        (name, quantities[0].title[0].upper() + quantities[0].title[1:], quantity_panel(palette, quantities))
        for name, quantities in drawn.items()
        if name not in (CURVATURE_PANEL, LOSS_PANEL)
    ]
    return [
        (CURVATURE_PANEL, "Curvature", curvature_panel(palette, drawn[CURVATURE_PANEL])),
        (LOSS_PANEL, "Training loss", loss_panel(palette, drawn[LOSS_PANEL], scale)),
        *own,
        ("gap", "Gap of the losses", gap_panel(palette, scale)),
        ("events", "Events", events_panel(palette, n_event_rows)),
    ]


def curvature_panel(palette: Palette, quantities: Sequence[Quantity]) -> Layered:
    """Draw the first quantity as lines, the others as open points, stability lines dashed and named.

    curves: `x`, `y`, `label`, `run`, `kind`, the name of the quantity, or `median` and that name. levels: `level`,
    `name`, `label`. spans: `x`, `low`, `high`, `label`, the intervals of events.
    """
    title = f"curvature {', '.join(quantity.symbol for quantity in quantities)}"
    y = alt.Y("y:Q", title=title, scale=_y_scale(), axis=_y_axis())
    levels = alt.Chart(alt.NamedData("levels"))
    level_y = alt.Y("level:Q", title=title, scale=_y_scale(), axis=_y_axis())
    rules = levels.mark_rule(strokeDash=[6, 4], strokeWidth=1.3)
    words = levels.mark_text(align="left", baseline="bottom", dx=3, dy=-2, fontSize=11, fontWeight=600)
    return _panel(
        200,
        *_spans(palette),
        *_quantities(y, quantities, palette),
        rules.encode(y=level_y, color=colour_scale(palette), tooltip=tips(name="stability line", level="at")),
        *haloed(words.encode(y=level_y, x=alt.XValue(0), text=alt.Text("name:N"), color=colour_scale(palette))),
    )


def loss_panel(palette: Palette, quantities: Sequence[Quantity], scale: Scale = Scale.LOG) -> Layered:
    """Draw the training loss; diverged runs end in a cross. The axis is linear where losses are compared by difference.

    curves and spans: as in curvature_panel; ends: `x`, `y`, `run`.
    """
    log = scale is Scale.LOG
    y = alt.Y("y:Q", title="training loss", scale=_y_scale(log), axis=_y_axis(log))
    ends = alt.Chart(alt.NamedData("ends")).mark_point(shape="cross", angle=45, size=50, filled=True)
    crosses = ends.encode(x=_x(), y=y, color=colour_scale(palette), tooltip=tips(label="diverged", seed="seed"))
    return _panel(170, *_spans(palette), *_quantities(y, quantities, palette), crosses)


def quantity_panel(palette: Palette, quantities: Sequence[Quantity]) -> Layered:
    """Draw quantities that have a panel of their own. curves and spans: as in curvature_panel."""
    y = alt.Y("y:Q", title=", ".join(quantity.symbol for quantity in quantities), scale=_y_scale(), axis=_y_axis())
    return _panel(130, *_spans(palette), *_quantities(y, quantities, palette))


def gap_panel(palette: Palette, scale: Scale = Scale.LOG) -> Layered:
    """Draw log L_SGD(t) − log L_SGDM(t + lag) of each pair, or the difference of the losses; above zero SGDM is ahead.

    gaps: as curves, kind `gap`.
    """
    words = WORDS[scale]
    y = alt.Y(
        "y:Q", title=words.axis.format(sgd="SGD", sgdm="SGDM"), scale=_y_scale(log=False), axis=_y_axis(log=False)
    )
    zero = alt.Chart(alt.InlineData(values=[{"y": 0}])).mark_rule(color=GREY, strokeWidth=1).encode(y=y)
    return _panel(130, zero, *_spans(palette), *_curves(y, "gap", words.short, palette))


def events_panel(palette: Palette, n_rows: int = 1) -> Layered:
    """Draw every event with its interval, a row for each kind and optimizer, a bar for each seed.

    The name of a row stands above its marks, so that no mark lies on it.

    events: `row` (from 0, on top), `at`, `low`, `high`, `kind`, `label`, `seed`. rows: `row`, `name`, `label`.
    """
    # The page sets `n_rows` and the height; both follow from how many optimizers the block has.
    count = alt.param(name="n_rows", value=n_rows)
    scale = alt.Scale(domain=[-0.5, {"expr": "n_rows - 0.5"}], reverse=True, nice=False)
    axis = alt.Axis(values=[], title=" ", minExtent=_GUTTER, maxExtent=_GUTTER, domain=False)
    y = alt.Y("place:Q", scale=scale, axis=axis)
    shape = alt.Shape(
        "kind:N",
        scale=alt.Scale(
            domain=["sharpens", "reaches its line", "parts", "diverges", "is treated"],
            range=["diamond", "circle", "square", "cross", "triangle-right"],
        ),
        legend=None,
    )
    events = alt.Chart(alt.NamedData("events"))
    colour = colour_scale(palette)
    bars = events.mark_rule(strokeWidth=2.2, opacity=0.5).encode(
        x=_x("low", _STEP), x2=alt.X2("high:Q"), y=y, color=colour, tooltip=_event_tips()
    )
    dots = events.mark_point(size=34, strokeWidth=1.6, filled=True, opacity=0.95).encode(
        x=_x("at", _STEP), y=y, color=colour, shape=shape, tooltip=_event_tips()
    )
    words = (
        alt.Chart(alt.NamedData("rows"))
        .mark_text(align="left", fontSize=11, dx=3, dy=-8.5)
        .encode(x=alt.XValue(0), y=alt.Y("row:Q", scale=scale, axis=axis), text=alt.Text("name:N"), color=colour)
    )
    return _panel(ROW * n_rows, bars, dots, words, also=[count])


def _event_tips() -> list[alt.Tooltip]:
    return tips(label="optimizer", name="event", seed="seed", step="step", step_low="from", step_high="to")


def _x(column: str = "x", title: str = "") -> alt.X:
    """Return the time axis that the panels share; the page sets `first_step` and `last_step`."""
    scale = alt.Scale(type="log", domain=[{"expr": "first_step"}, {"expr": "last_step"}], nice=False)
    values = [float(f"{digit}e{power}") for power in range(8) for digit in (1, 2, 5)]
    axis = alt.Axis(values=values, format="~s", labelOverlap="greedy", labelSeparation=8, grid=False)
    return alt.X(f"{column}:Q", title=title, scale=scale, axis=axis)


def _y_scale(log: bool = True) -> alt.Scale:
    """Make the vertical scale; the page sets `y_low` and `y_high` from all that it draws in the panel."""
    return alt.Scale(type="log" if log else "linear", domain=[{"expr": "y_low"}, {"expr": "y_high"}], nice=False)


def _y_axis(log: bool = True) -> alt.Axis:
    values: dict[str, Any] = {"values": {"expr": "y_ticks"}} if log else {"tickCount": 4}
    expression = "abs(datum.value) < 0.001 && datum.value != 0 ? format(datum.value, '.0e') : format(datum.value, '~g')"
    return alt.Axis(
        grid=False, labelOverlap="greedy", labelExpr=expression, minExtent=_GUTTER, maxExtent=_GUTTER, **values
    )


def _panel(height: int, *layers: alt.Chart, also: Sequence[alt.Parameter] = ()) -> Layered:
    """Layer a panel with what the page sets: the end of the time axis and the range of the vertical one."""
    shared = [alt.param(name=name, value=value) for name, value in _PARAMETERS.items()]
    return layered(height, *layers, parameters=[*shared, *also])


def _quantities(y: alt.Y, quantities: Sequence[Quantity], palette: Palette) -> list[alt.Chart]:
    line, *others = quantities
    points = [_points(y, quantity, shape, palette) for quantity, shape in zip(others, SHAPES, strict=False)]
    return [*_curves(y, line.name, line.symbol, palette), *points]


def _points(y: alt.Y, quantity: Quantity, shape: str, palette: Palette) -> alt.Chart:
    drawn = alt.Chart(alt.NamedData("curves")).transform_filter(f"datum.kind == '{quantity.name}'")
    points: alt.Chart = drawn.mark_point(filled=False, size=16, strokeWidth=1, opacity=0.65, shape=shape)
    return points.encode(x=_x(), y=y, color=colour_scale(palette), tooltip=_seen(quantity.symbol))


def _curves(y: alt.Y, kind: str, name: str, palette: Palette) -> list[alt.Chart]:
    """Return each run's curve, thin and pale where a median stands over them.

    Never dashed: a jump would fall into a gap.
    """
    drawn = alt.Chart(alt.NamedData("gaps" if kind == "gap" else "curves")).encode(
        x=_x(), y=y, color=colour_scale(palette), detail=alt.Detail("run:N")
    )
    alone = drawn.transform_filter(f"datum.kind == '{kind}'").mark_line(strokeJoin="round")
    width: dict[str, Any] = {"condition": {"test": "datum.single", "value": 1.7}, "value": 0.8}
    opacity: dict[str, Any] = {"condition": {"test": "datum.single", "value": 1}, "value": 0.42}
    runs = alone.encode(
        tooltip=_seen(name), strokeWidth=alt.StrokeWidthValue(**width), opacity=alt.OpacityValue(**opacity)
    )
    median = drawn.transform_filter(f"datum.kind == 'median {kind}'").mark_line(strokeWidth=2.2, strokeJoin="round")
    return [runs, median.encode(tooltip=tips(label="optimizer", y=f"median {name}"))]


def _seen(name: str) -> list[alt.Tooltip]:
    return tips(label="optimizer", seed="seed", step="step", y=name)


def _spans(palette: Palette) -> list[alt.Chart]:
    """Return the intervals of the events of a single seed, with a rule at the event."""
    spans = alt.Chart(alt.NamedData("spans"))
    colour = colour_scale(palette)
    return [
        spans.mark_rect(opacity=0.16).encode(x=_x("low"), x2=alt.X2("high:Q"), color=colour),
        spans.mark_rule(strokeWidth=1.2).encode(x=_x("at"), color=colour, tooltip=_event_tips()),
    ]
