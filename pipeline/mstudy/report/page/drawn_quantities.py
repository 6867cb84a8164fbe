"""Which quantities the page draws over training, in which panel, and by which mark."""

from __future__ import annotations

import numpy as np
import polars as pl

from mstudy.core.quantities import CURVATURE_PANEL, LOSS, LOSS_PANEL, QUANTITIES, Quantity
from mstudy.report.words import listed

Drawn = dict[str, list[Quantity]]  # panel -> its quantities, of which the first is a line and the others are points
SHAPES = {"circle": "circles", "square": "squares", "triangle-up": "triangles", "diamond": "diamonds"}  # and in words


def quantities_drawn(points: pl.DataFrame) -> Drawn:
    """Return the quantities that these logs have, and those that each study logs by default.

    The panel of curvature is the first, then comes the loss. points: one row a logged step, a column a quantity.
    """
    panels = dict.fromkeys([CURVATURE_PANEL, LOSS_PANEL, *(q.panel for q in QUANTITIES if q.panel is not None)])
    by_panel = {panel: [q for q in QUANTITIES if q.panel == panel and _is_drawn(q, points)] for panel in panels}
    return {panel: of_panel for panel, of_panel in by_panel.items() if of_panel}


def _is_drawn(quantity: Quantity, points: pl.DataFrame) -> bool:
    """Return whether the logs have a value that a logarithmic axis can show, or should have one."""
    return quantity.every != 0 or _has_values(quantity, points)


def quantities_seen(drawn: Drawn, points: pl.DataFrame) -> Drawn:
    """Return those of the quantities of each panel that these logs have, else its first: what axes and words name."""
    seen = {panel: [q for q in of_panel if q is LOSS or _has_values(q, points)] for panel, of_panel in drawn.items()}
    return {panel: of_panel or drawn[panel][:1] for panel, of_panel in seen.items()}


def _has_values(quantity: Quantity, points: pl.DataFrame) -> bool:
    """Return whether the logs have a value that a logarithmic axis can show."""
    if quantity.name not in points.columns:
        return False
    values = points[quantity.name].fill_null(0).to_numpy()
    return bool((np.isfinite(values) & (values > 0)).any())


def words_for_points(drawn: Drawn) -> str:
    """Return what the points of each panel are, for the note below them: "open points are λ_max"; empty without any."""
    others = [of_panel[1:] for of_panel in drawn.values()]
    if not any(others):
        return ""
    if sum(len(of_panel) for of_panel in others) == 1:
        return "open points are " + next(quantity.symbol for of_panel in others for quantity in of_panel)
    marks = [zip(SHAPES.values(), of_panel, strict=False) for of_panel in others]
    return "open " + listed([f"{name} are {quantity.symbol}" for of_panel in marks for name, quantity in of_panel])
