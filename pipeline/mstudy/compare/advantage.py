"""SGD against SGDM: the advantage of each cell."""

from __future__ import annotations

import numpy as np
import polars as pl

from mstudy.core.generators import generator_for
from mstudy.core.losses.scale import Scale
from mstudy.core.params import Compare, Margins
from mstudy.pairs.rate_lines import Line, rate_lines
from mstudy.pairs.seed_tests import bootstrap_interval, p_equivalent, p_greater, p_less
from mstudy.tables.contracts import ADVANTAGE
from mstudy.tables.table import CELL


def measure_advantage(runs: pl.DataFrame, margins: Margins, compare: Compare) -> pl.DataFrame:
    """Measure each cell (one row of tables.ADVANTAGE): mean log ratio of final losses, its interval, its tests.

    The losses of `runs` are as `in_units` returns them.
    """
    lines = rate_lines(runs, margins, Scale(compare.scale))
    rows = [_cell(line, k, margins, compare) for line in lines for k in range(len(line.eta_ef))]
    return ADVANTAGE.frame(rows)


def _cell(line: Line, k: int, margins: Margins, compare: Compare) -> dict[str, object]:
    """Measure one cell. A pair that diverged on both sides is a tie, but has no part in the test of equivalence.

    What interpolation may be wrong by is taken off every margin and added to both ends of the interval.
    """
    sgd, sgdm = line.sgd_diverged[k], line.sgdm_diverged[k]
    usable = ~np.isnan(line.ratio[k]) & line.compared[k]
    sample, error = line.ratio[k][usable], float(line.error[k])
    keys = line.keys | {"eta_ef": float(line.eta_ef[k])}
    rng = generator_for("|".join(str(keys[name]) for name in CELL), compare.seed)
    interval = bootstrap_interval(sample, compare.alpha, compare.resamples, rng)
    return {
        **keys,
        "eta_ef_per_sample": keys["eta_ef"] / keys["batch_size"],
        "log_ratio": float(sample.mean()) if len(sample) else None,
        "ci_low": interval[0] - error if interval else None,
        "ci_high": interval[1] + error if interval else None,
        "matched": line.matched[k],
        "log_ratio_sd": float(sample.std(ddof=1)) if len(sample) > 1 else None,
        "equivalence_p": p_equivalent(line.ratio[k][usable & ~(sgd & sgdm)], margins.advantage - error),
        "superiority_p": p_greater(sample, margins.advantage + error),
        "inferiority_p": p_less(sample, -margins.advantage - error),
        "n_seeds": int((~np.isnan(line.ratio[k])).sum()),
        "n_diverged_sgd": int(sgd.sum()),
        "n_diverged_sgdm": int(sgdm.sum()),
        "n_diverged_both": int((sgd & sgdm).sum()),
    }
