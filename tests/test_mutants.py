"""Truth: a library of one function, whose changes are counted by hand."""

import pytest

pytest.importorskip("cosmic_ray", reason="cosmic-ray is not installed (make mutants installs it)")
from benchmarks.mutants.__main__ import key, report
from benchmarks.mutants.sample import draw

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
