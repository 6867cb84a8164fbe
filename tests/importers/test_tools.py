"""Each tool's logs become the run that was written. Truth: by hand, in each tool's layout.

The layout of DVCLive (3.49) was checked with its real writer, those of Trackio (0.43) and Cockpit (1.0) against their
sources. The others (Keras, Lightning, Transformers, Ultralytics, Sacred, DeepOBS) are written from knowledge of the
format; test_outside_logs.py reads real files of DeepOBS where these are at hand.
"""

import gzip
import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from mstudy.core.errors import ConfigError, LogError
from mstudy.importers.kinds import KINDS
from mstudy.importers.mapping import Mapping
from mstudy.importers.run_import import plan_import

from tests.importers import written
from tests.importers.conftest import FACTS, columns
from tests.importers.written import LOSSES, PATTERN, put


@pytest.fixture
def plan(tmp_path):
    """Write a tool's source and import it: plan(kind, **map) -> Plan."""

    def make(kind, source=None, **sections):
        if source is None:
            written.WRITERS[kind](tmp_path / "src")
        (wanted,) = [each for each in KINDS if each.name == kind]
        patterns = (PATTERN,) if kind == "text" and "patterns" not in sections else ()
        return plan_import(wanted, source or tmp_path / "src", Mapping(**({"patterns": patterns} | sections)))

    return make


def only(plan):
    ((name, run),) = plan.runs.items()
    assert plan.problems == {}
    return name, run, columns(plan, name)


def about(run, *keys):
    return [run.metadata.get(key) for key in keys or ("learning_rate", "momentum", "batch_size", "seed", "optimizer")]


EVERY_98 = {"values": {"steps_per_epoch": 98}}


def test_keras(plan):
    name, run, found = only(plan("keras", **EVERY_98))

    assert (name, found["step"], found["loss"]) == ("training", [98 * (k + 1) for k in range(20)], LOSSES)
    assert about(run) == [0.1, 0.9, 8, 0, "heavy_ball"]
    with pytest.raises(LogError, match="The steps must be known, found columns .* give values.steps_per_epoch"):
        plan("keras")


def test_keras_passes_over_other_tables(plan, tmp_path):
    put(tmp_path / "src" / "other.log", "some text\n")

    found = plan("keras", **EVERY_98)

    assert list(found.runs) == ["training"]
    assert found.notes == ("left out: 1 runs that are no logs of Keras, the first other",)
    with pytest.raises(LogError, match="must hold logs of a CSVLogger, found no"):
        plan("keras", put(tmp_path / "other" / "a.bin", "x").parent)


def test_lightning(plan):
    name, run, found = only(plan("lightning"))

    assert (name, found["step"]) == ("version_0", [4, 9, 14, 19])
    assert found["loss"] == pytest.approx([np.mean(LOSSES[k : k + 5]) for k in range(0, 20, 5)])
    assert about(run) == [0.1, 0.9, 8, 0, "heavy_ball"]
    _, run, found = only(plan("lightning", columns={"loss": "train_loss_step"}))
    assert (found["step"], found["loss"]) == (list(range(20)), LOSSES)


def test_lightning_needs_its_file(plan, tmp_path):
    with pytest.raises(LogError, match="must hold logs of a CSVLogger, found no metrics.csv in"):
        plan("lightning", put(tmp_path / "x" / "a.csv", "").parent)


def test_huggingface(plan):
    """The last checkpoint has the whole history; the row that sums up has another loss."""
    name, run, found = only(plan("huggingface"))

    assert (name, found["step"], found["loss"]) == ("out", [10 * (k + 1) for k in range(20)], LOSSES)
    assert found["grad_norm"] == [1.5] * 20
    assert about(run) == [0.1, 0.9, 32, 7, "heavy_ball"]
    assert any("the last of 2 states" in note for note in run.notes)
    assert any("1 rows that sum the training up are left out" in note for note in run.notes)
    assert "learning_rate_changes" not in run.metadata


def test_huggingface_with_a_schedule(plan, tmp_path):
    state = written.trainer_state()
    for k, row in enumerate(state["log_history"][:20]):
        row["learning_rate"] = 0.1 / (k + 1)
    path = put(tmp_path / "a" / "trainer_state.json", json.dumps(state))

    with pytest.raises(LogError, match="found learning_rate changes from 0.1 to 0.05 at step 20; give it by --map"):
        plan("huggingface", path, values={"momentum": 0.0, "batch_size": 8, "seed": 0})
    _, run, _ = only(plan("huggingface", path, values=FACTS))
    assert run.notes[-1] == "learning_rate changes from 0.1 to 0.05 at step 20; learning_rate is 0.1 here"


