"""The commands `mstudy report` and `mstudy explain`: an analysis that is done, drawn anew; one run, judged aloud."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """What `mstudy report` writes."""

    HTML = "html"
    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


class Theme(StrEnum):
    """The paper of a picture."""

    LIGHT = "light"
    DARK = "dark"
    BOTH = "both"


_Params = Annotated[Path | None, typer.Option("--params", help="Parameter file; default: as shipped.")]


def report_cli(
    runs: Annotated[Path, typer.Argument(help="Folder of run logs, searched at any depth.", metavar="RUNS")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the finished analysis.")],
    kind: Annotated[
        Format, typer.Option("--format", help="The page, its figures, or the page on paper.")
    ] = Format.HTML,
    figures: Annotated[list[str] | None, typer.Option("--figure", help="Only this figure; may be repeated.")] = None,
    theme: Annotated[Theme, typer.Option("--theme", help="Of pictures: light, dark, or both.")] = Theme.LIGHT,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder of pictures (else OUT/pictures), or of the PDF.")
    ] = None,
    params: _Params = None,
) -> None:
    """Write the report of a finished analysis again, or figures.

    Figures are PNG or SVG files; a PDF is printed by the Chromium that is installed.

    Example: mstudy report runs/ --out study/ --format svg
    """
    from mstudy.core.params import Analysis
    from mstudy.core.params_file import load
    from mstudy.output_folder import locked, require_apart
    from mstudy.report.page.drawn_runs import drawn_runs
    from mstudy.report.pictures.pdf import find_browser, write_pdf
    from mstudy.report.pictures.write import THEMES, write_pictures
    from mstudy.report.reproduction import Call
    from mstudy.report.stage import read_runs_of, report, results_for
    from mstudy.tables.stamp import read_finished
    from mstudy.tables.table import PAGE

    given = None if params is None else load(params)
    analysis = Analysis() if given is None else given.analysis
    for written in (out, to or out):
        require_apart(written, runs)
    finished = read_finished(out)
    folder = read_runs_of(finished, runs, analysis)
    if kind in (Format.HTML, Format.PDF):
        if kind is Format.PDF:
            find_browser()  # before the work
        studies = () if given is None else tuple(given.studies)
        call = Call(str(runs), str(out), str(params or ""), bool(folder.left_out), studies)
        with locked(out):
            report(folder, out, analysis, call)
        paper = (to or out) / Path(PAGE).with_suffix(".pdf").name
        if kind is Format.PDF:
            write_pdf(out / PAGE, paper)
        print(f"report: {paper if kind is Format.PDF else out / PAGE}")
        return
    results = results_for(folder, finished, analysis)
    points = folder.series(drawn_runs(results, analysis.report))
    themes = THEMES if theme is Theme.BOTH else (theme.value,)
    for path in write_pictures(results, points, to or out / "pictures", analysis, kind.value, themes, figures or ()):
        print(path)


def explain_cli(
    run: Annotated[Path, typer.Argument(help="The log of one run.", metavar="RUN")],
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write: .html, .png or .svg; default: here, named as RUN.")
    ] = None,
    params: _Params = None,
) -> None:
    """Show how abrupt sharpening was judged in one run.

    It shows the series, the null, and each candidate with its reason and its p.

    Example: mstudy explain runs/digits/0a1b2c3d4e5f6071.parquet --out why.html
    """
    from mstudy.core.params import Analysis
    from mstudy.core.params_file import load
    from mstudy.explain.page import explain_in_words, write_explanation
    from mstudy.runlog.reading.reader import read_run

    analysis = Analysis() if params is None else load(params).analysis
    folder = read_run(run)
    path = out or Path(f"{run.stem}.html")  # nothing that stands in a log forms a path
    write_explanation(folder, path, analysis.detect)
    print(explain_in_words(folder, analysis.detect))
    print(f"drawn: {path}")


def attach(app: typer.Typer) -> None:
    """Add both commands to the application."""
    app.command("report")(report_cli)
    app.command("explain")(explain_cli)
