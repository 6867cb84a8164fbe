"""The bracket of a threshold: the last effective learning rate shown to be alike, the first shown to be better.

It needs no shape of the advantage and no number of rates, so it is known where a threshold is not.
"""

from __future__ import annotations

import numpy as np

from mstudy.core.params import Estimate, Margins
from mstudy.estimate.rates.rate_noise import noise_over_rates
from mstudy.pairs.rate_lines import Line, Mask
from mstudy.pairs.seed_tests import p_equivalent_rows, p_greater_rows


def find_bracket(line: Line, margins: Margins, estimate: Estimate) -> tuple[float | None, float | None]:
    """Return the two rates of a line; None where no cell is shown to be so, each at the level alpha."""
    alike, better = _shown(line, margins.advantage, estimate)
    first = int(np.argmax(better)) if better.any() else len(line.eta_ef)
    before = np.flatnonzero(alike[:first])
    low = float(line.eta_ef[before[-1]]) if len(before) else None
    return low, float(line.eta_ef[first]) if better.any() else None


def _shown(line: Line, margin: float, estimate: Estimate) -> tuple[Mask, Mask]:
    """Return in which cells SGD and SGDM are alike, and in which SGDM is better; (n_rates,) each."""
    if line.is_replicated(estimate.min_seeds):
        # Where both diverged nothing is compared: that is no equality.
        compared = np.where(line.sgd_diverged & line.sgdm_diverged, np.nan, line.ratio)
        alike = p_equivalent_rows(compared, margin - line.error)
        better = p_greater_rows(line.ratio - line.error[:, None], margin)
        return alike <= estimate.alpha, better <= estimate.alpha
    noise = noise_over_rates(line)
    if noise is None:
        # One seed and few rates show one thing alone: whether SGD trains where SGDM does.
        return line.whole, np.asarray((line.sgd_diverged & ~line.sgdm_diverged).all(axis=1) & line.compared)
    alike = noise.p_equivalent(line.mean, margin - line.error)
    better = noise.p_greater(line.mean, margin + line.error)
    return np.asarray(alike <= estimate.alpha), np.asarray(better <= estimate.alpha)
