"""The report: one HTML file that asks for nothing from anywhere."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import altair as alt
import jinja2
import polars as pl
from altair.utils.schemapi import debug_mode
from markupsafe import Markup

from mstudy.core.files import write_whole
from mstudy.core.losses.scale import Scale
from mstudy.core.params import Analysis
from mstudy.core.quantities import CURVATURE_PANEL, LOSS_PANEL
from mstudy.core.statuses import PartingStatus, Verdict
from mstudy.report.charts.theme import (
    PAPER_COLOURS,
    RECOLOURED,
    Palette,
    colours,
    config,
    label,
    paper_rules,
    recolour,
    run_label,
    with_branches,
)
from mstudy.report.citation import PAPER, study_entry
from mstudy.report.finding.opening import build_opening
from mstudy.report.finding.pair import pair_data
from mstudy.report.page.branches.data import branches_data
from mstudy.report.page.claim_list import SHAPES, shown_claims
from mstudy.report.page.drawn_quantities import Drawn, words_for_points
from mstudy.report.page.drawn_runs import drawn_runs
from mstudy.report.page.encode import as_json, spec_with_columns
from mstudy.report.page.explorer import build_explorer
from mstudy.report.page.panels import all_panels
from mstudy.report.page.runs_table import runs_table
from mstudy.report.page.scripts import bundle
from mstudy.report.page.sentences import study_sentence
from mstudy.report.page.short_names import short_names
from mstudy.report.page.units import units_data
from mstudy.report.reading_order import build_sections
from mstudy.report.reproduction import UNKNOWN, Call, commands_of, further_commands
from mstudy.report.results import Results
from mstudy.report.sections.base import ReportData, make_report_data, setting_name
from mstudy.report.words import number, step
from mstudy.tables.contracts import POWER, RUNS

_HIDDEN_COLUMNS = {"study", "model", "dataset", "objective", "sgd_run_id", "sgdm_run_id"}
_HEADINGS = {
    "batch_size": "b",
    "eta_ef": "η_ef",
    "eta_ef_per_sample": "η_ef / b",
    "eta_ef_star": "threshold",
    "eta_ef_per_sample_star": "threshold / b",
    "eta_ef_per_sample_low": "from / b",
    "eta_ef_per_sample_high": "to / b",
    "momentum": "μ",
    "ci_low": "from",
    "ci_high": "to",
    "step_low": "from",
    "step_high": "to",
    "p_value": "p",
}
_LIBRARIES = ("mstudy", "altair", "numpy", "polars", "ruptures", "scipy", "statsmodels", "vl-convert-python")


_PACKAGE = "mstudy.report.page"


def write_report(results: Results, points: pl.DataFrame, out: Path, analysis: Analysis, call: Call = UNKNOWN) -> None:
    """Write the page to `out`, whole or not at all. points: one row a logged step (runlog.reader.POINTS_SCHEMA)."""
    write_whole(out, render_report(results, points, analysis, call).encode(), "The report")


def palette_of(results: Results) -> Palette:
    """Return the colours of a study's optimizers."""
    return colours(results[RUNS].select("optimizer", "momentum").unique().rows())


def palette_of_runs(results: Results) -> Palette:
    """Return the colours of methods and of branches; only the curves of single runs show branches."""
    branches = results[RUNS].filter(pl.col("intervention").is_not_null())
    rules = branches.select("momentum", "optimizer", "intervention", "intervention_at").unique().iter_rows(named=True)
    return with_branches(palette_of(results), [run_label(rule) for rule in rules])


def render_report(results: Results, points: pl.DataFrame, analysis: Analysis, call: Call = UNKNOWN) -> str:
    """Return the page as text; the same results, called alike, give the same text. call: how they were made."""
    results, points = short_names(results, points)
    palette = palette_of_runs(results)
    held = drawn_runs(results, analysis.report)
    study = make_report_data(results, palette_of(results), analysis.scale, held)
    # Not validated, neither part by part nor whole: it takes half of the time, and tests draw every chart in a browser.
    with alt.data_transformers.disable_max_rows(), debug_mode(False):
        sections = build_sections(study, analysis)
        branches = [f.branches for s in sections for p in s.plates for f in p.figures if f.branches is not None]
        explorer = build_explorer(results, points, analysis.report, analysis.scale, branches)
        place_of = {run_id: k for k, run_id in enumerate(explorer.data["runs"]["id"])}
        opening = build_opening(study, analysis, place_of)
        figures = {
            f"{anchor}-{plate.name}-{k}": figure
            for anchor, plates in [("finding", [opening.plate]), *((s.anchor, s.plates) for s in sections)]
            for plate in plates
            for k, figure in enumerate(plate.figures, start=1)
        }
        specs = {
            key: as_json(spec_with_columns(figure.chart.to_dict(validate=False)))
            for key, figure in figures.items()
            if figure.chart is not None
        }
        drawn = panel_specs(palette, explorer.drawn, analysis.scale)
    anchors = {section.anchor for section in sections}
    return template("page.html").render(
        title=analysis.report.title,
        stamp=results.stamp,
        study=study_sentence(results[RUNS]),
        citations=_citations(results, analysis),
        claims=shown_claims(results.claims, results[POWER], anchors),
        units=units_data(results, study.settings),
        opening=opening,
        shapes=SHAPES,
        seedless=(Verdict.AGREES, Verdict.DISAGREES, Verdict.UNCLEAR),
        sections=sections,
        specs=specs,
        pairs={key: as_json(pair_data(f.pair, place_of)) for key, f in figures.items() if f.pair is not None},
        branches={key: as_json(branches_data(f.branches, place_of)) for key, f in figures.items() if f.branches},
        pair_panels=(CURVATURE_PANEL, LOSS_PANEL, "gap", "events"),
        explorer=explorer,
        panels=drawn,
        words_for_points=words_for_points(explorer.drawn),
        palette=swatches(palette),
        paper_rules=paper_rules(),
        runs=runs_table(results),
        problems=results.problems,
        page=page_data(study, palette),
        parameters=_parameters(analysis),
        commands=[*commands_of(call, results[RUNS]), *further_commands(call)],
        by_dvc=call.by_dvc,
        versions={name: version(name) for name in _LIBRARIES},
        bundle=Markup(bundle()),  # our own script; jinja would escape it
    )


