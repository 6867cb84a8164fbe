"""Truth: losses that are level but for the window of a treatment, written as logs and read back."""

import numpy as np
import pytest
from mstudy.compare.branch_gaps import measure_branch_gaps
from mstudy.runlog.reading.reader import read_runs

STEPS = np.arange(100)


def test_the_gaps_are_those_within_the_window(save_run, tmp_path):
    """The branch's loss is 1.2 from step 40 to 60, in which it is treated, and its parent's before and after."""
    within = (STEPS >= 40) & (STEPS <= 60)
    save_run({"step": STEPS, "loss": np.full(100, 2.0)}, run_id="sgd")
    about = {"momentum": 0.9, "optimizer": "heavy_ball", "learning_rate": 0.01}
    save_run({"step": STEPS, "loss": np.full(100, 1.0)}, run_id="sgdm", **about)
    what = {"kind": "k", "step": 40, "end": 60, "at": "sharpening"}
    save_run({"step": STEPS, "loss": np.where(within, 1.2, 2.0)}, run_id="b", branch_of="sgd", intervention=what)
    runs = read_runs(tmp_path / "runs")

    (gaps,) = measure_branch_gaps(runs.runs, runs.points).iter_rows(named=True)

    assert (gaps["gap_parent"], gaps["gap_branch"]) == pytest.approx((np.log(2.0), np.log(1.2)))
