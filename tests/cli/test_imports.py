"""`mstudy import` as a user meets it."""

import json

import numpy as np
import polars as pl
import pytest
from mstudy.runlog.recording.logger import RunLogger

from tests.conftest import about


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "run,step,loss,lr,momentum,batch_size,seed\nx,0,2,0.1,0,8,1\nx,5,1,0.1,0,8,1\ny\x1b[2J,0,2,0.1,0.9,8,1\n"
    )
    return path


def test_a_dry_run_shows_what_was_understood_and_writes_nothing(mstudy, table, tmp_path):
    code, out, _ = mstudy("import", "csv", table, "--out", tmp_path / "runs", "--dry-run")

    assert code == 0
    assert out == (
        "2 runs of csv\n"
        "columns: loss <- loss (2 runs)\n"
        "config: learning_rate <- lr (2 runs)\n"
        "config: momentum <- momentum (2 runs)\n"
        "config: batch_size <- batch_size (2 runs)\n"
        "config: seed <- seed (2 runs)\n"
        "no directional_curvature: what rests on losses is analysed; "
        "abrupt sharpening, and the claims C4 and C5, are not\n"
        "a/x: 2 rows, steps 0 to 5; optimizer sgd, learning_rate 0.1, momentum 0.0, batch_size 8, seed 1, "
        "status completed\n"
        "a/y\\x1b[2J: 1 rows, steps 0 to 0; optimizer heavy_ball, learning_rate 0.1, momentum 0.9, batch_size 8, "
        "seed 1, status completed\n"
        "  warning: the log has one row\n"
        f"nothing written: --dry-run; without it, to {tmp_path / 'runs'}\n"
    )
    assert not (tmp_path / "runs").exists()


def test_an_import_is_a_folder_that_validates(mstudy, table, tmp_path):
    code, out, _ = mstudy("import", "csv", table, "--out", tmp_path / "runs")

    assert (code, out.splitlines()[-1]) == (0, f"written to {tmp_path / 'runs'}")
    code, told, _ = mstudy("validate", tmp_path / "runs")
    assert (code, told.splitlines()[0]) == (0, "7 problems in 2 files: 0 errors, 7 warnings")
    code, _, err = mstudy("import", "csv", table, "--out", tmp_path / "runs")
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith(f"error: No log must be overwritten, found {tmp_path / 'runs'}")
    assert mstudy("import", "csv", table, "--out", tmp_path / "runs", "--replace")[0] == 0


def test_bad_runs_stop_all_unless_left_out(mstudy, table, tmp_path):
    table.write_text(table.read_text() + "z,0,nan,0.1,0,8,1\n")
    out = tmp_path / "runs"

    code, _, err = mstudy("import", "csv", table, "--out", out)
    assert (code, out.exists()) == (1, False)
    assert err.startswith(
        "error: Every run must be fit to import, found 1 that are not, the first: a/z: the loss must be f"
    )
    code, text, _ = mstudy("import", "csv", table, "--out", out, "--dry-run")
    assert code == 1
    assert "left out: a/z: the loss must be finite at first" in text
    assert mstudy("import", "csv", table, "--out", out, "--skip-bad")[0] == 3
    assert len(list(out.iterdir())) == 2


def test_json_is_one_object(mstudy, table, tmp_path):
    found = json.loads(mstudy("import", "csv", table, "--out", tmp_path / "runs", "--json", "--dry-run")[1])

    assert (found["schema"], found["dry_run"], found["kind"], found["problems"]) == (1, True, "csv", {})
    assert found["runs"][0]["columns"] == {"loss": "loss"}
    assert found["runs"][0]["metadata"]["imported_from"] == "csv"


def test_a_map_names_runs_of_the_source_alone(mstudy, table, tmp_path):
    (tmp_path / "map.toml").write_text('[values]\nstudy = "s"\n[runs."b"]\nseed = 1\n')

    code, _, err = mstudy("import", "csv", table, "--out", tmp_path / "runs", "--map", tmp_path / "map.toml")

    assert (code, err) == (1, "error: runs in the map must be runs of the source, found 'b', which is none.\n")


