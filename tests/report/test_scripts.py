"""The script of the page, and what happens where the engine that makes it cannot start."""

import resource
import subprocess
import sys

import numpy as np
import pytest
from mstudy.analyze import analyze
from mstudy.core.errors import LogError
from mstudy.report.page import scripts
from mstudy.report.page.scripts import bundle


@pytest.fixture
def no_v8(monkeypatch):
    """V8 ends as under a limit of address space."""
    monkeypatch.setattr(scripts, "_PRINT_BUNDLE", "import os, signal; os.kill(os.getpid(), signal.SIGTRAP)")
    bundle.cache_clear()
    scripts._child.cache_clear()
    yield
    bundle.cache_clear()
    scripts._child.cache_clear()


def test_the_script_is_whole():
    assert len(bundle()) > 500_000 and "vega" in bundle()


def test_without_v8_there_are_tables_and_claims_and_one_sentence(mstudy, save_run, tmp_path, no_v8):
    path = save_run()
    out = tmp_path / "out"
    out.mkdir()
    (out / "index.html").write_text("the page of older results")

    code, _, err = mstudy("analyze", path.parent, "--out", out)

    assert code == 1 and err.count("\n") == 1
    assert "found that it ended with -5; raise the limit of address space (ulimit -v unlimited)" in err
    assert f"Tables and claims are written to {out}, a page is not." in err
    assert (out / "claims.json").is_file() and (out / "stamps" / "estimate.json").is_file()
    assert not (out / "index.html").exists()
    assert mstudy("plan", "--claim", "C1", "--results", out)[0] == 0


@pytest.mark.parametrize("name", ["why.html", "why.svg"])
def test_without_v8_an_explanation_is_one_sentence(mstudy, save_run, tmp_path, no_v8, name):
    code, _, err = mstudy("explain", save_run(), "--out", tmp_path / name)

    assert code == 1 and err.count("\n") == 1 and "need the JavaScript engine V8" in err
    assert not (tmp_path / name).exists()


def test_a_real_limit_of_address_space_is_one_sentence(save_run, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (16 * 2**30,) * 2)

    program = "from mstudy.report.page.scripts import bundle; bundle()"
    done = subprocess.run([sys.executable, "-c", program], preexec_fn=limit, capture_output=True, text=True)

    assert done.returncode == 1 and "LogError: The page and its pictures need the JavaScript engine V8" in done.stderr


def test_a_module_of_the_current_folder_is_not_run(tmp_path, monkeypatch):
    (tmp_path / "vl_convert.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    bundle.cache_clear()

    assert len(bundle()) > 500_000


def test_a_fault_is_told_to_python_too(save_run, tmp_path, no_v8):
    with pytest.raises(LogError, match="a page is not"):
        analyze(save_run().parent, tmp_path / "out")


def test_long_names_are_shortened_on_the_page_and_stay_apart(save_run, tmp_path):
    for k, mu in enumerate((0.0, 0.9)):
        for seed in range(2):
            long = {"study": "s" * 1000, "model": "m" * 1000, "run_id": "r" * 900 + f"{k}{seed}"}
            rows = {"step": np.arange(5), "loss": np.linspace(1.0, 0.5, 5) - 0.01 * seed - 0.1 * mu}
            save_run(
                rows,
                name=f"{k}{seed}",
                momentum=mu,
                optimizer="heavy_ball" if mu else "sgd",
                learning_rate=0.1 * (1 - mu),
                seed=seed,
                **long,
            )

    result = analyze(tmp_path / "runs", tmp_path / "out")

    page = (tmp_path / "out" / "index.html").read_text()
    assert len(page) < 1_300_000 and "s" * 60 + "… (" in page and "s" * 300 not in page
    assert result["runs"]["run_id"].str.len_chars().min() == 902  # tables keep the names
    assert "loss" in result.figures
