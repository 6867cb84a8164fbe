"""The optimizers that a log may name."""

from __future__ import annotations

SGD, HEAVY_BALL, NESTEROV = "sgd", "heavy_ball", "nesterov"


OPTIMIZERS = (SGD, HEAVY_BALL, NESTEROV)
