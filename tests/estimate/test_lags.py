import polars as pl
import pytest
from mstudy.estimate.event_times.lags import lags_with_null
from mstudy.tables.contracts import OPENINGS, SHARPENING_EVENTS

KEY = {"study": "s", "model": "m", "dataset": "d", "objective": "o", "batch_size": 8, "optimizer": "heavy_ball"}


def _lags(rows):
    """rows: (eta_ef, momentum, seed, opening, sharpening)."""
    openings, events = [], {}
    for eta_ef, momentum, seed, opening, sharpening in rows:
        run = f"{eta_ef}-{seed}"
        key = KEY | {"eta_ef": eta_ef, "momentum": momentum, "seed": seed, "index": 0, "sgd_run_id": run}
        openings.append(key | {"status": "parted", "step": opening})
        events[run] = {"run_id": run, "index": 0, "kind": "lasting", "step": sharpening}
    return lags_with_null(OPENINGS.frame(openings), SHARPENING_EVENTS.frame(list(events.values())))


def test_each_parting_meets_the_sharpening_of_every_other_seed_of_its_block_once():
    lags = _lags(
        [(0.1, 0.5, 0, 10.0, 20.0), (0.1, 0.5, 1, 30.0, 40.0), (0.1, 0.9, 0, 50.0, 20.0), (0.2, 0.9, 0, 7.0, 7.0)]
    )

    own = lags.filter(kind="own")["ratio"].to_list()
    assert sorted(own) == pytest.approx([10 / 20, 30 / 40, 1.0, 50 / 20])
    # Within the block of eta_ef 0.1: 10 and 50 meet 40, 30 meets 20; the block of 0.2 has one seed.
    assert sorted(lags.filter(kind="exchanged")["ratio"]) == pytest.approx([10 / 40, 50 / 40, 30 / 20])


def test_a_moment_at_step_zero_counts_as_step_one():
    assert _lags([(0.1, 0.5, 0, 0.0, 4.0)]).filter(pl.col("kind") == "own")["ratio"].to_list() == [0.25]
