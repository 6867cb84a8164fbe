"""Truth: what a person saw in pictures of real runs, tests/reference/README.md."""

import csv
from pathlib import Path

import numpy as np
import polars as pl
from mstudy.events.detect import generator_for
from mstudy.events.sharpening import find_sharpening
from mstudy.params import Detect

REFERENCE = Path(__file__).parents[1] / "reference"
SLACK = 2  # steps; a picture is not read more finely


def agrees(mark, found):
    if mark["mark"] == "none" or not found.events:
        return mark["mark"] == "none" and not found.events
    return float(mark["onset"]) - SLACK <= found.events[0].step <= float(mark["end"]) + SLACK


def test_the_first_jump_of_real_runs_is_where_a_person_sees_it():
    # Missed so far: rises within the first 35 steps, from the bottom of the initial fall, at eta_ef = 0.32 and beyond;
    # the first of repeated catapults.
    logs = pl.read_parquet(REFERENCE / "runs.parquet").partition_by("run_id", as_dict=True)
    marks = [m for m in csv.DictReader((REFERENCE / "marks.csv").read_text().splitlines()) if m["clear"] == "yes" and m["set"] == "first"]
    verdicts = []
    for mark in marks:
        log = logs[(mark["run_id"],)]
        columns = [log[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in log.columns[2:]]
        loss, curvature = columns
        found = find_sharpening(
            log["step"].to_numpy(), curvature, loss, Detect(), generator_for(mark["run_id"], Detect().seed)
        )
        verdicts.append(agrees(mark, found))

    assert len(marks) >= 40
    assert np.mean(verdicts) >= 0.85
    late = [v for v, m in zip(verdicts, marks, strict=True) if m["mark"] == "event" and float(m["onset"]) > 90]
    assert len(late) == 6 and sum(late) >= 5  # the sixth is the first of repeated catapults
