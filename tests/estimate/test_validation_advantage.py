"""A reduced run of benchmarks/error_rates/inference_advantage.py: verdicts on whole synthetic sweeps with known truth.

Counts are exact, for the seeds are; the limits are those of a binomial, far enough out to hold on any machine.
"""

from collections import Counter

import pytest

from benchmarks.error_rates.inference_advantage import SCENARIOS, coverage, trend_rejected, verdict

N = 12


@pytest.mark.parametrize("index", range(len(SCENARIOS)), ids=[f"{s.claim} {s.name}" for s in SCENARIOS])
def test_verdicts(index):
    found = Counter(verdict((index, 5, k)) for k in range(N))

    if SCENARIOS[index].holds:
        assert found["contradicted"] <= 1  # at most 5 % each: two of twelve have P = 0.12, and the seeds are fixed
        assert found["supported"] >= 1
    else:
        assert found["supported"] <= 1


@pytest.mark.parametrize("shape", ["hinge", "softened", "saturating", "capped"])
def test_threshold_intervals_cover(shape):
    counts = [coverage((shape, 5, k)) for k in range(N)]

    assert sum(c[1] for c in counts) / sum(c[0] for c in counts) >= 0.87  # 60 lines at 95 %


def test_no_trend_is_seldom_a_trend_and_a_large_one_often():
    assert sum(trend_rejected((0.0, 5, k)) for k in range(N)) <= 3
    assert sum(trend_rejected((0.2, 5, k)) for k in range(N)) >= 6
