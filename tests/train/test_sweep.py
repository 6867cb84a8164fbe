"""Truth: the store's bytes before and after."""

import json
import multiprocessing
import os
import threading
import time
from dataclasses import replace

import pytest
import torch
from mstudy.core.errors import ConfigError, LogError, TrainingError
from mstudy.core.params import Study
from mstudy.core.sharding.shard import Shard
from mstudy.runlog.format.writer import write_run
from mstudy.train import stage as sweep
from mstudy.train.sweep import job as task
from mstudy.train.sweep import memory_need, pool, widths
from mstudy.train.sweep.checkpoint import checkpoint_path
from mstudy.train.sweep.processes import crew
from mstudy.train.sweep.processes.devices import Place, places, torch_device
from mstudy.train.sweep.store import Store
from mstudy.train.sweep.width import MeasuredWidth

from tests.train.configs import STUDY

CPU = torch.device("cpu")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def test_finished_runs_are_never_trained_twice(store, tmp_path):
    assert sweep.train_study("s", STUDY, store, tmp_path / "runs", workers=1) == 4
    assert sweep.train_study("s", STUDY, store, tmp_path / "runs", workers=1) == 0
    assert contents(store.root) == contents(tmp_path / "runs")


def test_a_sweep_cut_short_ends_in_the_same_bytes(store, tmp_path):
    study = Study(**{**vars(STUDY), "batch_sizes": (16, 32)})
    sweep.train_study("s", study, store, tmp_path / "runs", workers=1)
    before = contents(store.root)
    lost = sweep.ensembles(sweep.study_runs("s", study), {16: 4, 32: 4})[0]
    for run in lost:
        store.path(run.run_id).unlink()

    assert sweep.train_study("s", study, store, tmp_path / "runs", workers=1) == len(lost) == 4
    assert contents(store.root) == before


def test_a_misspelled_model_is_found_before_the_data_are_read_or_anything_is_trained(store, tmp_path):
    study = replace(STUDY, model="mlp-tanh-0", dataset=str(tmp_path / "nowhere.npz"))

    with pytest.raises(ConfigError, match=r"^studies\.s\.model must be linear, .*, found 'mlp-tanh-0'\.$"):
        sweep.train_study("s", study, store, tmp_path / "runs", workers=1)

    assert not (tmp_path / "runs").exists()
    assert not store.root.exists()


def test_of_an_ensemble_only_what_is_missing_is_trained(store, tmp_path):
    sweep.train_study("s", STUDY, store, tmp_path / "runs", workers=1)
    before = contents(store.root)
    lost = sorted(store.root.glob("*.parquet"))[2]
    lost.unlink()

    assert sweep.train_study("s", STUDY, store, tmp_path / "runs", workers=1) == 1
    after = contents(store.root)
    assert set(after) == set(before)
    assert {k: v for k, v in after.items() if k != lost.name} == {k: v for k, v in before.items() if k != lost.name}


def test_a_kill_between_two_logs_of_an_ensemble_leaves_no_trace(store, tmp_path, monkeypatch):
    undisturbed = Store(tmp_path / "undisturbed")
    sweep.train_study("s", STUDY, undisturbed, tmp_path / "a", workers=1)
    written = []

    def write_one(path, columns, metadata):
        if written:
            raise SystemExit  # as a kill, but for the tests
        written.append(path)
        write_run(path, columns, metadata)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(task, "write_run", write_one)
        sweep.train_study("s", STUDY, store, tmp_path / "b", workers=1)

    assert len(contents(store.root)) == 1
    assert sweep.train_study("s", STUDY, store, tmp_path / "b", workers=1) == 3
    assert contents(store.root) == contents(undisturbed.root)


def test_shards_of_which_one_is_killed_write_what_one_sweep_writes(store, tmp_path, monkeypatch):
    study = Study(**{**vars(STUDY), "batch_sizes": (16, 32), "width": 1})
    sweep.train_study("s", study, Store(tmp_path / "one"), tmp_path / "runs", workers=1)
    trained = []

    def train_one(store, task, stop):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(task)
        return true(store, task, stop)

    true = pool.train_task
    monkeypatch.setattr(pool, "train_task", train_one)
    with pytest.raises(KeyboardInterrupt):
        sweep.train_shard("s", study, store, Shard(1, 2), workers=1)
    monkeypatch.setattr(pool, "train_task", true)

    assert sweep.train_shard("s", study, store, Shard(2, 2), workers=1) == 4
    assert sweep.train_shard("s", study, store, Shard(1, 2), workers=1) == 2
    assert sweep.train_study("s", study, store, tmp_path / "runs", workers=1) == 0
    assert contents(store.root) == contents(tmp_path / "one") == contents(tmp_path / "runs")


