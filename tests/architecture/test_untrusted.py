"""Logs come from others: nothing in the tree runs what they hold, or writes where they say."""

import ast
from pathlib import Path

import pytest
from mstudy.compare.stage import compare
from mstudy.core.errors import LogError
from mstudy.core.params import Compare, Detect, Margins
from mstudy.detect.stage import detect
from mstudy.runlog.reading.reader import read_runs

from tests.runlog.folders import SGD, SGDM, rows, write

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "stages").rglob("*.py")])
RUN_CODE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "pty", "commands"}
RUN_TEXT = {"eval", "exec", "compile", "__import__", "execfile"}
# By the last two parts of the name, or one.
REFUSED = {"yaml.load", "yaml.full_load", "yaml.unsafe_load", "yaml.load_all", "os.system", "os.popen", "os.startfile"}
REFUSED |= {"pd.read_pickle", "pandas.read_pickle", "importlib.import_module"}
UNPACKS = {"extractall", "unpack_archive"}
# A call, the argument that makes it safe, and its value.
NEEDED = {"torch.load": ("weights_only", True)}
# A command and its own processes speak so to each other, by pipes of theirs, a cluster's store or the jobs' folder.
AMONG_OWN = {"pipeline/mstudy/workers/answers.py": ["pickle"]}
FORBIDDEN_ARGUMENTS = {("shell", True), ("allow_pickle", True), ("autoescape", False)}


def dotted(node) -> str:
    """a.b.c of a call's function."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def dangers(source: str) -> list[str]:
    """What in a module would run or unpack foreign content."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in RUN_CODE]
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found += sorted(names & (REFUSED | set(NEEDED)))  # under another name no call could be told
            found += [str(node.module)] if (node.module or "").split(".")[0] in RUN_CODE else []
        elif isinstance(node, ast.Call):
            found += dangers_of_call(node)
    return found


def dangers_of_call(node: ast.Call) -> list[str]:
    name = dotted(node.func)
    arguments = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
    short = ".".join(name.split(".")[-2:])
    bad = name in RUN_TEXT or short in REFUSED or name.split(".")[-1] in UNPACKS
    if short in NEEDED:
        key, value = NEEDED[short]
        bad = bad or arguments.get(key) is not value
    bad = bad or any(arguments.get(key, "absent") is value for key, value in FORBIDDEN_ARGUMENTS)
    return [name] if bad else []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_runs_foreign_content(path):
    assert dangers(path.read_text()) == AMONG_OWN.get(path.relative_to(ROOT).as_posix(), [])


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import yaml; yaml.load(x, Loader=yaml.Loader)",
        "from yaml import unsafe_load",
        "import torch; torch.load(p)",
        "import torch; torch.load(p, weights_only=False)",
        "from torch import load",
        "eval(x)",
        "import subprocess; subprocess.run(x, shell=True)",
        "import os; os.system(x)",
        "np.load(p, allow_pickle=True)",
        "tarfile.open(p).extractall(out)",
        "jinja2.Environment(autoescape=False)",
        "importlib.import_module(name)",
    ],
)
def test_the_search_finds(source):
    assert len(dangers(source)) == 1


def test_what_is_safe_is_not_found():
    assert dangers("torch.load(p, weights_only=True); yaml.safe_load(x); np.load(p); subprocess.run([x])") == []


def test_names_in_logs_are_no_paths(tmp_path):
    """Truth: the folder around the output, before and after."""
    evil = {"run_id": "..", "study": "../escaped", "model": "/escaped", "dataset": "..\\escaped"}
    write(tmp_path / "a" / "runs" / "x.parquet", rows(), SGD | evil)
    write(tmp_path / "a" / "runs" / "y.parquet", rows(), SGDM | evil | {"run_id": "~"})
    for k, path in enumerate(("../../../escaped", "/escaped", "..\\escaped", "a\x00")):
        write(tmp_path / "a" / "runs" / f"{k}.parquet", rows(), SGD | evil | {"run_id": path})
    with pytest.raises(LogError, match="run_id must be text"):
        read_runs(tmp_path / "a" / "runs")
    folder = read_runs(tmp_path / "a" / "runs", skip_bad=True)
    assert folder.runs["run_id"].sort().to_list() == ["..", "~"]

    detect(folder, tmp_path / "a" / "out", Detect())
    compare(folder, tmp_path / "a" / "out", Margins(), Compare())

    assert {path.name for path in (tmp_path / "a").iterdir()} == {"runs", "out"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    written = [path for path in (tmp_path / "a" / "out").rglob("*") if path.is_file()]
    assert {path.parent.name for path in written} == {"out", "results", "stamps"}
