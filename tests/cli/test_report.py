"""`mstudy report` and `mstudy explain` as a user meets them."""

import re

import numpy as np
import pytest


@pytest.fixture
def runs(save_sweep):
    return save_sweep(batch_sizes=(8,), rates=(0.1, 0.4))


@pytest.fixture
def analysed(mstudy, runs, tmp_path):
    out = tmp_path / "out"
    assert mstudy("analyze", runs, "--out", out)[0] == 0
    return runs, out


def test_report_writes_the_page_of_the_analysis_again(mstudy, analysed):
    runs, out = analysed
    page = (out / "index.html").read_bytes()
    (out / "index.html").unlink()

    assert mstudy("report", runs, "--out", out)[:2] == (0, f"report: {out / 'index.html'}\n")
    assert (out / "index.html").read_bytes() == page


def test_report_writes_pictures_where_told(mstudy, analysed, tmp_path):
    runs, out = analysed
    arguments = ["report", runs, "--out", out, "--format", "svg", "--figure", "loss", "--theme", "both"]

    code, told, _ = mstudy(*arguments, "--to", tmp_path / "pics")

    assert code == 0
    assert told.split() == [str(tmp_path / "pics" / name) for name in ("loss.svg", "loss-dark.svg")]
    assert "<svg" in (tmp_path / "pics" / "loss.svg").read_text()


def test_report_of_nothing_or_of_an_unknown_figure_is_one_sentence(mstudy, analysed, tmp_path):
    runs, out = analysed

    code, _, err = mstudy("report", runs, "--out", tmp_path / "nowhere")
    assert (code, err.count("\n")) == (1, 1) and "run `dvc repro` or `mstudy analyze` first" in err
    code, _, err = mstudy("report", runs, "--out", out, "--format", "png", "--figure", "nothing")
    assert (code, err.count("\n")) == (1, 1) and "--figure must name a figure" in err
    assert mstudy("report", runs, "--out", out, "--format", "gif")[0] == 2


def test_report_prints_the_page_where_told_or_says_what_it_lacks(mstudy, analysed, tmp_path, monkeypatch):
    runs, out = analysed
    printed = []
    monkeypatch.setattr("mstudy.report.pictures.pdf.find_browser", lambda: "chromium")
    monkeypatch.setattr("mstudy.report.pictures.pdf.write_pdf", lambda page, to: printed.append((page, to)))

    told = mstudy("report", runs, "--out", out, "--format", "pdf", "--to", tmp_path / "paper")[:2]

    assert told == (0, f"report: {tmp_path / 'paper' / 'index.pdf'}\n")
    assert printed == [(out / "index.html", tmp_path / "paper" / "index.pdf")]
    monkeypatch.undo()
    monkeypatch.setattr("shutil.which", lambda name: None)
    code, _, err = mstudy("report", runs, "--out", out, "--format", "pdf")
    assert (code, err.count("\n")) == (1, 1) and "--format pdf must have a Chromium to print with" in err


def test_report_leaves_out_the_files_that_the_analysis_left_out(mstudy, analysed):
    runs, out = analysed
    (runs / "torn.parquet").write_bytes(b"PAR1")
    assert mstudy("report", runs, "--out", out)[0] == 1
    assert mstudy("analyze", runs, "--out", out, "--skip-bad")[0] == 3

    assert mstudy("report", runs, "--out", out)[0] == 0
    assert "torn.parquet" in (out / "index.html").read_text()


def test_explain_tells_each_candidate_and_draws_a_page(mstudy, runs, tmp_path):
    code, told, _ = mstudy("explain", runs / "8-0.4-0.0-1.parquet", "--out", tmp_path / "why.html")

    assert code == 0
    # Planted: at step 130 curvature rises from 0.1 to 2 / 0.4 = 5, fifty-fold.
    step = re.search(r"Abrupt sharpening at step (\d+) \[\d+, \d+\], by a factor (\d+)", told)
    assert abs(int(step[1]) - 130) <= 1 and 40 <= int(step[2]) <= 60
    assert re.search(r"(?m)^\d\. steps 12[5-9] to 13\d, factor [\d.]+, p = 0.005: accepted$", told)
    page = (tmp_path / "why.html").read_text()
    assert "default-src 'none'" in page and "accepted" in page