def template(name: str, package: str = _PACKAGE) -> jinja2.Template:
    """Return a template of a package, which may include files of this one; what is put into it is escaped."""
    loader = jinja2.FunctionLoader(partial(_source, package))
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"number": number, "table": table_html, "json": as_json, "signs": signs_html}
    return environment.get_template(name)


def panel_specs(palette: Palette, drawn: Drawn, scale: Scale = Scale.LOG) -> list[tuple[str, str, Markup]]:
    """Return (name, title, specification) of the charts on one time axis."""
    charts = all_panels(palette, drawn, scale=scale)
    return [(name, title, as_json(spec_with_columns(chart.to_dict(validate=False)))) for name, title, chart in charts]


def page_data(study: ReportData, palette: Palette) -> dict[str, Any]:
    """Return what the page's scripts need beside curves and runs."""
    names = [setting_name(study.settings, k) for k in range(len(study.settings))]
    keys = study.settings.rows()
    return {
        "dark": RECOLOURED,
        "config": {"light": config(False), "dark": config(True)},
        "settings": [{"key": list(key), "name": name} for key, name in zip(keys, names, strict=True)],
        "optimizers": list(palette),
        "parted": PartingStatus.PARTED,
        "momenta": {label(mu, name): mu for mu, name in _methods(study.results) if mu > 0},
        "main_momentum": max((mu for mu, _ in _methods(study.results)), default=0.0),
    }


def _methods(results: Results) -> list[tuple[float, str]]:
    return results[RUNS].select("momentum", "optimizer").unique().sort("momentum", "optimizer").rows()


def swatches(palette: Palette) -> list[tuple[str, str, str, str]]:
    """Return (name, colour on light paper, on dark, in print) of each optimizer."""
    return [(name, colour, recolour(colour), PAPER_COLOURS[colour]) for name, colour in palette.items()]


def _citations(results: Results, analysis: Analysis) -> list[tuple[str, str, str, str]]:
    """Return (name, title, note, BibTeX) of what there is to cite."""
    own = study_entry(analysis, study_sentence(results[RUNS]), results.stamp, version("mstudy"))
    note = "Add who ran the study, and the year. The digests name the parameters, and all files of the results."
    return [
        ("study", "This study", note, own),
        ("paper", "The paper that it examines", "arXiv 2306.09000.", PAPER),
    ]


def _parameters(analysis: Analysis) -> list[tuple[str, str, str]]:
    """Return (part, key, value) of every parameter that made a number of this page."""
    return [
        (part, key, str(value))
        for part, values in asdict(analysis).items()
        if values
        for key, value in sorted(values.items())
    ]


def signs_html(text: str) -> Markup:
    """Return escaped text with η_ef and λ_max set properly, and no line broken around an equals sign."""
    safe = str(Markup.escape(text))
    safe = re.sub(r"([ηλκLμb])_(ef|max|SGDM|SGD)\b", r"\1<sub>\2</sub>", safe)
    return Markup(re.sub(r" (=|≥) ", "\u00a0\\1\u00a0", safe))


def table_html(frame: pl.DataFrame) -> Markup:
    """Write a frame as a table, every cell escaped."""
    names = [name for name in frame.columns if name not in _HIDDEN_COLUMNS]
    head = Markup("").join(_head(name) for name in names)
    columns = [[_cell(value, step if "step" in name else number) for value in frame[name].to_list()] for name in names]
    # Of cells that are escaped each by itself: a page of many studies has hundreds of thousands.
    body = Markup("".join(f"<tr>{''.join(row)}</tr>" for row in zip(*columns, strict=True)))
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)


def _head(name: str) -> Markup:
    heading = signs_html(_HEADINGS.get(name, name.replace("_", " ")))
    return Markup('<th scope="col" data-name="{}">{}</th>').format(name, heading)


def _cell(value: object, told: Callable[[float], str] = number) -> str:
    """Return a cell; beside what it shows of a number, the digits that the page saves as data."""
    if isinstance(value, bool):
        return f"<td>{'yes' if value else 'no'}</td>"
    if not isinstance(value, float):
        return f"<td>{html.escape(number(None) if value is None else str(value))}</td>"
    shown, exact = told(value), f"{value:.6g}"
    return f"<td>{shown}</td>" if shown == exact else f'<td data-v="{exact}">{shown}</td>'


def _source(package: str, name: str) -> str:
    own = files(package).joinpath(name)
    return (own if own.is_file() else files(_PACKAGE).joinpath(name)).read_text(encoding="utf-8")
