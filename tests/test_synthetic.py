"""The synthetic runs of benchmarks/speed/analysis.py, by the rules of validation."""

from mstudy.runlog.reading.reader import read_runs
from mstudy.runlog.validate import validate

from benchmarks.error_rates.synthetic import write_runs


def test_synthetic_runs_are_sound_and_may_be_added_to(tmp_path):
    write_runs(tmp_path, 135, 50)
    assert validate(tmp_path).problems == []

    write_runs(tmp_path, 15, 50, first=135)
    assert validate(tmp_path).problems == []
    runs = read_runs(tmp_path).runs
    assert len(runs) == 150
    assert runs["status"].value_counts().sort("status").rows() == [("completed", 145), ("diverged", 5)]