def test_huggingface_without_a_history(plan, tmp_path):
    path = put(tmp_path / "a" / "trainer_state.json", '{"log_history": 3}')
    with pytest.raises(LogError, match="A Trainer's state must have a list log_history of rows, found none in"):
        plan("huggingface", path)
    path = put(tmp_path / "a" / "trainer_state.json", '{"log_history": []}')
    with pytest.raises(LogError, match="must hold at least one row, found none"):
        plan("huggingface", path)
    path = put(tmp_path / "a" / "trainer_state.json", '{"log_history": [{"step": 1, "loss": 1, "x": "\\ud800"}]}')
    with pytest.raises(LogError, match="The rows of .* must be plain, found UnicodeEncodeError in one"):
        plan("huggingface", path)
    with pytest.raises(LogError, match="must hold the states of a Trainer, found no trainer_state.json in"):
        plan("huggingface", put(tmp_path / "b" / "a.csv", "").parent)


def test_yolo(plan):
    name, run, found = only(plan("yolo", **EVERY_98))

    assert (name, found["step"]) == ("train", [98 * k for k in range(20)])
    assert found["loss"] == pytest.approx([loss + 0.5 for loss in LOSSES])
    assert about(run) == [0.01, 0.937, 64, 0, "nesterov"]
    assert "train/loss is the sum of train/box_loss, train/cls_loss" in run.notes
    assert "learning_rate_changes" not in run.metadata


def test_yolo_s_schedule_and_its_own_batch(plan, tmp_path):
    path = written.yolo(tmp_path / "src")
    args = path.with_name("args.yaml")
    args.write_text(args.read_text().replace("lrf: 1.0", "lrf: 0.01"))
    path.write_text(path.read_text().replace("lr/pg0", "mAP"))
    _, run, _ = only(plan("yolo", path.parent, **EVERY_98))
    assert run.metadata["learning_rate_changes"] == "schedule to 0.01 of lr0"
    args.write_text(args.read_text().replace("batch: 16", "batch: -1"))
    with pytest.raises(LogError, match="batch must be a number above 0, found -1 beside"):
        plan("yolo", path.parent, **EVERY_98)
    with pytest.raises(LogError, match="must hold results of YOLO, found no results.csv in"):
        plan("yolo", put(tmp_path / "b" / "a.csv", "").parent)


def test_dvclive(plan, tmp_path):
    name, run, found = only(plan("dvclive"))

    assert (name, found["step"], found["loss"]) == ("dvclive", list(range(20)), LOSSES)
    assert about(run) == [0.1, 0.9, 8, 0, "heavy_ball"]
    _, _, found = only(plan("dvclive", columns={"directional_curvature": "train/kappa"}, **EVERY_98))
    assert (found["step"][-1], found["directional_curvature"]) == (19 * 98, LOSSES)
    with pytest.raises(LogError, match="must be a folder of DVCLive, found no plots/metrics"):
        plan("dvclive", put(tmp_path / "b" / "a.csv", "").parent)
    put(tmp_path / "c" / "plots" / "metrics" / "loss.tsv", "a\tb\n1\t2\n")
    with pytest.raises(LogError, match="must have the columns step and one metric, found"):
        plan("dvclive", tmp_path / "c")


@pytest.mark.parametrize("with_ids", [True, False])
def test_trackio(plan, tmp_path, with_ids):
    source = written.trackio(tmp_path / "db", with_ids)
    name, run, found = only(plan("trackio", source))

    assert (name, found["step"], found["loss"]) == ("project/brave-1", [50 * k for k in range(18)], LOSSES[:18])
    assert (run.metadata["status"], run.metadata["diverged_step"]) == ("diverged", 900)
    assert about(run) == [0.1, 0.9, 8, 0, "heavy_ball"]
    assert run.metadata["weight_decay"] == 0.1


def test_trackio_of_another_make(plan, tmp_path):
    source = written.trackio(tmp_path / "db")
    with closing(sqlite3.connect(source)) as made:
        made.execute("UPDATE metrics SET metrics = '[1]'")
        made.commit()
    with pytest.raises(LogError, match="Trackio's rows must hold JSON objects, found '.1.' in"):
        plan("trackio", source)
    source.write_bytes(b"SQLite format 3\x00" + bytes(range(256)) * 40)
    with pytest.raises(LogError, match="Trackio's database must be readable, found"):
        plan("trackio", source)
    with pytest.raises(LogError, match="must hold Trackio's databases, found no"):
        plan("trackio", put(tmp_path / "b" / "a.csv", "").parent)


