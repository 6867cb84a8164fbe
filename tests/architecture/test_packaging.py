"""What is given to others: wheel, archive of the sources, the citation, the check on a code host."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.runlog.folders import sound

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "pipeline" / "mstudy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NO_TORCH = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')"


def tree():
    """Every file of the library, as the wheel names it."""
    files = (path for path in LIBRARY.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(LIBRARY.parent)) for path in files}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the archive, built here, with nothing fetched."""
    pytest.importorskip("build", reason="the package build is not installed")
    pytest.importorskip("hatchling", reason="the package hatchling is not installed")
    folder = tmp_path_factory.mktemp("dist")
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--wheel",
        "--sdist",
        "--outdir",
        str(folder),
        str(ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / f"mstudy-{PROJECT['version']}-py3-none-any.whl", folder / f"mstudy-{PROJECT['version']}.tar.gz"


def test_the_wheel_is_the_library_its_licence_and_nothing_else(built):
    names = set(zipfile.ZipFile(built[0]).namelist())
    own = {name for name in names if name.startswith("mstudy/")}

    assert own == tree()
    assert {"mstudy/py.typed", "mstudy/report/page/page.html", "mstudy/explain/page.html"} <= own
    assert {name.split("/")[0] for name in names - own} == {f"mstudy-{PROJECT['version']}.dist-info"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_archive_has_the_library_the_documents_and_nothing_of_ours(built):
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {f"pipeline/{name}" for name in tree()} <= names
    assert {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "docs/guide.md", "pyproject.toml"} <= names
    assert {name.split("/")[0] for name in names if "/" in name} == {"pipeline", "docs"}


@pytest.fixture
def installed(built, tmp_path):
    """Run a command of the wheel's code in a Python that has no torch."""
    zipfile.ZipFile(built[0]).extractall(tmp_path / "site")
    (tmp_path / "site" / "torch.py").write_text(NO_TORCH)
    check = f"import mstudy.cli.app as app; assert app.__file__.startswith({str(tmp_path)!r}); app.main()"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}

    def run(*arguments):
        command = [sys.executable, "-c", check, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    return run


def test_the_wheel_alone_analyses_logs_without_torch(installed, tmp_path):
    done = installed("analyze", sound(tmp_path / "runs"), "--out", tmp_path / "out")

    assert (done.returncode, done.stderr) == (0, "")
    assert "<html" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["train", "plan"])
def test_without_torch_a_command_that_trains_says_what_to_install(command, installed, tmp_path):
    done = installed(command, "digits", "--params", ROOT / "params.yaml", "--store", tmp_path / "store")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: Training must find torch, found it not installed; pip install 'mstudy[train]'.\n"


def test_the_citation_is_of_this_version_and_of_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    newest = re.findall(r"^## (\d\S*) \((.*)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]

    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
    assert (citation["version"], citation["date-released"]) == newest
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    assert [reference["url"] for reference in citation["references"]] == [PROJECT["urls"]["Paper"]]


def test_the_code_host_runs_the_whole_check_on_every_python_that_is_promised():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]["check"]
    promised = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))

    assert workflow["strategy"]["matrix"]["python"] == promised == ["3.11", "3.12", "3.13"]
    assert workflow["steps"][-1]["run"] == ".ci/run" and os.access(ROOT / ".ci" / "run", os.X_OK)