def test_of_several_who_measure_a_width_the_first_decides(store, monkeypatch):
    runs = sweep.study_runs("s", replace(STUDY, width=None))
    store.create()
    (before,) = widths.widths_of(runs, replace(STUDY, width=None), store, 1, CPU).values()

    monkeypatch.setattr(widths, "read_width", lambda *given: later.pop(0))
    later = [None, before]  # another shard wrote it while this one measured
    monkeypatch.setattr(widths, "choose_width", lambda *given: replace(before, width=before.width + 1))

    assert [each.width for each in widths.widths_of(runs, replace(STUDY, width=None), store, 1, CPU).values()] == [
        before.width
    ]


def test_a_further_seed_leaves_the_old_ensembles_as_they_are():
    few, more = (sweep.study_runs("s", Study(**{**vars(STUDY), "seeds": n})) for n in (32, 64))

    old, new = (sweep.ensembles(runs, {16: 4}) for runs in (few, more))

    assert new[: len(old)] == old


def test_workers_write_what_one_process_writes(store, tmp_path):
    study = Study(**{**vars(STUDY), "batch_sizes": (16, 32)})
    one = Store(tmp_path / "one")
    sweep.train_study("s", study, one, tmp_path / "a", workers=1)

    trained = sweep.train_study("s", study, store, tmp_path / "b", workers=2)

    assert trained == 8
    assert contents(one.root) == contents(store.root)


def test_every_device_of_a_node_trains(store, tmp_path, monkeypatch):
    two = [Place("cpu", {"CUDA_VISIBLE_DEVICES": name}) for name in "01"]  # simulated: CPUs under the names of GPUs
    monkeypatch.setattr(crew, "places", lambda device, workers: two)
    study = replace(STUDY, batch_sizes=(16, 32), width=1)

    assert sweep.train_study("s", study, store, tmp_path / "runs", workers=1) == 8

    processes = {path.stem.split("-")[-2] for path in (store.root / "timing").iterdir()}
    assert len(processes) == 2 and str(os.getpid()) not in processes


@pytest.mark.parametrize(
    ("named", "count", "expected"),
    [
        (None, 2, ["0", "1"]),
        ("3,5", 2, ["3", "5"]),
        ("GPU-a,GPU-b,-1", 2, ["GPU-a", "GPU-b"]),
        (None, 1, [None]),
        ("7", 1, [None]),
    ],
)
def test_there_is_a_place_on_each_gpu_unless_one_is_named(monkeypatch, named, count, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    found = places(torch.device("cuda"), 16)

    assert [place.environment.get("CUDA_VISIBLE_DEVICES") for place in found] == expected
    assert [place.device for place in found] == ["cuda"] * count
    assert places(torch.device("cuda:1"), 16) == [Place("cuda:1", {})]
    assert places(CPU, 3) == [Place("cpu", {})] * 3


def test_the_runs_folder_holds_the_study_and_nothing_else(store, tmp_path):
    runs = tmp_path / "runs"
    sweep.train_study("s", STUDY, store, runs, workers=1)

    smaller = Study(**{**vars(STUDY), "seeds": 1})
    sweep.train_study("s", smaller, store, runs, workers=1)

    assert len(contents(runs)) == 2
    assert len(contents(store.root)) == 4


def test_progress_counts_the_runs(store, capsys, tmp_path):
    sweep.train_study("s", STUDY, store, tmp_path / "runs", workers=1)

    assert "train s: 4 of 4" in capsys.readouterr().err


def test_a_killed_worker_is_one_sentence_and_the_others_end(store):
    study = replace(STUDY, batch_sizes=(16, 32, 64), steps=10**6)
    killer = threading.Thread(target=kill_a_worker)
    killer.start()

    with pytest.raises(TrainingError, match="found one killed .* run the same command again"):
        sweep.train_missing(sweep.study_runs("s", study), study, store, 3, CPU)

    killer.join()
    assert multiprocessing.active_children() == []
    assert len(list(store.root.glob("checkpoints/*.pt"))) == 2  # of those that lived


def kill_a_worker():
    while len(multiprocessing.active_children()) < 3:
        time.sleep(0.01)
    time.sleep(1.0)
    multiprocessing.active_children()[0].kill()


def test_workers_share_no_lock(store, tmp_path, monkeypatch):
    def refuse(self, *_):
        raise AssertionError("a worker that dies holding this would stop the others for ever")

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refuse)
    study = replace(STUDY, batch_sizes=(16, 32))

    assert sweep.train_study("s", study, store, tmp_path / "runs", workers=2) == 8


def test_what_a_task_raises_in_a_worker_is_raised_here(store):
    study = replace(STUDY, batch_sizes=(16, 32))
    runs = sweep.study_runs("s", study)
    for group in sweep.ensembles(runs, {16: 4, 32: 4}):
        path = checkpoint_path(store.root, group)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"damage")

    with pytest.raises(TrainingError, match="A checkpoint must be as it was written") as raised:
        sweep.train_missing(runs, study, store, 2, CPU)

    assert "in train_task" in raised.value.__notes__[0]


def test_a_store_that_cannot_be_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(LogError, match="The store must be a folder that can be written, found at .*file"):
        sweep.train_missing(sweep.study_runs("s", STUDY), STUDY, Store(tmp_path / "file" / "store"), 1, CPU)


