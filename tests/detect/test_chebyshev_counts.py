"""Truth: runs of the benchmark on Chebyshev polynomials, counted by hand."""

import polars as pl

from benchmarks.error_rates.chebyshev import counts, section

ROWS = [
    {"degree": 3, "rate": 0.2, "seed": 0, "crossing": 100.0, "events": [150.0, 300.0]},
    {"degree": 3, "rate": 0.2, "seed": 1, "crossing": 100.0, "events": [50.0]},
    {"degree": 4, "rate": 0.2, "seed": 0, "crossing": 100.0, "events": None},
    {"degree": 4, "rate": 0.2, "seed": 1, "crossing": 100.0, "events": [50.0, 200.0]},
    {"degree": 3, "rate": 0.02, "seed": 0, "crossing": None, "events": None},
    {"degree": 3, "rate": 0.02, "seed": 1, "crossing": None, "events": [9.0]},
]


def test_events_after_and_before_the_crossing_are_counted():
    assert counts(pl.DataFrame(ROWS)).rows() == [(0.2, 4, 4, 2, 2, 0, 0), (0.02, 2, 0, 0, 0, 2, 1)]


def test_runs_without_an_event_after_their_crossing_are_named():
    assert section("every step", pl.DataFrame(ROWS))[-2] == (
        "Without an event after the crossing: degree 3, η 0.2, seed 1; degree 4, η 0.2, seed 0."
    )
