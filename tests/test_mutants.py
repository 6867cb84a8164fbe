"""Truth: a library of one function, whose changes are counted by hand."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

pytest.importorskip("cosmic_ray", reason="cosmic-ray is not installed (make mutants installs it)")
pytest.importorskip("coverage", reason="coverage is not installed (make mutants installs it)")
from benchmarks.mutants import memory as memory_module
from benchmarks.mutants.__main__ import key, report
from benchmarks.mutants.sample import draw
from benchmarks.mutants.selection import Recording, first_tests, later_tests

SOURCE = '''"""A module."""

from __future__ import annotations


def larger(a: int | None, b: int) -> bool:
    """Return a > b, or 1 > 0."""
    return a > b
'''


@pytest.fixture
def library(tmp_path):
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "module.py").write_text(SOURCE)
    return tmp_path


def test_a_mutant_changes_code_and_no_annotation_or_docstring(library):
    mutants = draw(library, 5, seed=0)

    assert {mutant.line for mutant in mutants} == {8}
    assert {mutant.before for mutant in mutants} == {"return a > b"}
    assert all(mutant.after.startswith("return a ") and mutant.after != mutant.before for mutant in mutants)


def test_a_seed_draws_the_same(library):
    assert draw(library, 3, seed=1) == draw(library, 3, seed=1)


def test_the_report_counts_what_lived(library):
    one, other = draw(library, 2, seed=0)

    text = report([one, other], [other], seed=0)

    assert "Of the other 2 the tests of the changed package see 1 (50.0%)." in text
    assert "| core | 2 | 1 | 0 |" in text
    assert f"`{other.before}` → `{other.after}`: a test is missing" in text
    assert key(one) == f"core/module.py | return a > b | {one.after}"


def test_an_edit_elsewhere_leaves_the_sample(library):
    before = draw(library, 3, seed=0)
    module = library / "core" / "module.py"
    module.write_text(module.read_text() + "\n\ndef other() -> None:\n    pass\n")
    module.write_text("# A new line above all\n" + module.read_text())

    after = draw(library, 3, seed=0)

    assert [mutant.line for mutant in after] == [9, 9, 9]
    assert [key(mutant) for mutant in after] == [key(mutant) for mutant in before]


STATEMENTS = """LIMIT = 3


def plain(a):
    if (
        a
        > LIMIT
    ):
        return 1
    return 2


@lru_cache
def kept(a):
    return a + 1
"""
RECORDING = Recording(
    lines={
        "core/module.py": {
            "5": ["tests/core/test_a.py::test_slow", "tests/core/test_b.py"],
            "9": ["tests/core/test_a.py::test_fast"],
        }
    },
    seconds={
        "tests/core/test_a.py::test_slow": 5.0,
        "tests/core/test_a.py::test_fast": 1.0,
        "tests/core/test_b.py::test_shares": 2.0,
        "tests/core/test_b.py::test_broken": 2.0,
    },
    failed=["tests/core/test_b.py::test_broken"],
    with_processes=["tests/core/test_a.py::test_fast"],
)
ALL = ["tests/core/test_b.py::test_shares", "tests/core/test_a.py::test_fast", "tests/core/test_a.py::test_slow"]


@pytest.mark.parametrize(
    ("line", "tests"),
    [
        (1, ALL),  # importing runs it
        (4, ALL),  # and the head of a function
        (7, [ALL[0], ALL[2]]),  # any line of the condition; test_b shares a fixture that runs it
        (9, [ALL[1]]),
        (10, []),
        (15, ALL),  # which of the tests runs a cached function depends on their order
    ],
)
def test_only_tests_that_run_the_statement_are_tried(library, line, tests):
    mutant = replace(draw(library, 1, seed=0)[0], line=line)

    assert first_tests(mutant, STATEMENTS, RECORDING) == tests


def test_tests_that_start_processes_are_tried_later():
    assert later_tests(ALL[:1], RECORDING) == [ALL[1]]
    assert later_tests(ALL, RECORDING) == []


TESTS = """import pytest
from mstudy.core.module import larger


@pytest.fixture(scope="module")
def shared():
    return larger(2, 1)


def test_shared(shared):
    assert shared


def test_again(shared):
    assert shared


def test_nothing():
    assert True
"""


@pytest.fixture
def project(tmp_path, library):
    root = tmp_path / "project"
    (root / "pipeline" / "mstudy").mkdir(parents=True)
    (root / "tests" / "core").mkdir(parents=True)
    (root / "pipeline" / "mstudy" / "__init__.py").touch()
    shutil.copytree(library / "core", root / "pipeline" / "mstudy" / "core")
    shutil.copytree(Path(memory_module.__file__).parent, root / "benchmarks" / "mutants")
    (root / "tests" / "core" / "test_module.py").write_text(TESTS)
    return root


def tried(project, folder):
    """Return the verdicts on a wrong and an equal change, found out in a process without this test's modules."""
    wrong = draw(project / "pipeline" / "mstudy", 1, seed=0)[0]
    changes = {after: SOURCE.replace("return a > b", after) for after in ("return a < b", "return a >= b")}
    mutants = [replace(wrong, after=after, source=source) for after, source in changes.items()]
    code = (
        "import json, sys; from pathlib import Path; from dataclasses import asdict\n"
        "from benchmarks.mutants.memory import Memory; from benchmarks.mutants.sample import Mutant\n"
        "memory, project = Memory(Path(sys.argv[1]), Path(sys.argv[2])), Path(sys.argv[2])\n"
        "verdicts = [asdict(memory.verdict(Mutant(**m), project)) for m in json.loads(sys.argv[3])]\n"
        "print(json.dumps([verdicts, asdict(memory.recording('core', project))]))"
    )
    arguments = [str(folder), str(project), json.dumps([asdict(mutant) for mutant in mutants])]
    root = Path(memory_module.__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", code, *arguments], cwd=root, capture_output=True, check=True)
    return json.loads(ended.stdout)


def test_a_trial_says_which_test_sees_a_change_and_is_remembered(project, tmp_path):
    module = project / "pipeline/mstudy/core/module.py"

    (wrong, equal), recording = tried(project, tmp_path / "memory")

    names = [f"tests/core/test_module.py::test_{name}" for name in ("again", "nothing", "shared")]
    assert sorted(recording["seconds"]) == names
    assert recording["lines"]["core/module.py"]["8"] == ["tests/core/test_module.py"]
    assert wrong["by"] in names[::2]
    assert equal == {"by": None, "n_tests": 3}
    assert module.read_text() == SOURCE
    (project / "tests/core/test_module.py").write_text(TESTS + "\n\n# another test\n")
    again = tried(project, tmp_path / "memory")[0]
    assert again == [wrong | {"n_tests": 1}, equal]  # of the wrong one only the test that saw it is run
    (project / "tests/core/test_module.py").write_text("def broken(:")
    (tmp_path / "memory").rename(tmp_path / "kept")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        tried(project, tmp_path / "memory")
    assert b"the tests of core must run before anything is changed" in failed.value.stderr
    shutil.copytree(tmp_path / "kept", tmp_path / "memory", dirs_exist_ok=True)
    (project / "tests/core/test_module.py").write_text(TESTS + "\n\n# another test\n")
    assert tried(project, tmp_path / "memory")[0] == again  # nothing is tried again
