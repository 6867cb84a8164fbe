"""The whole way on a tiny study: dvc repro without git, then analyze on copied runs; equal to the byte."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TINY = """
studies:
  tiny: {n_train: 128, model: mlp-tanh-16, width: 8, batch_sizes: [32, full], eta_ef: {low: 0.05, high: 0.8, points: 5},
    momenta: [0.0, 0.9], seeds: 3, steps: 60}
branches:
  tiny: {treatments: [projected]}
detect: {quantity: directional_curvature, min_points: 20, jump_factor: 3.0}
margins: {advantage: 0.1}
compare: {resamples: 200, scale: log}
estimate: {resamples: 200}
report: {title: A tiny study}
"""


@pytest.fixture
def project(tmp_path):
    """A copy of the project without history, as from a zip download."""
    for name in ("pipeline", "stages", "settled", "dvc.yaml", ".dvcignore"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, tmp_path / name)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text((ROOT / ".dvc" / "config").read_text() + "    no_scm = true\n")
    (tmp_path / "params.yaml").write_text(TINY)
    return tmp_path


def run(project, *arguments):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT / "pipeline")}
    return subprocess.run(arguments, cwd=project, env=environment, capture_output=True, text=True)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_repro_and_analyze_agree_and_nothing_is_done_twice(project):
    first = run(project, "dvc", "repro")
    assert first.returncode == 0, first.stderr
    assert "train tiny: 60 of 60" in first.stderr
    assert "didn't change" in run(project, "dvc", "repro").stdout + run(project, "dvc", "repro").stderr

    copied = project / "elsewhere" / "runs"
    shutil.copytree(project / "runs", copied)
    arguments = ["analyze", "runs", "--out", "out", "--params", "../params.yaml"]
    again = run(copied.parent, sys.executable, "-m", "mstudy.cli.app", *arguments)
    assert again.returncode == 0, again.stderr
    shutil.rmtree(copied.parent / "out" / "cache")
    analyzed, reported = contents(copied.parent / "out"), contents(project / "reports")
    assert _commands(analyzed) == (
        "mstudy train tiny --params ../params.yaml",
        "mstudy analyze runs --out out --params ../params.yaml",
    )
    assert _commands(reported) == ("dvc repro",)
    # The pages differ in how they were made, and in nothing else.
    assert {**analyzed, "index.html": _made(analyzed)} == {**reported, "index.html": _made(reported)}


_HOW = re.compile(rb'<pre tabindex="0" id="commands">(.*?)</p>', re.DOTALL)


def _commands(written):
    """The commands that made the page, without the two that show more of it."""
    (how,) = _HOW.findall(written["index.html"])
    return tuple(how.decode().partition("</pre>")[0].split("\n")[:-2])


def _made(written):
    return _HOW.sub(b"", written["index.html"])


def test_a_mistake_in_the_parameters_stops_before_training(project):
    (project / "params.yaml").write_text(TINY.replace("0.9]", "1.0]"))

    stopped = run(project, "dvc", "repro")

    assert stopped.returncode != 0
    assert "error: studies.tiny.momenta must be at least 0 and below 1, found 1.0." in stopped.stderr
    assert not (project / ".mstudy").exists()
