"""Truth: the bytes of a sweep by one process here; and what SLURM's commands were given."""

import json
import os
import signal
import stat
import sys
import threading
import time

import pytest
from mstudy.core.engines.engine_params import Slurm
from mstudy.core.errors import ConfigError
from mstudy.train.sweep.pool import train_tasks
from mstudy.train.sweep.store import Store
from mstudy.workers.executor import WorkerDied
from mstudy.workers.local import LocalExecutor
from mstudy.workers.on_slurm import SlurmExecutor
from mstudy.workers.stopping import Interrupted

from tests.engines.processes import below
from tests.engines.study import assert_none_twice, contents, forty_tasks, runs_timed

submitit = pytest.importorskip("submitit", reason="submitit is not installed: pip install 'mstudy[slurm]'")
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@pytest.fixture(autouse=True)
def no_wait_for_slow_disks(monkeypatch):
    monkeypatch.setattr(submitit.core.core.Job, "_results_timeout_s", 0.5)


def local_jobs(how, folder, poll_seconds=0.1):
    return SlurmExecutor(how, 1, folder, "mstudy.train.sweep.job", "local", poll_seconds)


def jobs_here():
    """The processes that work at jobs, without those that watch over them."""
    return [number for number, command in below(os.getpid()).items() if "submitit.core._submit" in command]


def send_when(ready, kinds, sent):
    while not ready():
        time.sleep(0.02)
    for number, kind in zip(sorted(jobs_here()), kinds, strict=True):
        os.kill(number, kind)
        sent.append(kind)


def test_a_sweep_by_jobs_of_which_one_is_preempted_and_one_killed(tmp_path):
    store, here, sent = Store(tmp_path / "store"), Store(tmp_path / "here"), []
    for each in (store, here):
        each.create()
    with LocalExecutor(1) as executor:
        train_tasks(here, forty_tasks(), executor, lambda n: None)

    def each_is_at_work():
        return len(contents(store.root)) >= 4

    kinds = (signal.SIGUSR2, signal.SIGKILL)  # SLURM's word of a preemption, and a node that is lost
    threading.Thread(target=send_when, args=(each_is_at_work, kinds, sent), daemon=True).start()
    trained = []
    with local_jobs(Slurm(ensembles=20), store.root / "slurm") as executor:
        train_tasks(store, forty_tasks(), executor, trained.append)

    assert sent == list(kinds)
    assert trained == [1] * 40
    assert contents(store.root) == contents(here.root)
    assert_none_twice(runs_timed(store.root), lost=2)
    assert jobs_here() == []


def test_what_a_unit_raises_in_a_job_is_raised_here(tmp_path):
    with local_jobs(Slurm(), tmp_path) as executor, pytest.raises(ValueError, match="Expecting value"):
        list(executor.work(json.loads, ["no JSON"]))


def test_a_job_that_always_dies_is_not_submitted_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("mstudy.workers.on_slurm._RESUBMISSIONS", 1)
    with local_jobs(Slurm(), tmp_path) as executor, pytest.raises(WorkerDied):
        list(executor.work(os._exit, [1]))


def test_jobs_are_cancelled_when_asked_to_stop(tmp_path):
    with local_jobs(Slurm(), tmp_path) as executor:
        threading.Timer(1.0, lambda: setattr(executor.stop, "value", True)).start()
        with pytest.raises(Interrupted):
            list(executor.work(time.sleep, [600]))

    end = time.monotonic() + 30
    while jobs_here() and time.monotonic() < end:
        time.sleep(0.05)
    assert jobs_here() == []


# SLURM's commands, played.
COMMANDS = {"srun": "true", "scontrol": "echo 'MaxArraySize            = 3'", "scancel": "true"}


def test_arrays_are_as_long_as_the_cluster_takes(tmp_path, monkeypatch):
    submitted = []

    class Recorder:
        def map_array(self, function, tasks):
            submitted.append(len(tasks))
            return [Done(function(task)) for task in tasks]

    monkeypatch.setattr(SlurmExecutor, "_executor", lambda self: Recorder())
    on_path(tmp_path, monkeypatch, COMMANDS)

    with SlurmExecutor(Slurm(ensembles=2), 1, tmp_path) as executor:
        done = sorted(executor.work(abs, [-k for k in range(14)]))

    assert done == [(k, k) for k in range(14)]
    assert submitted == [3, 3, 1]


class Done:
    """A job that has ended with an answer."""

    def __init__(self, answer):
        self.result = lambda: answer
        self.done = lambda: True


def on_path(tmp_path, monkeypatch, commands):
    """Put commands of these names and texts on the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_what_sbatch_is_asked_for(tmp_path, monkeypatch):
    on_path(tmp_path, monkeypatch, COMMANDS | {"sbatch": f"cat $1 > {tmp_path}/asked; echo Submitted batch job 7"})
    how = Slurm(minutes=30, gpus=2, at_a_time=5, sbatch={"partition": "gpu", "account": "mine"})

    executor = SlurmExecutor(how, 2, tmp_path / "jobs")
    executor._executor().map_array(print, [1, 2])

    asked = (tmp_path / "asked").read_text().splitlines()
    expected = [
        "array=0-1%2",
        "partition=gpu",
        "account=mine",
        "gpus-per-node=2",
        "cpus-per-task=2",
        "time=30",
        "requeue",
    ]
    assert {f"#SBATCH --{option}" for option in expected} <= set(asked)
    assert any(
        line.startswith("srun ") and f"{sys.executable} -P -u -m submitit.core._submit" in line for line in asked
    )


def test_a_machine_without_slurm_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="--engine slurm must be called where SLURM is installed, found no srun"):
        SlurmExecutor(Slurm(), 1, tmp_path).__enter__()


def test_what_sbatch_says_against_the_jobs_is_one_sentence(tmp_path, monkeypatch):
    refusal = "echo 'sbatch: error: invalid partition specified: gpu' >&2; exit 1"
    on_path(tmp_path, monkeypatch, COMMANDS | {"sbatch": refusal})

    with SlurmExecutor(Slurm(), 1, tmp_path / "jobs") as executor, pytest.raises(ConfigError) as raised:
        list(executor.work(abs, [1]))

    assert str(raised.value).startswith("sbatch must take the jobs that engine.slurm describes, found: ")
    assert "invalid partition specified: gpu" in str(raised.value)
