"""The public names: light to import, each with an example that runs as printed."""

import doctest
import inspect
import re
import subprocess
import sys
from pathlib import Path

import mstudy
import polars as pl
import pytest
from mstudy.core.errors import ConfigError

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"
NAMES = [name for name in mstudy.__all__ if name != "MstudyError"]


def examples_of(name):
    """The docstring's examples of a function, or of a class and of its own methods."""
    found = getattr(mstudy, name)
    return [test for test in doctest.DocTestFinder().find(found, name, module=False) if test.examples]


@pytest.fixture
def folder(save_sweep, save_run, tmp_path, monkeypatch):
    """A folder with runs/, in which one log is named a.parquet."""
    runs = save_sweep()
    old = runs / "8-0.2-0.0-0.parquet"
    rows = {name: values.to_numpy() for name, values in pl.read_parquet(old).to_dict().items()}
    save_run(rows, learning_rate=0.2, batch_size=8, seed=0, run_id="a", name="a")
    old.unlink()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def mstudy_cli(request):
    """The fixture `mstudy`, whose name the package has here."""
    return request.getfixturevalue("mstudy")


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_has_an_example(name):
    assert examples_of(name), f"{name} needs an example in its docstring"


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_run_as_printed(name, folder):
    runner = doctest.DocTestRunner()
    for example in examples_of(name):
        runner.run(example, clear_globs=False)

    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_of_a_public_function_has_a_type(name):
    signature = inspect.signature(getattr(mstudy, name))

    assert [p.name for p in signature.parameters.values() if p.annotation is p.empty] == []


def test_a_bare_import_loads_nothing_heavy():
    heavy = "('torch', 'polars', 'altair', 'numpy', 'pyarrow', 'typer')"
    code = f"import sys, mstudy; print([m for m in {heavy} if m in sys.modules])"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_name_is_a_function_also_after_its_module_was_imported():
    code = "import mstudy.explain.page, mstudy.analyze, mstudy; print(mstudy.explain.__name__, mstudy.analyze.__name__)"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "explain analyze\n"


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'mstudy' has no attribute 'analyse'"):
        mstudy.analyse  # noqa: B018


def test_completion_knows_the_public_names():
    assert set(dir(mstudy)) >= set(mstudy.__all__)


def test_a_result_is_a_mapping_with_claims_figures_and_a_page(folder, tmp_path):
    result = mstudy.analyze("runs/")

    assert set(result) == {*result.tables} and len(result) == len(result.tables)
    assert dict(result)["runs"].height == result.logs.runs.height == 60
    assert list(result.claims) == [f"C{k}" for k in range(1, 9)]
    assert result.claims["C2"].verdict in result._repr_html_() and result.claims._repr_html_() in result._repr_html_()
    frame = result.claims.frame
    assert dict(frame.select("claim", "verdict").rows()) == {name: c.verdict for name, c in result.claims.items()}
    assert frame["ci_low"][1] == result.claims["C2"].ci[0]
    assert result.figure("advantage").properties(title="mine").to_dict()["title"] == "mine"
    assert "advantage" in result.figures
    assert result.figure("advantage").to_dict()["concat"]
    page = result.write_report(tmp_path / "page.html")
    assert "<html" in page.read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "runs"]


def test_a_claim_shows_what_it_rests_on_and_no_text_of_it_is_markup():
    from mstudy.judged_claim import Claims

    entry = {"id": "C1", "statement": "a < b.", "verdict": "supported", "reason": "<i>", "table": "advantage", "n": 3}
    entry |= {"n_unit": "cells", "estimate": 0.5, "ci": [0.25, 0.75], "unit": "log ratio", "p_value": None, "rows": []}
    entry |= {"at_least": None, "evidence": "replicated"}

    claims = Claims([entry])

    shown = claims["C1"]._repr_html_()
    assert "<td><b>supported</b></td>" in shown and "<td>0.5 [0.25, 0.75] log ratio</td>" in shown
    assert "a &lt; b." in shown and "&lt;i&gt;" in shown and "<td>3 cells</td>" in shown and "<td>–</td>" in shown
    assert "a &lt; b." in claims._repr_html_() and (len(claims), list(claims)) == (1, ["C1"])
    assert claims.frame.row(0, named=True)["ci_high"] == 0.75


def test_a_result_in_a_folder_is_what_the_command_writes(folder, mstudy_cli, tmp_path):
    mstudy.analyze("runs", "out")  # the page names the call, so both have the same
    Path("out").rename("by-name")
    mstudy_cli("analyze", "runs", "--out", "out")
    Path("out").rename("by-command")

    def contents(name):
        return {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}

    assert contents("by-name").keys() == contents("by-command").keys()
    assert contents("by-name") == contents("by-command")


def test_the_lines_of_the_guide_run(folder):
    (code,) = re.findall(r"```python\n(import mstudy\n.*?)```", GUIDE.read_text(), re.DOTALL)

    exec(code, {})  # our own guide

    assert Path("page.html").is_file()


def test_an_unknown_table_or_figure_names_those_there_are(folder):
    result = mstudy.analyze("runs/")

    with pytest.raises(ConfigError, match=r"A table must be one of runs, .*, found 'nothing'\."):
        result["nothing"]
    with pytest.raises(ConfigError, match=r"A figure must be one of .*advantage.*, found 'nothing'\."):
        result.figure("nothing")


@pytest.mark.parametrize(
    ("steps", "curvature", "sentence"),
    [
        ([0, 1], [1.0], r"must be series of one length, found the shapes \(2,\), \(1,\) and \(1,\)\."),
        ([1, 1], [1.0, 1.0], "steps must increase from row to row, found a step that does not."),
    ],
)
def test_a_series_that_is_none_is_refused(steps, curvature, sentence):
    with pytest.raises(ConfigError, match=sentence):
        mstudy.find_sharpening(steps, curvature, curvature)


def test_an_explanation_shows_itself_and_is_written(folder, tmp_path):
    explanation = mstudy.explain("runs/a.parquet")

    assert "Abrupt sharpening at step" in str(explanation)
    assert "vega" in explanation._repr_mimebundle_()["text/html"]
    assert explanation.write("why.svg").read_bytes().startswith(b"<svg")
