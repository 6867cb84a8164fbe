"""What the page says of how it was made. Truth: the commands written out by hand."""

from __future__ import annotations

import pytest
from mstudy.core.params import Analysis
from mstudy.report.page.render import render_report
from mstudy.report.reproduction import Call, commands_of, further_commands


@pytest.mark.parametrize(
    ("call", "commands"),
    [
        (Call("runs", "reports", "params.yaml", studies=["tiny"], by_dvc=True), ["dvc repro"]),
        (Call("runs", "study"), ["mstudy analyze runs --out study"]),
        (Call("runs", "study", skip_bad=True), ["mstudy analyze runs --out study --skip-bad"]),
        (
            Call("a b/runs", "it's", "my params.yaml"),
            ["mstudy analyze 'a b/runs' --out 'it'\"'\"'s' --params 'my params.yaml'"],
        ),
        (
            Call("logs", "out", "p.yaml", studies=["tiny", "other"]),
            ["mstudy train tiny --out logs --params p.yaml", "mstudy analyze logs --out out --params p.yaml"],
        ),
        (
            Call("./runs/tiny/", "out", "params.yaml", studies=["tiny"]),
            ["mstudy train tiny", "mstudy analyze ./runs/tiny/ --out out --params params.yaml"],
        ),
        (
            Call("runs", "", params=None, skip_bad=True),
            ["mstudy.analyze('runs', out, parameters, skip_bad=True)  # in Python, the parameters as listed here"],
        ),
    ],
)
def test_the_commands_are_those_that_were_called(results, call, commands):
    assert commands_of(call, results["runs"]) == commands


def test_branches_are_trained_by_their_own_command_into_the_folder_in_which_they_lie(results):
    run, *_ = results["runs"].rows(named=True)
    branch = run | {"run_id": "b", "branch_of": run["run_id"], "path": "kept/tiny-branches/b.parquet"}
    runs = results["runs"].clear().vstack(type(results["runs"])([branch], schema=results["runs"].schema))

    assert commands_of(Call("all", "out", "p.yaml", studies=["tiny"]), runs) == [
        "mstudy branch tiny --out all/kept/tiny-branches --params p.yaml",
        "mstudy analyze all --out out --params p.yaml",
    ]


def test_the_commands_for_more_have_the_same_folders_and_parameters():
    assert further_commands(Call("logs", "out", "p.yaml")) == [
        "mstudy explain RUN.parquet --params p.yaml",
        "mstudy report logs --out out --params p.yaml --format svg",
    ]


def test_the_page_shows_the_commands_and_no_other(results, points):
    call = Call("logs<b>", "out", "p.yaml")
    html = render_report(results, points, Analysis(), call)

    shown = html.partition('id="commands">')[2].partition("</pre>")[0]
    assert shown.startswith("mstudy analyze &#39;logs&lt;b&gt;&#39; --out out --params p.yaml\nmstudy explain")
    assert "dvc repro" not in html
