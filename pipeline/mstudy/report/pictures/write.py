"""The figures as PNG or SVG files, for people who do not open HTML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl
import vl_convert

from mstudy.core.errors import ConfigError
from mstudy.core.files import write_whole
from mstudy.core.losses.scale import Scale
from mstudy.core.params import Analysis
from mstudy.core.quantities import CURVATURE_PANEL
from mstudy.report.charts.theme import CARD, RECOLOURED, Palette, config, recolour
from mstudy.report.page.drawn_quantities import Drawn
from mstudy.report.page.explorer import build_explorer
from mstudy.report.page.panels import all_panels
from mstudy.report.page.render import palette_of, palette_of_runs
from mstudy.report.page.scripts import VL_VERSION, require_v8
from mstudy.report.page.short_names import short_names
from mstudy.report.pictures.block import Block, first_block, y_range, y_ticks
from mstudy.report.reading_order import build_sections
from mstudy.report.results import Results
from mstudy.report.sections.base import Plate, make_report_data

Spec = dict[str, Any]
Chart = alt.TopLevelMixin
FORMATS, THEMES = ("png", "svg"), ("light", "dark")
WHY = "why"  # the name of the picture of one block over training
_WIDTH, _WIDE, _FULL = 300, 460, 760
_PAPER = {"light": CARD, "dark": RECOLOURED[CARD]}
_SCALE = 2  # pixels a point in PNG


def write_pictures(
    results: Results,
    points: pl.DataFrame,
    folder: Path,
    analysis: Analysis,
    suffix: str,
    themes: Sequence[str] = ("light",),
    wanted: Sequence[str] = (),
) -> list[Path]:
    """Write each plate of the report, or the wanted ones, to `folder`: NAME.png, in dark NAME-dark.png.

    Raises ConfigError for a name that is no figure of this study.
    """
    specs = picture_specs(results, points, analysis)
    unknown = [name for name in wanted if name not in specs]
    if unknown:
        raise ConfigError(
            f"--figure must name a figure of this study, found {unknown[0]!r}; there are {', '.join(specs)}."
        )
    written = []
    for name in wanted or specs:
        for theme in themes:
            path = folder / f"{name}{'-dark' if theme == 'dark' else ''}.{suffix}"
            save_picture(specs[name], path, theme)
            written.append(path)
    return written


def picture_specs(results: Results, points: pl.DataFrame, analysis: Analysis) -> dict[str, Spec]:
    """Name to specification, without configuration."""
    results, points = short_names(results, points)
    with alt.data_transformers.disable_max_rows():
        sections = build_sections(make_report_data(results, palette_of(results), analysis.scale), analysis)
        specs: dict[str, Spec] = {}
        for section in sections:
            if section.explorer:
                explorer = build_explorer(results, points, analysis.report, analysis.scale)
                block = first_block(explorer.data)
                specs[WHY] = _block_spec(block, palette_of_runs(results), explorer.drawn, analysis.scale)
            specs |= {plate.name: spec for plate in section.plates if (spec := _plate_spec(plate)) is not None}
    return specs


def as_chart(spec: Spec) -> Chart:
    """Return a specification as a chart on light paper, which a notebook shows."""
    chart: Chart = alt.Chart.from_dict(spec | {"config": config(dark=False)})
    return chart


def save_picture(spec: Spec, path: Path, theme: str) -> None:
    """Write one picture, whole or not at all, in the format of its ending. Raises LogError where V8 cannot start."""
    text = json.dumps(spec)
    themed = json.loads(recolour(text) if theme == "dark" else text)
    themed["config"] = config(theme == "dark") | {"background": _PAPER[theme], "padding": 12, "aria": False}
    require_v8()
    if path.suffix == ".svg":
        content = vl_convert.vegalite_to_svg(themed, vl_version=VL_VERSION).encode()
    else:
        content = vl_convert.vegalite_to_png(themed, vl_version=VL_VERSION, scale=_SCALE)
    write_whole(path, content, "The folder of pictures", path.parent)


def _plate_spec(plate: Plate) -> Spec | None:
    """Return the figures of a plate side by side, each with its title; None without a chart."""
    charts = [
        _fixed(figure.chart.to_dict(), figure.title, _WIDE if plate.wide else _WIDTH)
        for figure in plate.figures
        if figure.chart is not None
    ]
    return side_by_side(charts, 2 if plate.wide else 3) if charts else None


def side_by_side(charts: list[Spec], columns: int) -> Spec:
    """Return one specification of several; their data by value, so that no two names meet."""
    return {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "concat": charts, "columns": columns}


def _fixed(spec: Spec, title: str, width: int) -> Spec:
    """Remove what has a value only on a page: the width of a container, and the learning rate that is picked."""
    layers = [layer for layer in spec["layer"] if "picked_rate" not in json.dumps(layer.get("encoding", {}))]
    kept = {key: spec[key] for key in ("height",)} | {"width": width, "layer": layers, "title": title}
    fixed: Spec = with_values(kept, spec.get("datasets", {}))
    return fixed


def with_values(spec: Any, datasets: dict[str, list[dict[str, Any]]]) -> Any:
    """Return a specification in which each named data set stands by value."""
    if isinstance(spec, list):
        return [with_values(item, datasets) for item in spec]
    if not isinstance(spec, dict):
        return spec
    if set(spec) == {"name"} and spec["name"] in datasets:
        return {"values": datasets[spec["name"]]}
    return {key: with_values(item, datasets) for key, item in spec.items()}


def _block_spec(block: Block, palette: Palette, quantities: Drawn, scale: Scale) -> Spec:
    """Put the panels of the page below each other."""
    rows = block.rows
    y_of = {"gap": [0.0] + [r["y"] for r in rows["gaps"]], "events": []}
    y_of |= {panel: _heights(block, [quantity.name for quantity in listed]) for panel, listed in quantities.items()}
    y_of[CURVATURE_PANEL] += [r["level"] for r in rows["levels"]]
    drawn = []
    for name, _, chart in all_panels(palette, quantities, max(len(rows["rows"]), 1), scale):
        log = name != "gap" and name not in block.linear
        low, high = y_range(y_of[name], log)
        values = {
            "first_step": 1,
            "last_step": block.last_step,
            "y_low": low,
            "y_high": high,
            "n_rows": len(rows["rows"]),
            "y_ticks": y_ticks(low, high) if log else [],
        }
        spec = chart.to_dict()
        title = f"{block.title}: SGD and SGDM" if name == "curvature" else ""
        fixed = {"height": spec["height"], "width": _FULL, "layer": spec["layer"], "title": title}
        drawn.append(_substitute(with_values(fixed, spec.get("datasets", {}) | rows), values))
    return side_by_side(drawn, 1)


def _heights(block: Block, names: list[str]) -> list[float]:
    """Return the values of these quantities and of their medians."""
    kinds = {*names, *(f"median {name}" for name in names)}
    return [row["y"] for row in block.rows["curves"] if row["kind"] in kinds]


def _substitute(spec: Any, values: dict[str, Any]) -> Any:
    """Replace parameters, {"expr": "y_low"}, by numbers: in a concatenation two of one name would collide."""
    if isinstance(spec, list):
        return [_substitute(item, values) for item in spec]
    if not isinstance(spec, dict):
        return spec
    if set(spec) == {"expr"}:
        name, _, less = spec["expr"].partition(" - ")
        return values[name] - float(less) if less else values[name]
    return {key: _substitute(item, values) for key, item in spec.items()}
