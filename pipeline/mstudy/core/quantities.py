"""What a row of a log may hold: the columns of each quantity, and how often a cadence asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mstudy.core.params import Cadence


@dataclass(frozen=True)
class Quantity:
    """every: cadence -> n, measured at every n-th logged step and at the last one; 0 is never."""

    columns: tuple[str, ...]
    every: Callable[[Cadence], int]


def _always(cadence: Cadence) -> int:
    return 1


LOSS = Quantity(("loss",), _always)
DIRECTIONAL_CURVATURE = Quantity(("directional_curvature",), lambda cadence: cadence.curvature_every)
SHARPNESS = Quantity(("sharpness", "sharpness_residual"), lambda cadence: cadence.sharpness_every)
BATCH_SHARPNESS = Quantity(("batch_sharpness", "batch_sharpness_se"), lambda cadence: cadence.batch_sharpness_every)
STEP = Quantity(("batch_loss", "grad_norm", "update_norm"), _always)
EDGE_RATIO = Quantity(("edge_ratio",), lambda cadence: int(cadence.edge_ratio))

QUANTITIES = (LOSS, DIRECTIONAL_CURVATURE, SHARPNESS, BATCH_SHARPNESS, STEP, EDGE_RATIO)
COLUMNS = tuple(column for quantity in QUANTITIES for column in quantity.columns)


def columns_of(cadence: Cadence) -> list[str]:
    """Columns that the cadence asks for: one that is never measured is left out, not filled with nulls."""
    return [column for quantity in QUANTITIES if quantity.every(cadence) for column in quantity.columns]
