"""How large a number from outside may be: one bound for all parts, so that what one writes the next can read."""

from __future__ import annotations

WHOLE_NUMBERS_END = 2**53  # from here on float64 does not tell whole numbers apart
MIN_RATE = 1e-300  # learning rates lie above; below 2e-308 floats lose digits
MAX_NUMBER = 1e300  # numbers lie below, so that their products with everyday numbers are finite
MAX_MOMENTUM = 1 - 1e-9

# What is listed in memory, counted before it is listed.
MAX_RUNS = 100_000  # of a study
MAX_GRID_POINTS = 10_000
MAX_LOGGED_ROWS = 1_000_000  # of a run
MAX_ENSEMBLE_WIDTH = 10_000  # runs side by side
MAX_DRAWN_BATCHES = 10_000
MAX_RESAMPLES = 1_000_000
MAX_CURVE_POINTS = 100_000
MAX_LAYERS = 1_000
MAX_LAYER_WIDTH = 1_000_000
