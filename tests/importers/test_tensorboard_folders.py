"""Folders of TensorBoard that are one run. Truth: what was given to torch's SummaryWriter."""

import json

import pytest
from mstudy.core.errors import LogError

from tests.importers.conftest import FACTS, columns

pytest.importorskip("tensorboard", reason="needs the package tensorboard, which writes event files")
from torch.utils.tensorboard import SummaryWriter


def test_add_scalars_is_one_run(tmp_path, imported):
    with SummaryWriter(tmp_path / "run") as writer:
        for k in range(5):
            writer.add_scalars("loss", {"train": k + 1.0, "val": 9.0}, k)

    plan = imported("tensorboard", tmp_path)

    assert list(plan.runs) == ["run"]
    assert columns(plan, "run") == {"step": list(range(5)), "loss": [1.0, 2.0, 3.0, 4.0, 5.0]}
    assert plan.runs["run"].used_columns == {"loss": "loss/train"}


def test_add_scalars_over_runs_stays_runs(tmp_path, imported):
    """Names that are none of a part of the data are names of runs."""
    with SummaryWriter(tmp_path / "all") as writer:
        for k in range(3):
            writer.add_scalars("loss", {"lr=0.1_seed=1": 1.0, "lr=0.2_seed=1": 2.0}, k)

    plan = imported("tensorboard", tmp_path, values={"momentum": 0.0, "batch_size": 8})

    assert sorted(run.metadata["learning_rate"] for run in plan.runs.values()) == [0.1, 0.2]


@pytest.mark.parametrize("has_own_events", [True, False])
def test_folders_of_training_and_validation_are_one_run(tmp_path, imported, has_own_events):
    for part, loss in (("train", 1.0), ("validation", 7.0)):
        with SummaryWriter(tmp_path / "logs" / "a" / part) as writer:
            for k in range(4):
                writer.add_scalar("epoch_loss", loss, k)
    if has_own_events:
        with SummaryWriter(tmp_path / "logs" / "a") as writer:
            writer.add_scalar("kappa", 2.0, 0)
    (tmp_path / "logs" / "a" / "hparams.yaml").write_text("model: m\n")

    plan = imported("tensorboard", tmp_path / "logs", values=FACTS | {"steps_per_epoch": 10})

    assert list(plan.runs) == ["a"]
    found = columns(plan, "a")
    assert (found["step"], found["loss"]) == ([0, 10, 20, 30], [1.0] * 4)
    assert ("directional_curvature" in found) == has_own_events
    assert plan.runs["a"].metadata["model"] == "m"


def test_a_folder_of_training_alone_is_a_run(tmp_path, imported):
    with SummaryWriter(tmp_path / "logs" / "train") as writer:
        writer.add_scalar("loss", 1.0, 0)

    assert list(imported("tensorboard", tmp_path / "logs").runs) == ["train"]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"lr": 0.25, "momentum": 0.5, "batch_size": 16, "seed": 3}),
        "|param|value|\n|-|-|\n|lr|0.25|\n|momentum|0.5|\n|batch_size|16|\n|seed|3|",
    ],
    ids=["json", "table"],
)
def test_hyperparameters_as_text(tmp_path, imported, text):
    with SummaryWriter(tmp_path / "a") as writer:
        writer.add_text("hyperparameters", text)
        writer.add_text("note", "|lr|9|")
        for k in range(3):
            writer.add_scalar("loss", 1.0, k)

    about = imported("tensorboard", tmp_path, values={}).runs["a"].metadata

    assert [about[k] for k in ("learning_rate", "momentum", "batch_size", "seed")] == [0.25, 0.5, 16, 3]


def test_hyperparameters_in_the_run_s_own_file(tmp_path, imported):
    """As torch writes them with run_name=".", and TensorFlow's hp.hparams always."""
    with SummaryWriter(tmp_path / "a") as writer:
        writer.add_hparams({"lr": 0.25, "momentum": 0.5, "bs": 16, "seed": 3}, {"hp/x": 1.0}, run_name=".")
        for k in range(3):
            writer.add_scalar("loss", 1.0, k)

    about = imported("tensorboard", tmp_path, values={}).runs["a"].metadata

    assert [about[k] for k in ("learning_rate", "momentum", "batch_size", "seed")] == [0.25, 0.5, 16, 3]


def test_a_metric_is_the_clock_and_epochs_are_updates(tmp_path, imported):
    with SummaryWriter(tmp_path / "a") as writer:
        for k in range(3):
            writer.add_scalar("loss", 1.0, k)
            writer.add_scalar("updates", 50 * k, k)

    assert columns(imported("tensorboard", tmp_path, columns={"step": "updates"}), "a")["step"] == [0, 50, 100]
    spe = FACTS | {"steps_per_epoch": 98}
    assert columns(imported("tensorboard", tmp_path, values=spe), "a")["step"] == [0, 98, 196]


def test_scalars_without_steps_are_refused_and_torn_tails_said(tmp_path, imported):
    with SummaryWriter(tmp_path / "a") as writer:
        for k in range(30):
            writer.add_scalar("loss", 1.0 / (k + 1))
    with pytest.raises(LogError, match="loss must be logged with steps, found 30 values at step 0"):
        imported("tensorboard", tmp_path)
    with SummaryWriter(tmp_path / "b") as writer:
        for k in range(30):
            writer.add_scalar("loss", 1.0 / (k + 1), k)
    (path,) = (tmp_path / "b").iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    run = imported("tensorboard", tmp_path / "b").runs["b"]
    assert len(run.columns["step"]) == 29
    assert run.notes[0].startswith(f"the tail of {path} from byte ")
