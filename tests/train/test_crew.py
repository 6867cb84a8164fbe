"""Truth: by hand, what each engine is to have."""

import pytest
from mstudy.core.engines.engine_params import Engine, Slurm
from mstudy.core.errors import ConfigError
from mstudy.train import stage as sweep
from mstudy.train.sweep import widths
from mstudy.train.sweep.processes import crew as crews
from mstudy.train.sweep.processes.crew import Crew, check_crew, crew_of
from mstudy.train.sweep.store import Store
from mstudy.workers.local import LocalExecutor

from tests.train.configs import STUDY


@pytest.mark.parametrize(
    ("slurm", "workers", "device", "expected"),
    [
        (Slurm(), None, "auto", ("cpu", 1, 1)),
        (Slurm(), 4, "auto", ("cpu", 4, 4)),
        (Slurm(gpus=2), 4, "auto", ("cuda", 2, 1)),
        (Slurm(gpus=2), 4, "cpu", ("cpu", 4, 4)),
    ],
)
def test_jobs_have_processors_or_gpus(tmp_path, monkeypatch, slurm, workers, device, expected):
    monkeypatch.setattr("shutil.which", lambda name: name)

    with crew_of(Engine("slurm", slurm=slurm), Store(tmp_path), workers, device) as crew:
        assert (crew.device, crew.count, crew.sharing) == expected
        assert not crew.is_here


def test_processes_here_share_the_memory_of_a_cpu(tmp_path):
    with crew_of(Engine(), Store(tmp_path), 3, "cpu") as crew:
        assert (crew.device, crew.count, crew.sharing, crew.is_here) == ("cpu", 3, 3, True)


@pytest.mark.parametrize(
    ("engine", "device", "sentence"),
    [
        (Engine("ray"), "cuda:1", "--device must be auto, cpu or cuda with the engine ray, found 'cuda:1'."),
        (Engine("slurm"), "tpu", "--device must be auto, cpu or cuda with the engine slurm, found 'tpu'."),
        (Engine("slurm"), "cuda", "engine.slurm.gpus must be at least 1 for --device cuda, found 0."),
        (Engine(), "tpu", "--device must be auto, cpu, cuda or cuda:N, found 'tpu'."),
    ],
)
def test_a_device_that_an_engine_cannot_have_is_one_sentence(engine, device, sentence):
    with pytest.raises(ConfigError) as raised:
        check_crew(engine, device)
    assert str(raised.value) == sentence


def test_widths_are_measured_where_the_work_is_done_and_only_once(tmp_path, monkeypatch):
    store, runs = Store(tmp_path), sweep.study_runs("s", STUDY)
    store.create()
    with LocalExecutor(1) as executor:
        there = Crew(executor, "cpu", 2, 2, is_here=False)
        measured = widths.measured_by(there, runs, STUDY, store)
        monkeypatch.setattr(executor, "work", None)  # asked again, it would fail
        assert widths.measured_by(there, runs, STUDY, store) == measured
    assert measured[16].width == 4


def test_a_unit_that_is_given_again_is_not_trained_again(tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    sweep.train_study("s", STUDY, store, tmp_path / "runs", workers=1)
    runs = sweep.study_runs("s", STUDY)
    monkeypatch.setattr("mstudy.train.sweep.pool.train_task", None)  # called, it would fail
    told = []
    with LocalExecutor(1) as executor:
        sweep.train_tasks(store, [sweep.Task(runs, STUDY.dataset)], executor, told.append)
    assert told == [4]


def test_an_unknown_engine_is_a_fault_of_the_program(tmp_path):
    class Odd:
        kind = "odd"

    with pytest.raises(AssertionError, match="found odd"), crews.crew_of(Odd(), Store(tmp_path), 1, "cpu"):
        pass
