"""Truth: write then read is identity; each bad file is made by hand."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mstudy.core.errors import LogError
from mstudy.runlog.format.writer import write_run
from mstudy.runlog.raw.metadata import plain_momentum
from mstudy.runlog.reading.reader import read_runs
from mstudy.runlog.validate import validate

from tests.runlog.folders import SGD, SGDM, losses_of, rows, sound, write


def test_what_is_written_is_read(save_run, tmp_path):
    curvature = np.array([1.0, np.nan, np.inf, 2.0, 3.0])
    save_run(
        {"step": np.arange(5), "loss": np.linspace(1, 0.5, 5), "directional_curvature": curvature},
        learning_rate=0.01,
        momentum=0.9,
        optimizer="heavy_ball",
    )

    folder = read_runs(tmp_path / "runs")

    run = folder.runs.row(0, named=True)
    assert (run["eta_ef"], run["eta_ef_per_sample"], run["n_points"], run["last_step"]) == (0.1, 0.1 / 8, 5, 4)
    assert folder.points["loss"].to_list() == np.linspace(1, 0.5, 5).tolist()
    assert folder.points["directional_curvature"].to_list() == [1.0, None, None, 2.0, 3.0]
    assert folder.points["sharpness"].null_count() == 5


def test_the_same_run_gives_the_same_bytes(save_run):
    first = save_run().read_bytes()

    assert save_run().read_bytes() == first


def test_final_loss_is_the_geometric_mean_of_the_last_tenth(save_run, tmp_path):
    save_run({"step": np.array([0, 50, 90, 100]), "loss": np.array([9.0, 9.0, 1.0, 4.0])})

    assert read_runs(tmp_path / "runs").runs["final_loss"].to_list() == [pytest.approx(2.0)]


def test_the_final_loss_of_a_log_that_begins_late_is_that_of_its_own_last_tenth(save_run, tmp_path):
    """Truth: a log that begins at step 1,000,000 has 100 steps, and its last tenth eleven rows."""
    losses = np.linspace(2, 1, 101)
    save_run({"step": 1_000_000 + np.arange(101), "loss": losses}, seed=0)
    save_run({"step": 50 * np.arange(1, 102), "loss": losses}, seed=1)  # a row every 50 steps, from the first 50 on

    final = read_runs(tmp_path / "runs").runs.sort("seed")["final_loss"].to_list()

    assert final[0] == pytest.approx(np.exp(np.log(losses[90:]).mean()))
    assert final[1] == pytest.approx(np.exp(np.log(losses[90:]).mean()))


def test_a_branch_has_its_final_loss_over_the_steps_of_the_runs_it_is_compared_with(save_run, tmp_path):
    branch = {"branch_of": "a", "intervention": {"kind": "momentum 0.9", "step": 95}}
    save_run({"step": np.arange(101), "loss": np.linspace(2, 1, 101)}, run_id="a")
    save_run({"step": np.arange(80, 101), "loss": np.linspace(3, 1, 21)}, run_id="b", **branch)

    final = read_runs(tmp_path / "runs").runs.sort("run_id")["final_loss"].to_list()

    assert final[1] == pytest.approx(np.exp(np.log(np.linspace(3, 1, 21)[10:]).mean()))


@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.99, 0.999, 0.1, 1e-8, 1 - 1e-9, 0.5])
def test_a_momentum_kept_as_float32_is_the_momentum_itself(momentum):
    if 1 - momentum > 1e-7:  # the float32 of a momentum nearer to 1 is 1
        assert plain_momentum(float(np.float32(momentum))) == momentum
    assert plain_momentum(momentum) == momentum


def test_effective_rates_of_a_pair_meet(save_run, tmp_path):
    save_run(learning_rate=0.3)
    save_run(learning_rate=0.3 * (1 - 0.9), momentum=0.9, optimizer="heavy_ball")

    assert read_runs(tmp_path / "runs").runs["eta_ef"].n_unique() == 1


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"step": np.arange(3)}, "must have the column loss"),
        ({"step": np.array([0, 2, 2]), "loss": np.ones(3)}, "strictly increasing"),
        ({"step": np.array([-1, 2, 3]), "loss": np.ones(3)}, "at least 0"),
        ({"step": np.arange(0), "loss": np.ones(0)}, "at least one row"),
        ({"step": np.arange(2), "loss": np.array([1.0, np.nan])}, "loss must be finite"),
    ],
)
def test_the_writer_refuses_rows_that_break_the_format(tmp_path, columns, message):
    with pytest.raises(LogError, match=message):
        write_run(tmp_path / "x.parquet", columns, {})
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_place_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(LogError, match="A run's log must be writable, found at .*file"):
        write_run(tmp_path / "file" / "x.parquet", {"step": np.arange(2), "loss": np.ones(2)}, {})


@pytest.mark.parametrize("damage", [b"", b"PAR1 not really", None])
def test_a_torn_file_is_named(save_run, tmp_path, damage):
    save_run(seed=1)
    torn = save_run(seed=2)
    torn.write_bytes(torn.read_bytes()[:-20] if damage is None else damage)

    with pytest.raises(LogError, match=f"{torn.name}: not a whole Parquet file"):
        read_runs(tmp_path / "runs")


def test_a_diverged_run_may_end_in_infinity(tmp_path):
    known, unknown = ({"loss": losses_of(name)[:15] + [float("inf")] * 5} for name in ("known", "unknown"))
    write(tmp_path / "known.parquet", rows(**known), SGD | {"status": "diverged", "diverged_step": 14})
    write(tmp_path / "unknown.parquet", rows(**unknown), SGD | {"status": "diverged", "seed": 1})

    runs = read_runs(tmp_path).runs

    assert runs["final_loss"].to_list() == [None, None]
    assert runs["diverged_step"].to_list() == [14, 15]


def test_a_loss_may_not_be_lost_before_an_unknown_divergence(tmp_path):
    write(tmp_path / "x.parquet", rows(loss=[1.0, float("nan")] * 10), SGD | {"status": "diverged"})

    assert [p.rule for p in validate(tmp_path).problems][:2] == ["divergence-step", "loss-not-finite"]


def test_the_manifest_completes_metadata(tmp_path):
    """Truth: the same values in the files' own metadata."""
    for name, about in (("a", SGD), ("b", SGDM)):
        write(tmp_path / "own" / f"{name}.parquet", rows(), about)
        write(tmp_path / "csv" / f"{name}.parquet", rows(), None)
        write(tmp_path / "json" / f"{name}.parquet", rows(), {"learning_rate": about["learning_rate"], "seed": None})
        write(tmp_path / "parquet" / f"{name}.parquet", rows(), None)
    table = [{"path": f"{name}.parquet", "n_train": None} | about for name, about in (("a", SGD), ("b", SGDM))]
    keys = list(table[0])
    lines = [",".join(keys), *(",".join("" if row[k] is None else str(row[k]) for k in keys) for row in table)]
    (tmp_path / "csv" / "manifest.csv").write_text("\n".join(lines))
    (tmp_path / "json" / "manifest.json").write_text(json.dumps(table))
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "parquet" / "manifest.parquet")

    expected = read_runs(tmp_path / "own").runs

    assert len(expected) == 2
    assert all(read_runs(tmp_path / kind).runs.equals(expected) for kind in ("csv", "json", "parquet"))


