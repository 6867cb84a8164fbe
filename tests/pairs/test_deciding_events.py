"""Truth: rows by hand."""

import pytest
from mstudy.core.statuses import CrossingStatus, EventDefinition
from mstudy.pairs.deciding_events import deciding_events, deciding_rises
from mstudy.tables.contracts import SHARPENING_EVENTS, SHARPENINGS

ROW = {"run_id": "a", "status": "detected", "step": 50.0, "step_low": 40.0, "step_high": 60.0, "jump": 9.0}
ROW |= {"followup_step": 90.0, "n_events": 1, "crossing_status": "crossed", "crossing_step": 20.0}
ROW |= {"crossing_step_low": 15.0, "crossing_step_high": 30.0, "crossing_followup_step": 95.0}


def test_the_jump_is_the_event_where_it_decides():
    table = SHARPENINGS.frame([ROW])

    assert deciding_events(table, EventDefinition.SHARPENING) is table


def test_the_crossing_is_the_event_where_it_decides_and_has_no_jump():
    row = deciding_events(SHARPENINGS.frame([ROW]), EventDefinition.CROSSING).row(0, named=True)

    assert (row["status"], row["step"], row["step_low"], row["step_high"]) == ("detected", 20.0, 15.0, 30.0)
    assert (row["followup_step"], row["jump"], row["n_events"]) == (95.0, None, None)


WORDS = {"crossed": "detected", "no_line": "no_curvature"}


@pytest.mark.parametrize("crossing", CrossingStatus)
def test_every_status_of_a_crossing_has_its_word(crossing):
    events = deciding_events(SHARPENINGS.frame([ROW | {"crossing_status": crossing}]), EventDefinition.CROSSING)

    assert events["status"].to_list() == [WORDS.get(crossing, crossing)]


def test_a_crossing_is_one_rise_that_stays():
    crossed, rises = SHARPENINGS.frame([ROW]), SHARPENING_EVENTS.frame([])

    (row,) = deciding_rises(crossed, rises, EventDefinition.CROSSING).rows(named=True)

    assert (row["run_id"], row["index"], row["kind"], row["fall_step"]) == (ROW["run_id"], 0, "lasting", None)
    assert row["step"] == ROW["crossing_step"]
    assert deciding_rises(crossed, rises, EventDefinition.SHARPENING) is rises
