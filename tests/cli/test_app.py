"""The command line as a user meets it: what it prints, and how it exits."""

import importlib
import importlib.metadata
import json
import subprocess
import sys

import polars as pl
import pytest

from tests.runlog.folders import SGD, rows, sound, write


def test_version_and_help(mstudy):
    assert mstudy("--version")[:2] == (0, f"mstudy {importlib.metadata.version('mstudy')}\n")
    assert "analyze" in mstudy("--help")[1]
    assert mstudy("analyse")[0] == 2


def test_help_imports_nothing_heavy():
    heavy = ["torch", "polars", "altair", "ruptures", "statsmodels", "scipy", "pyarrow", "numpy", "yaml", "rich"]
    code = (
        "import atexit, sys; from mstudy.cli.app import main; sys.argv = ['mstudy', '--help'];"
        f"atexit.register(lambda: print([m for m in {heavy} if m in sys.modules])); main()"
    )

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert "Commands:" in printed
    assert printed.endswith("[]\n")


def test_analyze_writes_tables_claims_and_page(mstudy, save_sweep, tmp_path):
    code, out, _ = mstudy("analyze", save_sweep(), "--out", tmp_path / "out")

    assert code == 0
    assert "C1 supported" in out
    files = [p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()]
    written = {name for name in files if not name.startswith("cache/")}
    tables = [
        "runs",
        "sharpenings",
        "sharpening_events",
        "partings",
        "openings",
        "cell_partings",
        "advantage",
        "final_losses",
        "horizon_losses",
        "lags",
        "thresholds",
        "placements",
        "unreplicated_cells",
        "event_verdicts",
        "horizons",
        "trends",
        "best",
        "stability_limits",
        "law",
        "alignment",
        "deferral",
        "survival",
        "event_verdicts",
        "interventions",
        "branch_gaps",
        "twins",
        "treatments",
        "claim_units",
        "power",
    ]
    assert written == {f"results/{t}.parquet" for t in tables} | {
        "claims.json",
        "problems.json",
        "metrics.json",
        "index.html",
        "stamps/detect.json",
        "stamps/compare.json",
        "stamps/estimate.json",
    }
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    # Two studies may have the same batch size: each number is kept below its setting.
    assert list(metrics["eta_ef_star"]["tiny, m, d, o"]) == ["b=8,heavy_ball,mu=0.9", "b=16,heavy_ball,mu=0.9"]


def test_an_optimizer_of_which_nothing_is_known_is_analysed_as_far_as_it_goes(mstudy, save_sweep, tmp_path, mystery):
    code, out, _ = mstudy("analyze", save_sweep(optimizer=mystery.name), "--out", tmp_path / "out")

    tables = {path.stem: pl.read_parquet(path) for path in (tmp_path / "out" / "results").glob("*.parquet")}
    assert code == 0
    assert "C1 supported" in out  # final losses compare as ever
    found = tables["runs"].join(tables["sharpenings"], on="run_id")
    assert set(found.filter(optimizer=mystery.name)["stability_status"]) == {"no_line"}
    assert "no_line" not in found.filter(optimizer="sgd")["stability_status"]
    assert set(tables["partings"]["status"]) == {"no_lag", "sgd_diverged"}
    assert tables["thresholds"]["status"].to_list() == ["estimated"] * 2
    assert "no stability line is known" in (tmp_path / "out" / "index.html").read_text()


def test_analyze_json_is_one_object(mstudy, save_sweep, tmp_path):
    _, out, _ = mstudy("analyze", save_sweep(), "--out", tmp_path / "out", "--json")

    claims = {claim["id"]: claim for claim in json.loads(out)["claims"]}
    assert list(claims) == ["C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8"]
    at_least = claims["C1"]["at_least"]
    units = pl.read_parquet(tmp_path / "out" / "results" / "claim_units.parquet").filter(claim="C1")
    assert at_least["holds"]["m"] == len(units) > 0
    assert {part["batch_size"] for part in at_least["by_batch_size"]} == set(units["batch_size"])
    assert claims["C4"]["at_least"] is None


def test_analyze_says_in_how_many_units_a_claim_holds(mstudy, save_sweep, tmp_path):
    _, out, _ = mstudy("analyze", save_sweep(), "--out", tmp_path / "out")

    assert ". SGD and SGDM are alike in at least " in out
    assert '<p class="sure">SGD and SGDM are alike in at least ' in (tmp_path / "out" / "index.html").read_text()


def test_a_torn_file_stops_unless_told_otherwise(mstudy, save_sweep, tmp_path):
    runs = save_sweep()
    (runs / "torn.parquet").write_bytes(b"PAR1")

    code, _, err = mstudy("analyze", runs, "--out", tmp_path / "out")
    assert (code, err.count("\n")) == (1, 1)
    assert "torn.parquet: not a whole Parquet file" in err
    code, _, err = mstudy("analyze", runs, "--out", tmp_path / "out", "--skip-bad")
    assert code == 3
    assert "left out: torn.parquet" in err
    assert "torn.parquet" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.parametrize("command", ["analyze", "validate"])
def test_a_missing_folder_is_one_sentence(mstudy, tmp_path, command):
    extra = ["--out", tmp_path / "out"] if command == "analyze" else []

    code, _, err = mstudy(command, tmp_path / "nowhere", *extra)

    assert code == 1
    assert err == f"error: The runs folder must exist, found none at {tmp_path / 'nowhere'}.\n"


def test_an_output_that_cannot_be_written_is_one_sentence(mstudy, save_sweep, tmp_path):
    (tmp_path / "file").write_text("")

    code, _, err = mstudy("analyze", save_sweep(), "--out", tmp_path / "file" / "out")

    assert (code, err.count("\n")) == (1, 1)
    assert "must be writable" in err


