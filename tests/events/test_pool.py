"""Truth: the same function without processes; and what the operating system says of killed and interrupted ones."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from mstudy.errors import AnalysisError
from mstudy.events.detect import detect_sharpenings
from mstudy.events.pool import over
from mstudy.params import Detect

N_RUNS, N = 100, 60

FOREVER = """
import time
from mstudy.events.pool import over

if __name__ == "__main__":
    print("started", flush=True)
    over(time.sleep, [0.01] * 1_000_000, 2)
"""


@pytest.fixture
def study():
    rng = np.random.default_rng(5)
    runs = [{"run_id": f"{k}", "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.0} for k in range(N_RUNS)]
    log = [
        pl.DataFrame({"run_id": f"{k}", "step": range(N), "loss": np.exp(-0.1 * np.arange(N))}).with_columns(
            directional_curvature=pl.Series(np.exp(rng.normal(0, 0.1, N) + (k % 3 == 0) * 3.0 * (np.arange(N) >= 30)))
        )
        for k in range(N_RUNS)
    ]
    return pl.DataFrame(runs), pl.concat(log)


def test_the_number_of_workers_changes_no_number(study):
    here, there = (detect_sharpenings(*study, Detect(), workers) for workers in (1, 2))

    assert here.sharpenings.equals(there.sharpenings)
    assert here.events.equals(there.events)
    assert (here.sharpenings["status"] == "detected").sum() >= N_RUNS / 4
    assert here.sharpenings["run_id"].to_list() == sorted(study[0]["run_id"])


def test_many_items_go_to_other_processes_and_come_back_in_order():
    assert over(abs, range(-150, 0), 2) == list(range(150, 0, -1))


def test_few_items_stay_here():
    assert over(lambda item: (item, os.getpid()), [7, 8, 9], 2) == [(item, os.getpid()) for item in (7, 8, 9)]


def test_a_killed_worker_is_told():
    with pytest.raises(AnalysisError, match="^Every worker must live until its runs are analysed, found one killed"):
        over(os._exit, [1] * 100, 2)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to a process group")
def test_an_interrupt_ends_the_pool(tmp_path):
    script = tmp_path / "forever.py"
    script.write_text(FOREVER)
    process = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    )
    process.stdout.readline()
    time.sleep(3)  # workers are at work, or about to be

    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=60)

    assert process.returncode != 0
    assert b"KeyboardInterrupt" in errors
