"""The planted study of conftest.py, analysed and told."""

import re

import pytest
from markupsafe import escape
from mstudy.analyze import analyze
from mstudy.core.params import Analysis
from mstudy.report.page.render import render_report
from mstudy.report.reproduction import Call
from mstudy.runlog.reading.reader import read_runs


def test_the_planted_study_is_told_as_it_is(save_sweep, tmp_path):
    folder = save_sweep()
    results = analyze(folder, tmp_path / "out", Analysis()).results

    called = Call(str(folder), "", params=None)
    html = render_report(results, read_runs(folder).points, Analysis(), called)

    # SGD jumps before its rows at steps 120, 130 and 140, for eta_ef 0.2 and 0.4: at 119.5, 129.5 and 139.5.
    assert re.search(r"SGD in 3 of 3 seeds \(step 1(19|20) to 1(39|40)\)", html)
    assert "SGDM μ = 0.9, seed 0: no abrupt sharpening" in html
    assert "60 runs of m on d: batch sizes 8, 16; effective learning rates 0.05 to 0.8;" in html
    assert "3 seeds; 6 diverged and are kept as data." in html
    assert all(str(escape(claim["statement"])) in html for claim in results.claims)
    assert (tmp_path / "out" / "index.html").read_text(encoding="utf-8") == html


@pytest.mark.parametrize("kept", [[0.0], [0.9], [0.0, 0.9]])
def test_a_page_of_little(save_run, tmp_path, kept):
    for mu in kept:
        save_run(momentum=mu, optimizer="heavy_ball" if mu else "sgd", learning_rate=0.1 * (1 - mu))

    results = analyze(tmp_path / "runs", tmp_path / "out", Analysis()).results

    assert {claim["verdict"] for claim in results.claims} == {"untestable"}
    assert "untestable" in (tmp_path / "out" / "index.html").read_text()