def test_files_of_one_name_in_two_folders_are_two_runs(tmp_path):
    write(tmp_path / "1" / "run.parquet", rows(), SGD)
    write(tmp_path / "2" / "run.parquet", rows(loss=losses_of("second")), SGD | {"seed": 1})

    assert read_runs(tmp_path).runs["run_id"].to_list() == ["1/run", "2/run"]


def test_series_gives_the_asked_runs_and_columns_in_order(tmp_path):
    sound(tmp_path)

    found = read_runs(tmp_path).series(["sgdm-1", "sgd-0"], ["step", "sharpness", "loss"])

    assert found.columns == ["run_id", "step", "sharpness", "loss"]
    assert found["run_id"].unique(maintain_order=True).to_list() == ["sgd-0", "sgdm-1"]
    assert found["step"].to_list() == list(range(20)) * 2
    assert found["sharpness"].null_count() == 40
    assert read_runs(tmp_path).series([]).is_empty()


def test_a_log_that_changes_between_two_looks_is_refused(tmp_path):
    folder = read_runs(sound(tmp_path))
    write(tmp_path / "sgd-0.parquet", rows(loss=[9.0] * 20), SGD)

    with pytest.raises(LogError, match="A log must not change while it is analysed, found sgd-0.parquet changed"):
        folder.points  # noqa: B018


def test_hidden_files_and_folders_are_no_runs(tmp_path):
    write(sound(tmp_path) / ".hidden" / "x.parquet", rows(), SGD)
    write(tmp_path / ".x.parquet", rows(), SGD)

    assert len(read_runs(tmp_path).runs) == 4


def test_missing_empty_and_hopeless_folders(tmp_path):
    with pytest.raises(LogError, match="The runs folder must exist, found none at .*nowhere"):
        read_runs(tmp_path / "nowhere")
    with pytest.raises(LogError, match=r"found no \*.parquet file"):
        read_runs(tmp_path)
    (tmp_path / "x.parquet").write_bytes(b"no")
    with pytest.raises(LogError, match="found 1 files, none readable; the first: x.parquet"):
        read_runs(tmp_path, skip_bad=True)


def test_of_a_run_that_is_there_twice_the_first_is_kept(save_run, tmp_path):
    save_run(name="a", run_id="one")
    save_run(name="b", run_id="one", seed=3)
    save_run(name="c", run_id="two")

    with pytest.raises(LogError, match="found 2 of 3 files bad in .*: b.parquet: it has the same run_id as a.parquet"):
        read_runs(tmp_path / "runs")
    folder = read_runs(tmp_path / "runs", skip_bad=True)
    assert folder.runs["path"].to_list() == ["a.parquet"]
    assert [problem.path for problem in folder.left_out] == ["b.parquet", "c.parquet"]


def test_a_refusal_names_five_files_and_counts_the_rest(tmp_path):
    sound(tmp_path)
    for k in range(7):
        (tmp_path / f"x{k}.parquet").write_bytes(b"")

    with pytest.raises(LogError, match=r"found 7 of 11 .*x0.*x4\.parquet: .*; and 2 more\. Mend .*--skip-bad"):
        read_runs(tmp_path)
