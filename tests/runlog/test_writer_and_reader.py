"""Truth: write then read is identity; each bad file is made by hand."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mstudy.errors import LogError
from mstudy.runlog.reader import check_runs, read_runs
from mstudy.runlog.writer import write_run

GOOD = {"step": [0, 1, 2], "loss": [3.0, 2.0, 1.0]}
ABOUT = {"learning_rate": 0.1, "momentum": 0.0, "batch_size": 8, "seed": 0}


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


def write_raw(path, columns, metadata):
    table = pa.table(columns)
    if metadata is not None:
        table = table.replace_schema_metadata(
            {"mstudy": metadata if isinstance(metadata, str) else json.dumps(metadata)}
        )
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path)


@pytest.mark.parametrize(
    ("columns", "metadata", "reason"),
    [
        ({"step": [0]}, ABOUT, "the column loss must exist, found step"),
        ({"step": [0], "loss": ["a"]}, ABOUT, "the column loss must hold numbers, found String"),
        ({"step": [0, 1], "loss": [1.0, None]}, ABOUT, "loss must be given in every row, found 1 nulls"),
        ({"step": [0, 3, 3], "loss": [1.0] * 3}, ABOUT, "step must increase strictly, found 3 after 3"),
        ({"step": [-1, 3], "loss": [1.0] * 2}, ABOUT, "step must be at least 0, found -1"),
        ({"step": [0, 5], "loss": [1.0, float("nan")]}, ABOUT, "found nan at step 5"),
        (GOOD, None, "must hold the entry 'mstudy', found none"),
        (GOOD, "{", "must be JSON"),
        (GOOD, "[1]", "must be a JSON object"),
        (GOOD, ABOUT | {"schema": 9}, "the schema version must be 1, found 9"),
        (GOOD, {k: v for k, v in ABOUT.items() if k != "seed"}, "the metadata must give seed"),
        (GOOD, {k: v for k, v in ABOUT.items() if k != "momentum"}, "must give optimizer or momentum"),
        (GOOD, ABOUT | {"optimizer": "adam"}, "optimizer must be one of sgd, heavy_ball, nesterov, found 'adam'"),
        (GOOD, ABOUT | {"momentum": 1.0}, "momentum must be at least 0 and below 1, found 1.0"),
        (GOOD, ABOUT | {"momentum": 0.5, "optimizer": "sgd"}, "momentum must be 0 for sgd"),
        (GOOD, ABOUT | {"learning_rate": 0}, "learning_rate must be a finite number above 0, found 0"),
        (GOOD, ABOUT | {"seed": "x"}, "seed must be a finite number, found 'x'"),
        (GOOD, ABOUT | {"status": "lost"}, "status must be one of completed, diverged, interrupted, found 'lost'"),
    ],
)
def test_each_bad_file_is_named_with_its_reason(tmp_path, columns, metadata, reason):
    write_raw(tmp_path / "runs" / "bad.parquet", columns, metadata)
    write_raw(tmp_path / "runs" / "good.parquet", GOOD, ABOUT)

    n_files, problems = check_runs(tmp_path / "runs")

    assert (n_files, len(problems)) == (2, 1)
    assert problems[0].path == "bad.parquet"
    assert reason in problems[0].reason
    assert read_runs(tmp_path / "runs", skip_bad=True).runs["path"].to_list() == ["good.parquet"]
    with pytest.raises(LogError, match=r"found 1 of 2 files bad .*bad\.parquet.*--skip-bad"):
        read_runs(tmp_path / "runs")


@pytest.mark.parametrize("damage", [b"", b"PAR1 not really", None])
def test_a_torn_file_is_named(save_run, tmp_path, damage):
    save_run(seed=1)
    torn = save_run(seed=2)
    torn.write_bytes(torn.read_bytes()[:-20] if damage is None else damage)

    with pytest.raises(LogError, match=f"{torn.name}: not a whole Parquet file"):
        read_runs(tmp_path / "runs")


def test_a_diverged_run_may_end_in_infinity(tmp_path):
    write_raw(
        tmp_path / "runs" / "x.parquet", {"step": [0, 1], "loss": [1.0, float("inf")]}, ABOUT | {"status": "diverged"}
    )

    assert read_runs(tmp_path / "runs").runs["final_loss"].to_list() == [None]


def test_missing_empty_and_hopeless_folders(tmp_path):
    with pytest.raises(LogError, match="The runs folder must exist, found none at .*nowhere"):
        read_runs(tmp_path / "nowhere")
    with pytest.raises(LogError, match=r"found no \*.parquet file"):
        read_runs(tmp_path)
    (tmp_path / "x.parquet").write_bytes(b"no")
    with pytest.raises(LogError, match="found 1 files, none readable; the first: x.parquet"):
        read_runs(tmp_path, skip_bad=True)


def test_one_run_twice_is_refused(save_run, tmp_path):
    save_run(name="a", run_id="one")
    save_run(name="b", run_id="one", seed=3)
    save_run(name="c", run_id="two")

    assert [p.path for p in check_runs(tmp_path / "runs")[1]] == ["b.parquet", "c.parquet"]
    with pytest.raises(LogError, match="Each run must occur once: b.parquet: it has the same run_id as a.parquet"):
        read_runs(tmp_path / "runs")
