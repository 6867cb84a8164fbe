"""Cox's model with one covariate and Firth's penalty: a hazard ratio also where one side has no event at all.

Penalised partial likelihood l + log(I) / 2 (Firth 1993; Heinze & Schemper 2001), stratified by cell, ties after
Breslow; the interval is that of the profile penalised likelihood. The members of a pair count as independent, which
makes the interval too wide rather than too narrow where they are alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from mstudy.estimate.event_times.swap_test import PairedTimes

_MAX_LOG_RATIO = 40.0  # of hazards: the penalty keeps the estimate far inside


@dataclass(frozen=True)
class RiskSets:
    """At each moment with an event in a cell, (n_moments,): runs at risk of either side, and their events."""

    at_risk_sgd: NDArray[np.float64]
    at_risk_sgdm: NDArray[np.float64]
    events: NDArray[np.float64]
    events_sgdm: NDArray[np.float64]

    @classmethod
    def of(cls, times: PairedTimes) -> RiskSets:
        """Count them."""
        rows = [
            row
            for cell in np.unique(times.cell)
            for row in _moments(times.where(times.cell == cell))
            if min(row[:2]) > 0
        ]
        return cls(*np.array(rows, dtype=np.float64).reshape(-1, 4).T)

    def penalised(self, log_ratio: float) -> float:
        """Return the penalised partial likelihood, in log, of SGDM's hazard against SGD's."""
        # The share of the hazard that is SGDM's.
        logit = log_ratio + np.log(self.at_risk_sgdm / self.at_risk_sgd)
        log_sgdm, log_sgd = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
        likelihood = self.events_sgdm @ log_sgdm + (self.events - self.events_sgdm) @ log_sgd
        information = special.logsumexp(log_sgdm + log_sgd, b=self.events)
        return float(likelihood + information / 2)


def firth_hazard_ratio(times: PairedTimes, alpha: float) -> tuple[float, float, float] | None:
    """Return the hazard of SGDM against SGD with its interval; None where no event has both sides at risk."""
    sets = RiskSets.of(times)
    if len(sets.events) == 0:
        return None
    found = optimize.minimize_scalar(
        lambda log_ratio: -sets.penalised(log_ratio), bounds=(-_MAX_LOG_RATIO, _MAX_LOG_RATIO), method="bounded"
    )
    middle, drop = float(found.x), float(stats.chi2.ppf(1 - alpha, 1)) / 2

    def beyond(log_ratio: float) -> float:
        return sets.penalised(middle) - sets.penalised(log_ratio) - drop

    low = optimize.brentq(beyond, -_MAX_LOG_RATIO, middle)
    high = optimize.brentq(beyond, middle, _MAX_LOG_RATIO)
    return float(np.exp(middle)), float(np.exp(low)), float(np.exp(high))


def _moments(times: PairedTimes) -> list[tuple[int, int, int, int]]:
    """Return a row of RiskSets at each moment with an event, of one cell."""
    rows = []
    for moment in np.unique(times.time[times.event]):
        sgd, sgdm = (times.time >= moment).sum(axis=0)
        now = (times.event & (times.time == moment)).sum(axis=0)
        rows.append((int(sgd), int(sgdm), int(now.sum()), int(now[1])))
    return rows