def test_sacred(plan, tmp_path):
    name, run, found = only(plan("sacred", columns={"loss": "training.loss"}))

    assert (name, found["step"], found["loss"]) == ("1", list(range(0, 200, 10)), LOSSES)
    assert about(run) == [0.1, 0.9, 8, 0, "heavy_ball"]
    assert run.metadata["status"] == "completed"
    put(tmp_path / "src" / "1" / "run.json", '{"status": "RUNNING"}')
    assert only(plan("sacred", tmp_path / "src"))[1].metadata["status"] == "interrupted"
    with pytest.raises(LogError, match="must hold runs of Sacred, found no metrics.json in"):
        plan("sacred", put(tmp_path / "b" / "a.csv", "").parent)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"loss": 3}, "A metric of Sacred must have steps and values, found int in"),
        ({"loss": {"steps": [1], "values": [1, 2]}}, "loss must be numbers at steps, found lists of other lengths"),
        ({"loss": {"steps": [1.5], "values": [1]}}, "loss must be numbers at whole steps, found one that is none"),
        ({"loss": {"steps": [1], "values": ["x"]}}, "loss must be numbers at whole steps, found one that is none"),
    ],
)
def test_sacred_of_another_make(plan, tmp_path, document, message):
    with pytest.raises(LogError, match=message):
        plan("sacred", put(tmp_path / "a" / "metrics.json", json.dumps(document)))


def test_deepobs(plan):
    """133 losses of mini-batches in 19 epochs: 7 updates each."""
    name, run, found = only(plan("deepobs"))

    assert (name, found["step"], found["loss"]) == ("lr__1e-2/random_seed__42", [7 * k for k in range(20)], LOSSES)
    np.testing.assert_allclose(found["batch_loss"], [*(1 + 7 * k / 100 for k in range(19)), np.nan])
    assert about(run) == [0.01, 0.99, 128, 42, "heavy_ball"]
    assert run.metadata["model"] == "quadratic_deep"


def changed(path, **changes):
    document = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not ...}))
    return path


def test_deepobs_of_another_make(plan, tmp_path):
    path = changed(written.deepobs(tmp_path / "src"), lr_sched_epochs=[5, 10], lr_sched_factors=[0.1, 0.01])
    assert only(plan("deepobs", path))[1].metadata["learning_rate_changes"].startswith("lr_sched_")
    with pytest.raises(LogError, match="steps_per_epoch must be that of the log, 7, found 8 in the map"):
        plan("deepobs", path, values={"steps_per_epoch": 8})
    changed(path, train_log_interval=10)
    with pytest.raises(LogError, match="The updates of an epoch must be known, found no loss of every mini-batch in"):
        plan("deepobs", path)
    assert only(plan("deepobs", path, values={"steps_per_epoch": 8}))[2]["step"][-1] == 152
    changed(path, train_losses=[])
    with pytest.raises(LogError, match="A document of DeepOBS must have a list train_losses, found none in"):
        plan("deepobs", path)
    with pytest.raises(LogError, match="must hold documents of DeepOBS, found none among 1 "):
        plan("deepobs", put(tmp_path / "b" / "a.json", "{}").parent)


def test_deepobs_as_its_newer_version_writes_it(plan, tmp_path):
    own = {"lr": 0.5, "momentum": 0.5, "nesterov": True}
    path = changed(
        written.deepobs(tmp_path / "src"),
        optimizer=...,
        learning_rate=...,
        hyperparams=...,
        optimizer_name="SGD",
        optimizer_hyperparams=own,
    )

    assert about(only(plan("deepobs", path))[1]) == [0.5, 0.5, 128, 42, "nesterov"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "must hold a JSON object, found list"),
        ('{"a": 1', "must be a whole JSON document, found otherwise"),
        ("[" * 100_000, "must be a whole JSON document, found otherwise"),
        ('{"a": 1, "a": 2}', "must be a whole JSON document, found otherwise .each key must be given once"),
    ],
)
def test_what_is_no_document(plan, tmp_path, text, message):
    with pytest.raises(LogError, match=message):
        plan("deepobs", put(tmp_path / "a.json", text))