@pytest.mark.parametrize("kind", ["tensorboard", "wandb", "mlflow", "csv", "journal"])
def test_a_missing_source_is_one_sentence(mstudy, tmp_path, kind):
    code, _, err = mstudy("import", kind, tmp_path / "nowhere", "--out", tmp_path / "runs")

    assert (code, err) == (1, f"error: The source must exist, found nothing at {tmp_path / 'nowhere'}.\n")


def test_two_runs_of_one_name_are_not_mixed(mstudy, table, tmp_path):
    (tmp_path / "a.tsv").write_text("run\tstep\tloss\nx\t0\t1\ny\t0\t1\n")

    code, _, err = mstudy("import", "csv", tmp_path, "--out", tmp_path.with_name(f"{tmp_path.name}-runs"))

    assert code == 1
    assert "its name must be its own, found another run called a/x" in err


def test_what_a_killed_logger_left_becomes_an_interrupted_run(mstudy, tmp_path):
    log = RunLogger(tmp_path / "left" / "r.parquet", learning_rate=0.1, momentum=0.9, batch_size=8, seed=1, model="m")
    log.log(0, 2.0, directional_curvature=0.5)
    log.log(3, 1.0)
    log._journal.close()  # as a kill does

    assert mstudy("import", "journal", tmp_path / "left", "--out", tmp_path / "runs", "--json")[0] == 0

    found = json.loads(mstudy("import", "journal", tmp_path / "left", "--out", tmp_path, "--json", "--dry-run")[1])
    (run,) = found["runs"]
    assert (run["rows"], run["metadata"]["status"], run["metadata"]["model"]) == (2, "interrupted", "m")
    assert run["columns"] == {"loss": "loss", "directional_curvature": "directional_curvature"}


def test_logs_without_curvature_are_analysed_for_what_losses_allow(mstudy, tmp_path):
    """From a long table of a sweep, through the import, to verdicts: SGD stalls at the two larger rates."""
    chance, lines = np.random.default_rng(0), ["run,step,metric,value"]
    runs = ["[values]", 'model = "m"']
    for seed in range(3):
        for rate in (0.05, 0.1, 0.2, 0.4):
            for momentum in (0.0, 0.9):
                name = f"{rate}-{momentum}-{seed}"
                facts = about(learning_rate=round(rate * (1 - momentum), 9), momentum=momentum, seed=seed)
                runs += [f'[runs."a/{name}"]', *(f"{k} = {facts[k]}" for k in ("learning_rate", "momentum", "seed"))]
                runs.append("batch_size = 8")
                stall = 0.002 if rate >= 0.2 and momentum == 0 else 0.0
                level = np.exp(chance.normal(0, 0.004))
                for step in range(0, 300, 3):
                    lines.append(f"{name},{step},loss,{level * np.exp((stall - 0.003) * step)}")
    (tmp_path / "a.csv").write_text("\n".join(lines))
    (tmp_path / "map.toml").write_text("\n".join(runs))

    code, out, err = mstudy(
        "import", "csv", tmp_path / "a.csv", "--out", tmp_path / "runs", "--map", tmp_path / "map.toml"
    )
    assert (code, err) == (0, "")
    assert "no directional_curvature" in out
    assert mstudy("analyze", tmp_path / "runs", "--out", tmp_path / "out")[0] == 0

    assert pl.read_parquet(tmp_path / "out/results/sharpenings.parquet")["status"].unique().to_list() == [
        "no_curvature"
    ]
    claims = {claim["id"]: claim for claim in json.loads((tmp_path / "out/claims.json").read_text())}
    assert claims["C4"]["verdict"] == claims["C5"]["verdict"] == "untestable"
    advantage = pl.read_parquet(tmp_path / "out/results/advantage.parquet").sort("eta_ef")
    assert (advantage["log_ratio"] > 0.1).to_list() == [False, False, True, True]
