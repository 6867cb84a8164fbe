"""What the detector saw of one run: blocks, the null they were judged against, and every candidate with its reason."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mstudy.core.generators import generator_for
from mstudy.core.params import Detect
from mstudy.core.series import Series
from mstudy.core.statuses import SharpeningStatus
from mstudy.detect.judge import judge_rises
from mstudy.detect.null import fit_null
from mstudy.detect.points import Coarse, Usable, coarsen, usable_points
from mstudy.detect.rise.past import past_of
from mstudy.detect.sharpening import Sharpening, find_sharpening

_QUANTILES = (0.025, 0.5, 0.975)


@dataclass(frozen=True)
class Explanation:
    """found: the verdict. blocks: `step`, `level`, and of the null `low`, `middle`, `high` (95 %), in units of the
    curvature. candidates: `start`, `end` (steps), `factor`, `p_value` (null: no rise is large enough to be tested),
    `reason` (empty: accepted), in order.

    Blocks and candidates are empty where the log is too short to judge.
    """

    found: Sharpening
    blocks: pl.DataFrame
    candidates: pl.DataFrame


_BLOCKS = pl.Schema(dict.fromkeys(("step", "level", "low", "middle", "high"), pl.Float64()))
_CANDIDATES = pl.Schema(
    {
        "start": pl.Float64(),
        "end": pl.Float64(),
        "factor": pl.Float64(),
        "p_value": pl.Float64(),
        "reason": pl.String(),
    }
)


def explain_sharpening(
    steps: NDArray[np.int64], curvature: Series, loss: Series, detect: Detect, run_id: str
) -> Explanation:
    """Judge a run as find_sharpening does, with the same random numbers, and keep what it was judged by.

    steps, curvature, loss: (n_rows,), as for find_sharpening.
    """
    sharpening = find_sharpening(steps, curvature, loss, detect, generator_for(run_id, detect.seed))
    if sharpening.status in (SharpeningStatus.TOO_SHORT, SharpeningStatus.NO_CURVATURE):
        return Explanation(sharpening, _BLOCKS.to_frame(), _CANDIDATES.to_frame())
    points = usable_points(steps, curvature, loss)
    coarse = coarsen(points)
    past = past_of(steps, curvature, points, coarse)
    verdicts = judge_rises(coarse.values, detect, generator_for(run_id, detect.seed), past)
    threshold = math.log(detect.jump_factor)
    jumps = [(v.change.start, v.change.end) for v in verdicts if abs(v.change.rise) >= threshold]
    rng = generator_for(run_id, detect.seed)
    draws, _ = fit_null(coarse.values, jumps, rng).draw(detect.resamples, rng)
    low, middle, high = np.exp(np.quantile(draws, _QUANTILES, axis=0))
    blocks = {"step": _middles(points, coarse), "level": np.exp(coarse.values), "low": low}
    rows = [
        {
            "start": float(points.steps[coarse.edges[v.change.start] - 1]),
            "end": float(points.steps[coarse.edges[v.change.end]]),
            "factor": math.exp(min(v.change.rise, math.log(sys.float_info.max))),
            "p_value": v.p_value,
            "reason": v.reason or "",
        }
        for v in verdicts
    ]
    return Explanation(
        sharpening,
        pl.DataFrame(blocks | {"middle": middle, "high": high}, schema=_BLOCKS),
        pl.DataFrame(rows, schema=_CANDIDATES).sort("start"),
    )


def _middles(points: Usable, coarse: Coarse) -> Series:
    """Return the middle step of each block, (n_blocks,)."""
    first, last = coarse.edges[:-1], coarse.edges[1:] - 1
    middles: Series = (points.steps[first] + points.steps[last]) / 2
    return middles
