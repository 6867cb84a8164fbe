"""How large the curvature was for most of the time before a rise: rows count by their steps, and values by their size.

Adaptive logging has its rows where the curvature changes. Where it passes zero, dozens of them are near zero, and what
it had been for thousands of steps before is in a few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mstudy.core.series import Series
from mstudy.detect.points import Coarse, Usable


@dataclass(frozen=True)
class Past:
    """The measured rows of a log, and where its blocks are in time.

    steps, log_size: (n_rows,), log |curvature|, -inf for zero. block_steps: (n_blocks,), of each block's first row.
    """

    steps: Series
    log_size: Series
    block_steps: Series

    def usual_before(self, first: int, onset: int, last: int) -> float:
        """Return the median over time of log_size before block `onset`: from block `first` to there at least.

        And for at least as many steps as there are from `onset` to block `last`. -inf where nothing was measured.
        """
        blocks = np.clip([first, onset, last], 0, len(self.block_steps) - 1)
        begin, stop, end = self.block_steps[blocks].tolist()
        # A row stands for the time up to the next one.
        spent = np.diff(np.clip(np.append(self.steps, np.inf), min(begin, 2 * stop - end), stop))
        order = np.argsort(self.log_size)
        passed = spent[order].cumsum()
        half = np.searchsorted(passed, passed[-1] / 2)
        return float(self.log_size[order][half]) if passed[-1] > 0 else -np.inf


def past_of(steps: NDArray[np.int64], curvature: Series, points: Usable, coarse: Coarse) -> Past:
    """Return the past that a log has. steps, curvature: (n_rows,), as logged. points, coarse: made of them."""
    measured = np.isfinite(curvature)
    with np.errstate(divide="ignore"):
        log_size = np.log(np.abs(curvature[measured]))
    return Past(steps[measured].astype(np.float64), log_size, points.steps[coarse.edges[:-1]])
