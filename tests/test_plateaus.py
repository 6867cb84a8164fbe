"""Truth: courses written by hand."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.plateaus import Course, course, reason

AT_THE_LINE = Course(
    start=500, half=1.0, reached=90, late=1.0, third_quarter=1.0, last_quarter=1.0, low=0.99, high=1.01
)


def test_medians_over_the_second_half_of_the_rows_and_of_the_steps():
    steps = np.array([0, 10, 20, 40, 60, 70, 80, 100])

    found = course(steps, np.array([0.2, 0.4, 1.0, 0.9, 1.1, 1.2, 1.3, 1.5]))

    assert (found.start, found.reached) == (60, 20)
    assert (found.half, found.late) == pytest.approx((1.25, 1.25))
    assert (found.third_quarter, found.last_quarter) == pytest.approx((1.15, 1.4))
    assert (found.low, found.high) == pytest.approx((1.13, 1.44))


def test_a_run_may_never_reach_its_line():
    assert course(np.arange(8), np.full(8, 0.7)).reached is None


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ""),
        ({"half": 0.7}, "settles after step 500, where these rows begin"),
        (
            {"late": 1.02, "third_quarter": 1.03, "last_quarter": 1.015},
            "not settled: 1.030 in the third quarter of the steps, 1.015 in the last",
        ),
        (
            {"late": 0.5, "third_quarter": 0.5, "last_quarter": 0.525},
            "below its edge: 0.500 in the third quarter of the steps, 0.525 in the last",
        ),
        ({"late": 1.02, "low": 0.97, "high": 1.08}, "swings across the line"),
        ({"late": 1.02, "low": 0.99, "high": 1.03}, "its middle 80 % holds the line, without a swing"),
        (
            {"late": 1.02, "third_quarter": 1.021, "last_quarter": 1.019, "low": 1.01, "high": 1.03},
            "beside the line: 1.021 in the third quarter of the steps, 1.019 in the last",
        ),
    ],
)
def test_the_reason_is_what_was_measured(changed, expected):
    assert reason(replace(AT_THE_LINE, **changed)) == expected
