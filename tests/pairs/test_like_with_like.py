"""Truth: the rule of docs/methods.md, applied by hand: what stays with what stays, what passes in order of time."""

import numpy as np
import pytest
from mstudy.pairs.like_with_like import aligned_pairs, exchanged_pairs
from mstudy.tables.contracts import OPENINGS, SHARPENING_EVENTS

KEY = {"study": "s", "model": "m", "dataset": "d", "objective": "o", "batch_size": 8, "eta_ef": 0.1}
KEY |= {"optimizer": "heavy_ball", "momentum": 0.9}


def openings(*steps, seed=0):
    """steps: of openings in order of time, each with the step at which it closes, or None."""
    status = {True: "parted", False: "transient"}
    return [
        KEY
        | {"seed": seed, "index": k, "sgd_run_id": f"r{seed}", "step": step, "close_step": close}
        | {"status": status[close is None]}
        for k, (step, close) in enumerate(steps)
    ]


def rises(*found, seed=0):
    """found: kind, step and the step at which it fell back, or None, in order of time."""
    return [
        {"run_id": f"r{seed}", "index": k, "kind": kind, "step": step, "fall_step": fall}
        for k, (kind, step, fall) in enumerate(found)
    ]


def matched(opened, risen):
    pairs = aligned_pairs(OPENINGS.frame(opened), SHARPENING_EVENTS.frame(risen))
    return sorted(pairs.select("step", "sharpening_step").rows())


@pytest.mark.parametrize(
    ("opened", "risen", "expected"),
    [
        # One of each: as it always was.
        ([(100.0, None)], [("lasting", 90.0, None)], [(100.0, 90.0)]),
        # A catapult, then the rise that stays: two moments, neither of which meets the other's partner.
        (
            [(180.0, 194.0), (258.0, None)],
            [("lasting", 166.0, 205.0), ("lasting", 238.0, None)],
            [(180.0, 166.0), (258.0, 238.0)],
        ),
        # The rise that stayed was not seen, so the opening that stays has no partner, near or not.
        ([(200.0, 219.0), (258.0, None)], [("lasting", 190.0, 223.0)], [(200.0, 190.0)]),
        ([(258.0, None)], [("lasting", 250.0, 300.0)], []),
        ([(100.0, 120.0)], [("lasting", 99.0, None)], []),
        # Transient rises fall back; a recurring one stays whatever its falls; a progressive one is none.
        (
            [(50.0, 60.0), (90.0, None)],
            [("progressive", 40.0, None), ("transient", 49.0, 55.0), ("recurring", 88.0, 95.0)],
            [(50.0, 49.0), (90.0, 88.0)],
        ),
        # In order of time, never by nearness.
        (
            [(10.0, 15.0), (60.0, 70.0)],
            [("transient", 55.0, 56.0), ("transient", 58.0, 59.0)],
            [(10.0, 55.0), (60.0, 58.0)],
        ),
        # Two closed, one fell back: it is not known which has no partner.
        ([(10.0, 15.0), (60.0, 70.0), (90.0, None)], [("transient", 58.0, 59.0), ("lasting", 89.0, None)], [(90, 89)]),
        # Two that stayed: the first.
        ([(100.0, None)], [("lasting", 90.0, None), ("lasting", 99.0, None)], [(100.0, 90.0)]),
    ],
)
def test_like_goes_with_like(opened, risen, expected):
    assert matched(openings(*opened), rises(*risen)) == expected


def test_the_lag_is_in_log_and_a_step_at_least_one():
    found = aligned_pairs(OPENINGS.frame(openings((8.0, None))), SHARPENING_EVENTS.frame(rises(("lasting", 0.0, None))))

    assert found["log_lag"].to_list() == pytest.approx([np.log(8)])


def test_whole_sets_of_rises_meet_the_openings_of_other_seeds_by_the_same_rule():
    opened = [*openings((10.0, 12.0), (40.0, None), seed=0), *openings((50.0, None), seed=1)]
    risen = [*rises(("transient", 9.0, 11.0), ("lasting", 39.0, None), seed=0), *rises(("lasting", 48.0, None), seed=1)]

    found = exchanged_pairs(OPENINGS.frame(opened), SHARPENING_EVENTS.frame(risen))

    # Seed 0's opening that closed meets a run without a rise that fell back.
    assert sorted(found.select("step", "sharpening_step").rows()) == [(40.0, 48.0), (50.0, 39.0)]
