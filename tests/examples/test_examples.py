"""The examples run as a user runs them, and the analysis reads what they log. Truth: cadence and settings, by hand."""

import json
import subprocess
import sys
from pathlib import Path

import mstudy
import polars as pl
import pytest
import yaml
from mstudy.runlog.reading.reader import read_runs

EXAMPLES = Path(__file__).parents[2] / "examples"


def run_example(name, *arguments):
    done = subprocess.run([sys.executable, EXAMPLES / name, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_plain_loop(tmp_path):
    run_example("plain_loop.py", tmp_path, "--steps", 12, "--seeds", 1)

    folder = read_runs(tmp_path)
    assert folder.runs["eta_ef"].to_list() == [0.05, 0.05, 0.2, 0.2, 0.8, 0.8]
    assert folder.runs["optimizer"].to_list() == ["sgd", "heavy_ball"] * 3
    assert folder.points["step"].to_list() == [0, 5, 10] * 6
    assert folder.points["directional_curvature"].null_count() == 0


def test_the_first_study_of_a_newcomer_is_answered(tmp_path):
    """Three seeds, three rates, one batch size: alike at 0.2, as two one-sided tests over the seeds say."""
    run_example("plain_loop.py", tmp_path / "runs", "--steps", 200, "--seeds", 3)

    claims = mstudy.analyze(tmp_path / "runs", workers=1).claims
    assert (claims["C1"].verdict, claims["C2"].verdict) == ("inconclusive", "inconclusive")
    assert "alike at b = 256, eta_ef = 0.2, mu = 0.9" in claims["C1"].reason
    assert "undecided at b = 256, eta_ef = 0.05, mu = 0.9: -0.0" in claims["C1"].reason
    assert (claims["C1"].at_least.holds.k, claims["C1"].at_least.holds.m) == (1, 3)
    assert "SGD sharpens abruptly in 0 of 9 runs" in claims["C4"].reason


@pytest.mark.parametrize(
    ("name", "package", "steps", "batch_size"),
    [
        ("lightning_callback.py", "lightning", list(range(0, 15, 2)), 32),
        ("transformers_callback.py", "transformers", list(range(0, 12, 2)), 16),
    ],
)
def test_callbacks(tmp_path, name, package, steps, batch_size):
    """Lightning: 5 epochs of 3 batches; transformers: 12 steps of two accumulated batches; every second is logged."""
    if subprocess.run([sys.executable, "-c", f"import {package}"], capture_output=True).returncode:
        pytest.skip(f"{package} is not installed, or not in working order")

    run_example(name, tmp_path / "a.parquet")

    log = pl.read_parquet(tmp_path / "a.parquet")
    assert log["step"].to_list() == steps
    assert log["directional_curvature"].null_count() == 0
    about = json.loads(pl.read_parquet_metadata(tmp_path / "a.parquet")["mstudy"])
    assert (about["status"], about["batch_size"]) == ("completed", batch_size)


@pytest.mark.parametrize("path", sorted((EXAMPLES / "clusters").iterdir()), ids=lambda path: path.name)
def test_an_example_of_a_cluster_can_be_read_and_says_that_it_was_not_run(path):
    text = path.read_text()

    assert "not run" in text
    if path.suffix == ".sh":
        assert subprocess.run(["bash", "-n", path], capture_output=True).returncode == 0
    else:
        assert "name" in " ".join(yaml.safe_load(text))


def test_ray_takes_the_example_of_its_cluster():
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'mstudy[ray]'")
    jsonschema = pytest.importorskip("jsonschema", reason="it comes with Ray")
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())

    jsonschema.validate(yaml.safe_load((EXAMPLES / "clusters" / "ray_cluster.yaml").read_text()), schema)
