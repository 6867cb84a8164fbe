"""Measurements of a probe, by the names of their columns."""

from types import SimpleNamespace

import torch
from mstudy.core.quantities import DIRECTIONAL_CURVATURE, LOSS, SHARPNESS
from mstudy.curvature.measure import Moment


def measured(probe, w, update, start, gradient, at=None):
    """The loss; along `update` the curvature; from `start`, which it overwrites, the sharpness: each unless None."""
    given = {LOSS: w, DIRECTIONAL_CURVATURE: update, SHARPNESS: start}
    asked = [quantity for quantity, needed in given.items() if needed is not None]
    moves = torch.ones(len(w), dtype=torch.bool)
    rates = torch.ones(2, len(w), dtype=torch.float64)
    start_row, update_row = (w if row is None else row for row in (start, update))
    here = Moment(w, gradient, update_row, moves, start_row, torch.zeros_like(w), *rates)
    return SimpleNamespace(**probe.measure(here, asked, at))