def test_explain_draws_pictures_and_refuses_other_names(mstudy, runs, tmp_path):
    run = runs / "8-0.4-0.0-1.parquet"

    assert mstudy("explain", run, "--out", tmp_path / "why.png")[0] == 0
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")
    code, _, err = mstudy("explain", run, "--out", tmp_path / "why.gif")
    assert (code, err.count("\n")) == (1, 1) and "--out must end in .html, .png or .svg, found" in err


def test_explain_writes_here_under_the_name_of_the_file(mstudy, save_run, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = save_run(name="a log[1]", run_id="index")

    code, told, _ = mstudy("explain", path)

    assert (code, told.splitlines()[-1]) == (0, "drawn: a log[1].html")
    assert [each.name for each in (tmp_path / "here").iterdir()] == ["a log[1].html"]


@pytest.mark.parametrize("run_id", ["{0}/victim/index", "../victim/index", "a\x00b"])
def test_explain_refuses_a_run_id_that_is_a_path(mstudy, save_run, tmp_path, monkeypatch, run_id):
    for folder in ("here", "victim"):
        (tmp_path / folder).mkdir()
    (tmp_path / "victim" / "index.html").write_text("mine")
    monkeypatch.chdir(tmp_path / "here")

    code, _, err = mstudy("explain", save_run(name="a", run_id=run_id.format(tmp_path)))

    assert (code, err.count("\n")) == (1, 1) and "run_id must be text of at least one character, without / or" in err
    assert (tmp_path / "victim" / "index.html").read_text() == "mine"
    assert list((tmp_path / "here").iterdir()) == []


def test_a_branch_is_explained_as_one(mstudy, save_run, tmp_path):
    rows = {"step": np.arange(60), "loss": np.linspace(1, 0.5, 60), "directional_curvature": np.linspace(1, 2, 60)}
    path = save_run(rows, branch_of="sgd", intervention={"kind": "momentum 0.9", "step": 20})

    assert mstudy("explain", path, "--out", tmp_path / "why.html")[1].startswith("SGD then momentum 0.9, b = ")


def test_explain_of_a_run_without_an_event_or_without_enough_says_so(mstudy, runs, save_run, tmp_path):
    short = save_run({"step": np.arange(5), "loss": np.ones(5), "directional_curvature": np.ones(5)}, name="short")
    blind = save_run(name="blind")

    def told(run):
        return mstudy("explain", run, "--out", tmp_path / "x.html")[1].splitlines()[0]

    assert "No abrupt sharpening up to step" in told(runs / "8-0.1-0.0-0.parquet")
    assert told(short).endswith("Too short to judge: 5 usable points, fewer than detect.min_points.")
    assert "Blue: the blocks" not in (tmp_path / "x.html").read_text()
    assert told(blind).endswith("The log has no curvature to judge.")


def test_explain_says_where_there_was_nothing_to_test(mstudy, runs, tmp_path):
    # Planted: no jump, noise of 5 %, which nowhere rises threefold.
    code, told, _ = mstudy("explain", runs / "8-0.1-0.0-0.parquet", "--out", tmp_path / "why.html")
    verdict, *candidates = told.splitlines()[:-1]

    assert code == 0
    assert verdict.endswith("; no rise that lasts reaches the factor asked for).")
    assert candidates and all(", untested: refused: " in line for line in candidates)
    page = (tmp_path / "why.html").read_text()
    assert '"p":["–"' in page  # of the chart, where a null would be told as 0
    assert "<td>–</td>" in page and "<td>None</td>" not in page


def test_explain_names_what_is_no_log(mstudy, tmp_path):
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(b"PAR1")

    code, _, err = mstudy("explain", torn)
    assert (code, err.count("\n")) == (1, 1) and "must be a run's log: not a whole Parquet file" in err
    code, _, err = mstudy("explain", tmp_path / "none.parquet")
    assert (code, err.count("\n")) == (1, 1) and "RUN must be the log of one run" in err
