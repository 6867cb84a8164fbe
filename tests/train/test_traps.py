"""What lies in the current folder is never run: traps of the names that Python, NumPy and torch import."""

import subprocess
import sys
from pathlib import Path

import pytest

NAMES = ("numpy", "json", "random", "selectors", "torch", "signal", "struct", "socket", "pickle", "yaml", "polars")
NAMES += ("mstudy", "pyarrow", "tempfile", "sitecustomize", "usercustomize")
TRAP = "import pathlib; pathlib.Path(__file__).with_name('sprung').touch(); raise SystemExit('trapped')\n"
PARAMS = """
studies:
  t: {n_train: 64, model: mlp-tanh-8, width: 2, batch_sizes: [8, 16], eta_ef: {low: 0.1, high: 0.1, points: 1},
    momenta: [0.0, 0.9], seeds: 1, steps: 5}
"""
WORKERS = """
import math
from mstudy.workers.ordered import Workers
if __name__ == "__main__":
    with Workers(2) as workers:
        assert list(workers.map(math.sqrt, [4.0] * 8, "roots")) == [2.0] * 8
"""


@pytest.fixture
def trapped(tmp_path):
    folder = tmp_path / "trapped"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(TRAP)
    return folder


def run(folder, *command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert not (folder / "sprung").exists()
    return done


COMMAND = Path(sys.executable).with_name("mstudy")


def test_train_with_workers_runs_nothing_of_the_current_folder(trapped, tmp_path):
    (tmp_path / "params.yaml").write_text(PARAMS)

    done = run(trapped, COMMAND, "train", "t", "--params", tmp_path / "params.yaml", "--workers", "2")

    assert done.stdout == "4 runs trained, all runs of t in runs/t\n"


def test_analyze_with_workers_runs_nothing_of_the_current_folder(trapped, tmp_path, save_run):
    for seed in range(100):
        save_run(seed=seed)
        save_run(seed=seed, learning_rate=0.01, momentum=0.9, optimizer="heavy_ball")

    done = run(trapped, COMMAND, "analyze", tmp_path / "runs", "--out", tmp_path / "out", "--workers", "2")

    assert "reading runs, 200 a part" in done.stderr or "looking for sharpenings" in done.stderr


def test_workers_of_a_script_run_nothing_of_the_current_folder(trapped, tmp_path):
    (tmp_path / "script.py").write_text(WORKERS)

    run(trapped, sys.executable, tmp_path / "script.py")
