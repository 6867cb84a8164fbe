"""Truth: the training that was never interrupted."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from mstudy.core.errors import LogError, TrainingError
from mstudy.core.params import Cadence, Grid, Study
from mstudy.core.quantities import MEASURED_COLUMNS
from mstudy.data.dataset import Dataset
from mstudy.train.configs import plan_runs
from mstudy.train.ensemble.loop import Training
from mstudy.train.sweep import checkpoint
from mstudy.train.sweep import job as task
from mstudy.train.sweep.store import Store
from mstudy.workers.stopping import Interrupted

CPU = torch.device("cpu")
EVERY = {"sharpness": 3, "batch_sharpness": 3, "critical_sharpness": 1}
QUANTITIES = Cadence(dense_steps=2, growth=0.3, adaptive_factor=1.01, every=EVERY)
STUDY = Study(
    model="mlp-tanh-5", batch_sizes=(8, "full"), eta_ef=Grid(0.1, 300.0, 3), momenta=(0.0, 0.5), seeds=2, steps=20
)


@pytest.fixture
def data():
    generator = np.random.default_rng(5)
    return Dataset("toy", generator.normal(size=(40, 6)), generator.integers(0, 3, size=40), 3)


def trained(training):
    while not training.finished:
        training.step()
    return training.logs()


@pytest.mark.parametrize("batch_size", [8, 40])
@pytest.mark.parametrize("model", ["mlp-tanh-5", "mlp-gelu-5-4"])
def test_a_training_goes_on_from_any_step_as_if_never_stopped(data, tmp_path, batch_size, model):
    study = replace(STUDY, model=model, log=QUANTITIES)
    runs = [run for run in plan_runs("s", study, data) if run.batch_size == batch_size]
    undisturbed = Training(runs, data, CPU)
    whole = trained(undisturbed)
    assert {log.status for log in whole} == {"completed", "diverged"}

    for stop_at in range(0, 21, 3):
        first = Training(runs, data, CPU)
        while first.steps_done < stop_at:
            first.step()
        checkpoint.save(tmp_path / "c.pt", first.saved())
        second = Training(runs, data, CPU)
        second.restore(checkpoint.load(tmp_path / "c.pt"))

        resumed = trained(second)

        for log, expected in zip(resumed, whole, strict=True):
            assert log.metadata == expected.metadata
            for name, values in expected.columns.items():
                np.testing.assert_array_equal(log.columns[name], values, err_msg=name)


def test_a_checkpoint_from_before_a_quantity_was_listed_goes_on_without_it(data):
    run = plan_runs("s", STUDY, data)[0]
    whole, first, second = (Training([run], data, CPU) for _ in range(3))
    while first.steps_done < 9:
        first.step()
    saved = first.saved()
    held = [k for k, name in enumerate(MEASURED_COLUMNS) if name != "grad_norm"]
    saved["rows"]["columns"] = [MEASURED_COLUMNS[k] for k in held]
    saved["rows"]["tables"] = [table[:, held] for table in saved["rows"]["tables"]]
    for state in (saved["state"], saved["before"]):
        assert torch.isnan(state.pop("critical_rates")).all()  # nor were they, where that search starts

    second.restore(saved)

    found, expected = (trained(training)[0].columns for training in (second, whole))
    assert np.isnan(found["grad_norm"][found["step"] < 9]).all()
    expected["grad_norm"][expected["step"] < 9] = np.nan
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_no_checkpoint_is_none(tmp_path):
    assert checkpoint.load(tmp_path / "none.pt") is None


def test_a_damaged_checkpoint_is_one_sentence(tmp_path):
    path = tmp_path / "c.pt"
    checkpoint.save(path, {"step": 3})
    path.write_bytes(path.read_bytes()[:-30])

    with pytest.raises(TrainingError, match="A checkpoint must be as it was written, found damage in .*c.pt; delete"):
        checkpoint.load(path)


def test_of_forty_flipped_bits_none_is_taken(tmp_path, data):
    path, places = tmp_path / "c.pt", random.Random(2)
    checkpoint.save(path, Training(plan_runs("s", STUDY, data)[:2], data, CPU).saved())
    whole = path.read_bytes()
    for place in [0, 20, 60, *(places.randrange(len(whole)) for _ in range(40))]:
        content = bytearray(whole)
        content[place] ^= 1 << places.randrange(8)
        path.write_bytes(content)

        with pytest.raises(TrainingError, match="found damage in .*c.pt; delete it to train its runs anew"):
            checkpoint.load(path)


@pytest.mark.parametrize("content", [b"", b"mstudy checkpoint\n", b"PK\x03\x04 garbage"])
def test_a_checkpoint_without_its_digest_is_refused(tmp_path, content):
    (tmp_path / "c.pt").write_bytes(content)

    with pytest.raises(TrainingError, match="found damage"):
        checkpoint.load(tmp_path / "c.pt")


def of_other_structure(saved):
    """Checkpoints with a right digest that no training of these runs wrote."""
    state, rows = saved["state"], saved["rows"]
    yield {}
    yield []
    yield saved | {"state": 3}
    yield saved | {"state": {name: value for name, value in state.items() if name != "w"}}
    yield saved | {"state": state | {"w": state["w"][:, :-1]}}
    yield saved | {"state": state | {"w": state["w"].double()}}
    yield saved | {"state": state | {"loss_limit": state["loss_limit"][:1]}}
    yield saved | {"state": state | {"members": [0, 99]}}
    yield saved | {"state": state | {"members": [1, 0]}}
    yield saved | {"state": state | {"step": "3"}}
    yield saved | {"state": state | {"step": -1}}
    yield saved | {"state": state | {"step": STUDY.steps + 2}}
    yield saved | {"state": state | {"another": state["w"]}}
    yield saved | {"before": {}}
    yield saved | {"rows": rows | {"steps": rows["steps"][:1]}}
    yield saved | {"rows": rows | {"diverged_step": []}}
    yield saved | {"rows": rows | {"columns": ["no such column"]}}


def test_a_checkpoint_of_another_structure_is_one_sentence(tmp_path, monkeypatch, data):
    monkeypatch.setattr(task, "dataset", lambda source: data)
    runs = [run for run in plan_runs("s", STUDY, data) if run.batch_size == 8][:2]
    path = checkpoint.checkpoint_path(tmp_path, runs)
    training = Training(runs, data, CPU)
    training.step()
    for saved in of_other_structure(training.saved()):
        checkpoint.save(path, saved)

        with pytest.raises(TrainingError, match="as it was written, found damage in .*; delete it to train its runs"):
            task.train_task(Store(tmp_path), task.Task(runs, "toy"))


def test_a_checkpoint_that_runs_code_is_refused(tmp_path):
    path = tmp_path / "c.pt"
    checkpoint.save(path, {"step": print})

    with pytest.raises(TrainingError, match="found damage"):
        checkpoint.load(path)


def test_an_unreadable_checkpoint_is_one_sentence(tmp_path):
    (tmp_path / "c.pt").mkdir()

    with pytest.raises(TrainingError, match="A checkpoint must be readable, found at .*c.pt: Is a directory"):
        checkpoint.load(tmp_path / "c.pt")


def test_an_unwritable_checkpoint_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(LogError, match="A checkpoint must be writable, found at .*c.pt"):
        checkpoint.save(tmp_path / "file" / "c.pt", {"step": 3})


def test_other_runs_have_another_checkpoint(data, tmp_path):
    runs = plan_runs("s", STUDY, data)

    paths = {checkpoint.checkpoint_path(tmp_path, part) for part in (runs, runs[1:], runs[::-1])}

    assert len(paths) == 3


def test_a_stop_is_heard_between_two_steps_and_leaves_a_checkpoint_alone(tmp_path, monkeypatch, data):
    monkeypatch.setattr(task, "dataset", lambda source: data)
    runs = [run for run in plan_runs("s", STUDY, data) if run.batch_size == 8]
    store, calls = Store(tmp_path), iter(range(100))

    with pytest.raises(Interrupted):
        task.train_task(store, task.Task(runs, "toy"), stop=lambda: next(calls) == 7)

    files = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [checkpoint.checkpoint_path(tmp_path, runs).relative_to(tmp_path)]
    assert checkpoint.load(checkpoint.checkpoint_path(tmp_path, runs))["state"]["step"] == 7
    later_calls = iter(range(100))
    assert task.train_task(store, task.Task(runs, "toy"), stop=lambda: next(later_calls) > 99) == len(runs)
    assert next(later_calls) == STUDY.steps + 1 - 7  # the steps that were left, not all of them
    assert list((tmp_path / "checkpoints").iterdir()) == []
