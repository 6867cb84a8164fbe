"""Journals of a sweep's runs. Truth: the logs that the same training writes at its end."""

import math
from dataclasses import replace

import numpy as np
import pytest
from mstudy.core.params import Cadence, Grid, Study
from mstudy.data.dataset import Dataset
from mstudy.runlog.recording.journal import parse_journal
from mstudy.runlog.recording.resume import read_finished
from mstudy.train.configs import plan_runs
from mstudy.train.sweep import job, under_way
from mstudy.train.sweep.store import Store
from mstudy.workers.stopping import Interrupted

STUDY = Study(
    model="mlp-tanh-5",
    batch_sizes=(8,),
    eta_ef=Grid(0.1, 300.0, 2),
    momenta=(0.0, 0.5),
    seeds=1,
    steps=20,
    log=Cadence(dense_steps=2, growth=0.3, adaptive_factor=1.01, every={"directional_curvature": 3, "sharpness": 3}),
)


@pytest.fixture
def runs(monkeypatch):
    generator = np.random.default_rng(5)
    data = Dataset("toy", generator.normal(size=(40, 6)), generator.integers(0, 3, size=40), 3)
    monkeypatch.setattr(job, "dataset", lambda source: data)
    monkeypatch.setattr(under_way, "_SECONDS", 0.0)
    monkeypatch.setattr(under_way, "_SHARE", float("inf"))
    return plan_runs("s", STUDY, data)


def journals_in(store):
    paths = (store.root / "under_way").glob("*.journal.jsonl")
    return {path.name.split(".")[0]: parse_journal(path.read_bytes(), path) for path in paths}


def train(store, runs, at_each_step=lambda: False):
    return job.train_task(store, job.Task(runs, "toy"), stop=at_each_step)


def test_each_journal_says_what_is_logged_so_far_and_is_gone_at_the_end(tmp_path, runs):
    store, seen = Store(tmp_path), []

    train(store, runs, lambda: seen.append(journals_in(store)))

    assert list((tmp_path / "under_way").iterdir()) == []
    assert set(seen[-1]) == {run.run_id for run in runs}
    diverged = 0
    for run in runs:
        metadata, rows = read_finished(store.path(run.run_id))
        steps = sorted(row["step"] for row in rows)
        journal = seen[-1][run.run_id]
        told, curvature = journal.columns["step"].tolist(), journal.columns["directional_curvature"]
        assert told[-1] == (16 if metadata["diverged_step"] is None else steps[-1])  # step 20 is after the last look
        measured = max(step for step, value in zip(told, curvature, strict=True) if math.isfinite(value))
        # Behind the last curvature, rows and values are added when the next one has jumped.
        assert [step for step in told if step <= measured] == [step for step in steps if step <= measured]
        by_step = {row["step"]: row for row in rows}
        for k, step in enumerate(told):
            assert journal.columns["loss"][k] == by_step[step]["loss"]
            value = by_step[step]["directional_curvature"]
            if step <= measured:
                assert curvature[k] == pytest.approx(math.nan if value is None else value, nan_ok=True)
        assert journal.metadata["steps"] == 20
        assert journal.metadata.get("diverged_step") == metadata["diverged_step"]
        diverged += metadata["diverged_step"] is not None
    assert diverged == 2


def test_a_journal_goes_when_the_log_is_there(tmp_path, runs, monkeypatch):
    store, found = Store(tmp_path), []
    leave = under_way.UnderWay.__exit__

    def watched_leave(self, *error):
        found.append([store.path(run.run_id).exists() for run in runs])
        leave(self, *error)

    monkeypatch.setattr(under_way.UnderWay, "__exit__", watched_leave)
    train(store, runs)

    assert found == [[True] * len(runs)]


def test_what_a_killed_process_left_is_begun_anew(tmp_path, runs):
    store, calls = Store(tmp_path), iter(range(100))
    (tmp_path / "under_way").mkdir()
    for run in runs:
        (tmp_path / "under_way" / f"{run.run_id}.journal.jsonl").write_text("torn")

    # Before the first step the old ones lie there; from then on each can be read.
    train(store, runs, lambda: next(calls) > 0 and not journals_in(store))

    assert list((tmp_path / "under_way").iterdir()) == []


def test_a_training_that_is_stopped_leaves_none(tmp_path, runs):
    calls = iter(range(100))

    with pytest.raises(Interrupted):
        train(Store(tmp_path), runs, lambda: next(calls) == 7)

    assert list((tmp_path / "under_way").iterdir()) == []


def test_a_disk_that_refuses_journals_does_not_end_the_training(tmp_path, runs):
    (tmp_path / "under_way").write_text("in the way")

    assert train(Store(tmp_path), runs) == len(runs)


def test_the_numbers_are_those_of_a_training_without_journals(tmp_path, runs, monkeypatch):
    train(Store(tmp_path / "a"), runs)
    monkeypatch.setattr(under_way.UnderWay, "tell", lambda self, rows: None)
    train(Store(tmp_path / "b"), runs)

    for run in runs:
        assert Store(tmp_path / "a").read(run.run_id) == Store(tmp_path / "b").read(run.run_id)


def test_they_take_at_most_a_fiftieth_of_the_time(tmp_path, runs, monkeypatch):
    monkeypatch.undo()
    clock = iter([0.0, 1.0, 2.5, 2.9, 3.0])
    monkeypatch.setattr(under_way.time, "monotonic", lambda: next(clock))
    told = []
    journals = under_way.UnderWay(tmp_path, [replace(runs[0])])
    monkeypatch.setattr(journals, "_tell_run", lambda place, rows: told.append(place))

    journals.tell(None)  # at second 1: too early
    journals.tell(None)  # from second 2.5 to 2.9: the next is not before 2.9 + 50 * 0.4
    journals.tell(None)

    assert told == [0] and journals._next == pytest.approx(22.9)