def test_a_packed_document(plan, tmp_path):
    path = written.deepobs(tmp_path / "src")
    packed = path.with_name("b.json.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()

    assert only(plan("deepobs", tmp_path / "src"))[2]["loss"] == LOSSES


def test_cockpit(plan, tmp_path):
    name, run, found = only(plan("cockpit"))

    assert (name, found["step"], found["loss"]) == ("log", list(range(20)), LOSSES)
    assert (found["sharpness"], found["grad_norm"]) == ([3.0 + k for k in range(20)], [5.0] * 20)
    assert about(run) == [0.1, 0.9, 8, 0, "heavy_ball"]
    for text, told in (('{"a": {}}', "found 'a'"), ("{}", "found nothing"), ('{"0": 1}', "found '0'")):
        with pytest.raises(LogError, match=f"must hold an object for each iteration, {told} in"):
            plan("cockpit", put(tmp_path / "a.json", text))


def test_text(plan):
    """The steps begin again in each epoch, of which the line says the number."""
    name, run, found = only(plan("text"))

    assert (name, found["step"], found["loss"]) == ("sgd_lr=0.01_momentum=0.9_b=64", list(range(20)), LOSSES)
    assert found["sharpness"] == [round(3 + k / 10, 3) for k in range(20)]
    assert about(run) == [0.01, 0.9, 64, 3, "heavy_ball"]
    assert run.metadata["objective"] == "mse"


def test_text_as_plain_text(plan, tmp_path):
    """Brackets mean themselves where the pattern finds nothing as a regular expression."""
    path = put(tmp_path / "a.log", "[step   1] loss (train): 2.5e-1\n[step 2] loss (train): nan\nother\n")

    _, run, found = only(plan("text", path, patterns=("[step {step}] loss (train): {loss}",), values=FACTS))

    assert (found["step"], found["loss"], run.metadata["status"]) == ([1], [0.25], "diverged")


def test_text_with_colours_and_progress_bars(plan, tmp_path):
    path = put(tmp_path / "a.log", "step 1 loss \x1b[32m2.5\x1b[0m |\rstep 2 loss 1.5 |\r\nstep 3 loss 1.25 |\r\n")

    _, _, found = only(plan("text", path, patterns=("step {step} loss {loss}",), values=FACTS))

    assert (found["step"], found["loss"]) == ([1, 2, 3], [2.5, 1.5, 1.25])


def test_text_of_several_patterns(plan, tmp_path):
    path = put(tmp_path / "a.log", "== step 10\ntrain loss 2.0\nkappa 5\n== step 20\ntrain loss 1.0\n")
    patterns = ("== step {step}", "train loss {loss}", "kappa {directional_curvature}")

    _, _, found = only(plan("text", path, patterns=patterns, values=FACTS))

    assert (found["step"], found["loss"]) == ([10, 20], [2.0, 1.0])
    np.testing.assert_equal(found["directional_curvature"], [5.0, np.nan])


def test_a_torn_line_of_text(plan, tmp_path):
    path = put(tmp_path / "a.log", "step 1 loss 2.5\nstep 2 loss 1.5\nstep 3 loss 1.")
    patterns = ("step {step} loss {loss}",)

    _, run, found = only(plan("text", path, patterns=patterns, values=FACTS))
    assert found["step"] == [1, 2]
    assert run.notes[0] == f"the last line of {path}, which has no end, is left out as torn"
    put(path, f"step 1 loss 2.5\n{'x' * 3000}\nstep 3 loss 1.5 end")
    _, run, found = only(plan("text", path, patterns=patterns, values=FACTS))
    assert found["step"] == [1, 3]
    assert run.notes[0] == f"of 1 lines of {path} the first 2000 letters alone are read"


def test_patterns_and_texts_that_do_not_meet(plan, tmp_path):
    put(tmp_path / "src" / "other.txt", "nothing\n")
    assert plan("text").notes == ("left out: 1 runs without a line of the pattern, the first other",)
    with pytest.raises(LogError, match="A line of a text must have the pattern, found none in .*; correct --pattern"):
        plan("text", tmp_path / "src" / "other.txt")
    with pytest.raises(LogError, match="must hold texts, found no"):
        plan("text", put(tmp_path / "b" / "a.csv", "").parent)
    for bad in ("no names", "{a} {a}", "{a}" + "x" * 1000):
        with pytest.raises(ConfigError, match="A pattern must hold names in braces, each once, in 1000"):
            plan("text", patterns=(bad,))
    with pytest.raises(ConfigError, match="needs the pattern of its lines, found none; give --pattern"):
        plan("text", patterns=())


def test_a_pattern_of_text_takes_no_time(plan, tmp_path):
    path = put(tmp_path / "a.log", "step 1 loss 2.5\n" + f"{'step ' * 400}\n" * 20)

    assert only(plan("text", path, patterns=("step {step} .*.*loss {loss}",), values=FACTS))[2]["step"] == [1]


@pytest.mark.parametrize("kind", written.WRITERS)
def test_every_tool_is_tried(kind):
    assert kind in [each.name for each in KINDS]