@pytest.mark.parametrize("model", ["mlp-tanh-1000000-100000", "mlp-tanh-1000000-1000000"])
def test_a_model_larger_than_memory_is_told_before_it_is_made(store, tmp_path, model):
    study = replace(STUDY, model=model)

    with pytest.raises(ConfigError, match=r"s\.model must fit into memory, found .* weights, of which 4 .* GB"):
        sweep.train_study("s", study, store, tmp_path / "runs", workers=1)


def test_what_would_not_fit_side_by_side_is_told_too(store, tmp_path, monkeypatch):
    monkeypatch.setattr(memory_need, "free_bytes", lambda device: 2e6)
    sweep.train_study("s", replace(STUDY, width=1), store, tmp_path / "runs", workers=1)

    with pytest.raises(ConfigError, match="with 610 weights, of which 1000 side by side take at least 0.1 GB"):
        sweep.train_study("s", replace(STUDY, width=1000, seeds=3), store, tmp_path / "runs", workers=1)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
@pytest.mark.parametrize("place", ["mstudy.train.sweep.job.Training", "mstudy.train.sweep.width.Ensemble"])
def test_memory_that_runs_out_is_one_sentence(store, tmp_path, monkeypatch, error, place):
    def refuse(*_):
        raise error

    monkeypatch.setattr(place, refuse)
    with pytest.raises(TrainingError, match="Training must fit into memory, found too little of it; ask for fewer"):
        sweep.train_study("s", STUDY, store, tmp_path / "runs", workers=1)


def test_another_fault_of_the_program_is_none_of_memory(store, tmp_path, monkeypatch):
    def refuse(*_):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr("mstudy.train.sweep.job.Training", refuse)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        sweep.train_study("s", STUDY, store, tmp_path / "runs", workers=1)


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "gpu"])
def test_an_unknown_device_is_one_sentence(name):
    with pytest.raises(ConfigError, match=f"--device must be auto, cpu, cuda or cuda:N, found '{name}'"):
        torch_device(name)


def test_a_missing_device_is_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    with pytest.raises(ConfigError, match="device of this machine, which has 1 GPUs, found 'cuda:1'"):
        torch_device("cuda:1")


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch):
    for there, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert torch_device("auto").type == device


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b"[" * 10**5,
        b'{"width": 4}',
        b'{"batch_size": 16, "name": "explicit", "width": 1000000000, "seconds": 1e-5, "megabytes": 0.1}',
        b'{"batch_size": 16, "name": "explicit", "width": 0, "seconds": 1e-5, "megabytes": 0.1}',
        b'{"batch_size": 16, "name": "explicit", "width": true, "seconds": 1e-5, "megabytes": 0.1}',
        b'{"batch_size": 17, "name": "explicit", "width": 4, "seconds": 1e-5, "megabytes": 0.1}',
        b'{"batch_size": 16, "name": "explicit", "width": 4, "seconds": NaN, "megabytes": 0.1}',
        b'{"batch_size": 16, "name": "explicit", "width": 4, "seconds": 0.0, "megabytes": 0.1}',
        b'{"batch_size": 16, "name": "explicit", "width": 4, "seconds": "1", "megabytes": 0.1}',
        b'{"batch_size": 16, "name": ["explicit"], "width": 4, "seconds": 1e-5, "megabytes": 0.1}',
        b'{"batch_size": 16, "name": "explicit", "width": 4, "seconds": 1e-5, "megabytes": 0.1, "more": 1}',
    ],
)
def test_a_damaged_width_is_measured_anew(store, content):
    study = Study(**{**vars(STUDY), "width": None})
    runs = sweep.study_runs("s", study)
    store.create()
    widths.widths_of(runs, study, store, 1, CPU)
    (path,) = store.root.glob("engines/*.json")
    path.write_bytes(content)

    again = widths.widths_of(runs, study, store, 1, CPU)

    assert 1 <= again[16].width <= 4
    assert MeasuredWidth(**json.loads(path.read_text())) == again[16]


def test_of_a_study_that_names_its_width_no_other_is_taken(store):
    runs = sweep.study_runs("s", STUDY)
    store.create()
    widths.widths_of(runs, STUDY, store, 1, CPU)
    (path,) = store.root.glob("engines/*.json")
    path.write_text(path.read_text().replace('"width": 4', '"width": 3'))

    assert widths.widths_of(runs, STUDY, store, 1, CPU)[16].width == 4


def test_a_width_is_measured_once_a_store(store, monkeypatch):
    study = Study(**{**vars(STUDY), "width": None})
    runs = sweep.study_runs("s", study)
    store.create()
    first = widths.widths_of(runs, study, store, 1, CPU)
    monkeypatch.setattr(widths, "choose_width", None)  # asked again, it would fail

    assert widths.widths_of(runs, study, store, 1, CPU) == first
    assert first[16].name == "explicit"
    assert 1 <= first[16].width <= 4