def test_a_cache_that_cannot_be_written_is_one_sentence(mstudy, tmp_path):
    runs = sound(tmp_path / "runs")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cache").write_text("in the way")

    code, _, err = mstudy("analyze", runs, "--out", tmp_path / "out")

    assert (code, err.count("\n")) == (1, 1)
    assert "The analysis's cache must be writable" in err


def test_an_interrupted_analysis_exits_with_130(mstudy, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("mstudy.analyze"), "analyze", interrupt)

    assert mstudy("analyze", tmp_path, "--out", tmp_path / "out") == (
        130,
        "",
        "interrupted; run the same command again\n",
    )


def test_validate_counts_first(mstudy, tmp_path):
    runs = sound(tmp_path / "runs")
    assert mstudy("validate", runs)[:2] == (0, "0 problems in 4 files: 0 errors, 0 warnings\n")

    write(runs / "alone.parquet", rows(), SGD | {"seed": 9})
    code, out, _ = mstudy("validate", runs)
    assert (code, out.splitlines()[0]) == (0, "1 problems in 5 files: 0 errors, 1 warnings")

    write(runs / "bad\n.parquet", rows(loss=[1.0] * 19 + [None]), SGD | {"seed": 8})
    code, out, _ = mstudy("validate", runs)
    assert (code, out.splitlines()[0]) == (1, "2 problems in 6 files: 1 errors, 1 warnings")
    assert out.splitlines()[1].startswith(
        "bad\\n.parquet, column loss, row 19: error null-value: loss must be given in"
    )
    found = json.loads(mstudy("validate", runs, "--json")[1])
    assert (found["n_files"], found["n_problems"], found["n_errors"]) == (6, 2, 1)
    assert {key: found["problems"][0][key] for key in ("path", "rule", "column", "row")} == {
        "path": "bad\n.parquet",
        "rule": "null-value",
        "column": "loss",
        "row": 19,
    }


def test_analyze_tells_warnings_and_goes_on(mstudy, save_sweep, tmp_path):
    runs = save_sweep()
    next(path for path in sorted(runs.iterdir()) if path.name.startswith("8-0.1-0.0")).unlink()

    code, _, err = mstudy("analyze", runs, "--out", tmp_path / "out", "--workers", 1)

    assert code == 0
    assert "warning: sgdm-unpaired (1 times): 8-0.01-0.9-0.parquet: an SGD run of this setting must share" in err
    found = json.loads((tmp_path / "out" / "problems.json").read_text())
    assert ("sgdm-unpaired", "warning") in {(problem["rule"], problem["severity"]) for problem in found}


TINY = """
studies:
  tiny: {n_train: 64, model: mlp-tanh-8, width: 4, batch_sizes: [16, full], eta_ef: {low: 0.1, high: 0.4, points: 3},
    momenta: [0.0, 0.9], seeds: 2, steps: 4}
"""


def test_train_plan_and_train_again(mstudy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(TINY)

    assert json.loads(mstudy("plan", "tiny", "--json")[1])["n_missing"] == 24
    assert mstudy("train", "tiny", "--workers", 1)[1] == "24 runs trained, all runs of tiny in runs/tiny\n"
    assert mstudy("train", "tiny", "--workers", 1)[1] == "0 runs trained, all runs of tiny in runs/tiny\n"
    code, out, _ = mstudy("plan", "tiny")
    head, *engines, total = out.splitlines()
    assert (code, len(engines), head.split()[:4]) == (0, 2, ["b", "runs", "engine", "width"])
    assert engines[1].split()[:4] == ["16", "0", "explicit", "4"]
    assert total.startswith("tiny: 24 runs, 0 to train, at most about 0 s on")


def test_train_refuses_bad_parameters_before_training(mstudy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("studies: {tiny: {batch_sizes: [5000]}}")

    code, _, err = mstudy("train", "tiny")

    assert code == 1
    assert err == (
        "error: studies.tiny.batch_sizes must be at most n_train = 1797, found 5000; "
        "write 'full' for the whole training set.\n"
    )
    assert not (tmp_path / ".mstudy").exists()


@pytest.mark.parametrize(
    ("params", "options", "expected"),
    [
        ("", ("--engine", "ray", "--address", "auto"), ("ray", "auto")),
        ("engine: {kind: slurm}", (), ("slurm", None)),
        ("engine: {kind: slurm}", ("--engine", "local"), ("local", None)),
    ],
)
def test_the_engine_that_is_asked_for_trains(mstudy, tmp_path, monkeypatch, params, options, expected):
    from mstudy.train import stage as sweep

    asked = []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(TINY + params)
    monkeypatch.setattr(sweep, "train_missing", lambda *args, engine, **kwargs: asked.append(engine) or 0)
    monkeypatch.setattr(sweep, "materialise", lambda *args: None)

    code, _, _ = mstudy("train", "tiny", *options)

    assert code == 0
    assert [(engine.kind, engine.ray.address) for engine in asked] == [expected]


def test_an_analysis_refuses_an_engine_that_only_trains(mstudy, save_sweep, tmp_path):
    code, _, err = mstudy("analyze", save_sweep(), "--out", tmp_path / "out", "--engine", "slurm")

    assert (code, err.count("\n")) == (1, 1) and "--engine must be local or ray for an analysis, found slurm" in err


def test_an_interrupted_training_says_what_is_kept(mstudy, tmp_path, monkeypatch):
    from mstudy.train import stage as sweep

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(TINY)
    monkeypatch.setattr(sweep, "train_missing", interrupt)

    code, _, err = mstudy("train", "tiny")

    assert code == 130
    assert "all work done is kept in .mstudy/store" in err
