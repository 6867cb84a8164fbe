"""The report: one HTML file that asks for nothing from anywhere."""

from __future__ import annotations

import json
import math
import os
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import altair as alt
import jinja2
import polars as pl
import vl_convert
from markupsafe import Markup

from mstudy.errors import LogError
from mstudy.params import Report
from mstudy.report.captions import interval, number, study_sentence
from mstudy.report.sections import build_sections
from mstudy.report.theme import colours
from mstudy.results import Results

_SHAPES = {"supported": "✔", "contradicted": "✘", "inconclusive": "◐", "untestable": "○"}
_SECTION_OF = {
    "C1": "advantage",
    "C2": "advantage",
    "C3": "threshold",
    "C4": "alignment",
    "C5": "deferral",
    "C6": "losses",
    "C7": "threshold",
    "C8": "alignment",
}
_HIDDEN_COLUMNS = {"study", "model", "dataset", "objective", "sgd_run_id", "sgdm_run_id", "at", "low", "high"}


def write_report(results: Results, points: pl.DataFrame, out: Path, report: Report) -> None:
    """Write the page to `out`, all or nothing. points: one row a logged step (runlog.reader.POINTS_SCHEMA)."""
    html = render_report(results, points, report)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = out.with_name(f"{out.name}.{os.getpid()}.tmp")
        temporary.write_text(html, encoding="utf-8")
        os.replace(temporary, out)
    except OSError as error:
        raise LogError(f"The report must be writable, found at {out}: {error.strerror}.") from None


def render_report(results: Results, points: pl.DataFrame, report: Report) -> str:
    """The page as text; the same results give the same text."""
    palette = colours(results.runs.select("optimizer", "momentum").unique().rows())
    with alt.data_transformers.disable_max_rows():
        sections = build_sections(results, points, report, palette)
        specs = [
            as_json(figure.chart.to_dict()) if figure.chart is not None else None
            for section in sections
            for figure in section.figures
        ]
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"number": number, "table": _table_html}
    return environment.get_template("page.html").render(
        title=report.title,
        study=study_sentence(results.runs),
        claims=[_shown(claim) for claim in results.claims],
        sections=sections,
        specs=specs,
        palette=palette,
        runs=_runs_table(results),
        problems=results.problems,
        bundle=Markup(_bundle()),  # our own script; jinja would escape it
    )


def as_json(value: Any) -> Markup:
    """JSON for a <script> element: no NaN, nothing that ends the element or a line of script."""
    text = json.dumps(_without_nan(value), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shown(claim: dict[str, Any]) -> dict[str, Any]:
    """A claim with the words that the page adds."""
    low, high = claim["ci"] or (None, None)
    estimate = claim["estimate"]
    return claim | {
        "shape": _SHAPES[claim["verdict"]],
        "section": _SECTION_OF[claim["id"]],
        "shown_estimate": "not estimable" if estimate is None else f"{number(estimate)} {interval(low, high)}",
    }


def _runs_table(results: Results) -> pl.DataFrame:
    events = results.sharpenings.select(
        "run_id", pl.col("status").alias("sharpening"), pl.col("step").alias("sharpening_step")
    )
    columns = ["run_id", "batch_size", "eta_ef", "momentum", "seed", "status", "diverged_step", "final_loss"]
    return (
        results.runs.join(events, on="run_id")
        .sort("batch_size", "eta_ef", "momentum", "seed")
        .select(*columns, "sharpening", "sharpening_step")
    )


def _table_html(frame: pl.DataFrame) -> Markup:
    """A table of a frame, every cell escaped."""
    names = [name for name in frame.columns if name not in _HIDDEN_COLUMNS]
    head = Markup("").join(Markup("<th>{}</th>").format(name.replace("_", " ")) for name in names)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(_cell(value)) for value in row))
        for row in frame.select(names).rows()
    )
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, float):
        return number(value)
    return str(value)


@lru_cache(maxsize=1)
def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script, from vl-convert: no download."""
    return vl_convert.javascript_bundle(vl_version="6.4")  # type: ignore[call-arg]  # its stub lacks the default


def _template(name: str) -> str:
    return files("mstudy.report").joinpath(name).read_text(encoding="utf-8")
