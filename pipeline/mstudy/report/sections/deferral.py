"""Does momentum prevent or defer abrupt sharpening?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import altair as alt
import polars as pl

from mstudy.core.params import Analysis
from mstudy.core.statuses import EventDefinition
from mstudy.report.charts.kit import named, tips
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import (
    GREY,
    HEIGHT,
    Palette,
    colour_scale,
    label,
    log_x,
    short,
)
from mstudy.report.sections.base import Figure, Plate, ReportData, Section, SectionSpec
from mstudy.report.sections.event_verdicts import NOUNS, VERBS, deciding, verdict_figures
from mstudy.report.words import number, spanned
from mstudy.tables.contracts import DEFERRAL, RUNS, SURVIVAL
from mstudy.tables.table import ALL, SETTING

_COUNTED_STEPS = tuple(float(f"{digit}e{power}") - 1 for power in range(1, 7) for digit in (1, 3))


def build(data: ReportData, analysis: Analysis) -> Section:
    """Build the section: survival curves over all runs and per batch size with an event, and the tests."""
    results, definition = data.results, deciding(analysis)
    answer = deferral_caption(results[DEFERRAL], definition)
    columns = ["stratum", "momentum", "n_sgd", "events_sgd", "events_sgdm", "events_sgdm_alone"]
    columns += ["diverged_sgd", "diverged_sgdm"]
    table = (
        results[DEFERRAL]
        .sort("momentum", pl.col("stratum").str.len_chars(), "stratum")
        .select(*columns, "hazard_ratio", "ci_low", "ci_high", "hazard_by", "p_value", "p_adjusted")
    )
    tests = (
        "Hazard ratios below one: later under momentum; by firth where one side alone has events; a dash: not "
        "estimable. The p-value is of the paired test, p_adjusted Holm's over the momenta."
    )
    tables = [Figure("Events and tests", tests, table), *verdict_figures(results, "C5")]
    plates = [Plate("deferral-tests", "", "", tables, wide=True)]
    if len(results[DEFERRAL]):
        figures = _survival(data, definition)
        note = (
            f"Share of runs before their {NOUNS[definition]} (Kaplan-Meier, pointwise 95 % intervals); runs that "
            "diverged or ended are censored, and the numbers still at risk stand below. A curve ends where fewer than "
            "a tenth, or than five, are left."
        )
        plates[:0] = [Plate("survival", f"Time to {NOUNS[definition]}", note, figures)] if figures else []
    return Section("deferral", "Does momentum prevent or defer sharpening?", answer, plates)


def _survival(data: ReportData, definition: EventDefinition) -> list[Figure]:
    """Draw, per setting, all runs, then each batch size at which a run sharpens; the others are named."""
    figures = []
    for index, rows in data.by_setting(data.results[SURVIVAL]):
        strata = sorted(rows.partition_by("stratum"), key=lambda part: (part["stratum"][0] != ALL, _batch_size(part)))
        if len(strata) == 2:  # of one batch size: it is all
            strata = strata[:1]
        eventful = [part for part in strata if part["stratum"][0] == ALL or part["n_events"].sum() > 0]
        quiet = [part["stratum"][0] for part in strata if part["stratum"][0] != ALL and part["n_events"].sum() == 0]
        drawn = [_stratum_figure(data, index, part) for part in eventful]
        if quiet and drawn:
            caption = f"{drawn[0].caption} No run {VERBS[definition][0]} at {', '.join(quiet)}."
            drawn[0] = replace(drawn[0], caption=caption)
        figures += drawn
    return figures


def _stratum_figure(data: ReportData, index: int, rows: pl.DataFrame) -> Figure:
    last = float(data.results[RUNS]["last_step"].max() or 1)  # type: ignore[arg-type]  # of a column of whole numbers
    curves = drawn_curves(rows)
    at_risk = numbers_at_risk(rows, counted_moments(last))
    floor = max(0.0, min(0.9, round(min(curves["low"].to_list()) - 0.05, 1)))
    chart = survival_curves(curves, at_risk, floor, last, data.palette)
    stratum = rows["stratum"][0]
    title = data.title(index, "all runs" if stratum == ALL else stratum)
    of_one = _batch_size(rows) or None
    return Figure(title, survival_caption(curves, at_risk), rows.drop("stratum", *SETTING), chart, index, of_one)


def _batch_size(part: pl.DataFrame) -> int:
    """Return the batch size in a stratum's name, to sort by; the stratum of all comes first anyway."""
    digits = part["stratum"][0].removeprefix("b = ")
    return int(digits) if digits.isdigit() else 0


def deferral_caption(deferral: pl.DataFrame, definition: EventDefinition = EventDefinition.SHARPENING) -> str:
    """Say how many runs have their event, with and without momentum."""
    rows = deferral.filter(pl.col("stratum") == "all").sort("momentum")
    if rows.is_empty():
        return "There is no pair whose curvature was logged."
    n_tests = rows["p_adjusted"].count()
    return "; ".join(_told(row, n_tests, VERBS[definition][1]) for row in rows.iter_rows(named=True)) + "."


def _told(row: dict[str, Any], n_tests: int, verb: str) -> str:
    alone = row["events_sgdm_alone"]
    beyond = f" ({alone} of them where SGD had diverged and could not)" if alone else ""
    holm_over = f" after Holm over {n_tests}" if n_tests > 1 else ""
    test = (
        "too few pairs differ for a test"
        if row["p_adjusted"] is None
        else f"paired swap test, p = {number(row['p_adjusted'])}{holm_over}"
    )
    return (
        f"{label(row['momentum'], row['optimizer'])}: {row['events_sgdm']} of {row['n_sgdm']} runs {verb}{beyond}, "
        f"against {row['events_sgd']} of {row['n_sgd']} of SGD ({test})"
    )


def survival_caption(curves: pl.DataFrame, at_risk: pl.DataFrame) -> str:
    """Say for each optimizer which share of the runs is without an event at the end."""
    start = at_risk.sort("step").group_by("momentum", "optimizer", maintain_order=True).first()
    last = curves.sort("step").group_by("momentum", "optimizer", maintain_order=True).last()
    parts = [
        f"{label(r['momentum'], r['optimizer'])} {r['share']:.0%} {_percent(r['low'], r['high'])}"
        for r in last.sort("momentum", "optimizer").iter_rows(named=True)
    ]
    n = spanned([float(v) for v in start["n"]])
    return f"Without sharpening at the end: {', '.join(parts)} ({n} runs each at risk at the first count)."


def _percent(low: float, high: float) -> str:
    return "[none happened]" if low == high == 1.0 else f"[{low:.0%}, {high:.0%}]"


_METHOD = ("optimizer", "momentum")


_MIN_RUNS, _MIN_SHARE = 5, 0.1  # runs at risk below which a curve says little


def drawn_curves(survival: pl.DataFrame) -> pl.DataFrame:
    """Return, per method, `step`, `share` without the event, `low`, `high`.

    survival: tables.SURVIVAL of one setting and stratum. A curve begins with all runs at step 0 and ends where fewer
    than a tenth of its runs, or than five, are at risk.
    """
    curves = []
    for part in survival.sort("step").partition_by(_METHOD, maintain_order=True):
        n_runs = part["n_risk"][0]
        enough = max(min(_MIN_RUNS, n_runs), int(_MIN_SHARE * n_runs))
        kept = part.filter(pl.col("n_risk") >= enough).select(
            *_METHOD,
            "step",
            pl.col("survival").alias("share"),
            pl.col("ci_low").alias("low"),
            pl.col("ci_high").alias("high"),
        )
        start = kept.head(1).with_columns(step=pl.lit(0.0), share=pl.lit(1.0), low=pl.lit(1.0), high=pl.lit(1.0))
        curves += [start, kept]
    return pl.concat(curves)


def counted_moments(last_step: float) -> list[float]:
    """Return the moments at which the runs at risk are counted: in a log too short for any of them, its start."""
    return [moment for moment in _COUNTED_STEPS if moment < last_step] or [0.0]


def numbers_at_risk(survival: pl.DataFrame, moments: Sequence[float]) -> pl.DataFrame:
    """Return, per method and moment (a step), `n`: the runs then still at risk. survival: as for drawn_curves."""
    rows = []
    for part in survival.sort("step").partition_by(_METHOD, maintain_order=True):
        for moment in moments:
            later = part.filter(pl.col("step") >= moment)
            n = 0 if later.is_empty() else later["n_risk"][0]
            rows.append({**part.select(_METHOD).row(0, named=True), "step": float(moment), "n": n})
    schema = {"optimizer": pl.String(), "momentum": pl.Float64(), "step": pl.Float64(), "n": pl.Int64()}
    return pl.DataFrame(rows, schema=schema)


_ROW_PIXELS = 15  # pixels a row of numbers at risk takes


def survival_curves(
    curves: pl.DataFrame, at_risk: pl.DataFrame, floor: float, last_step: float, palette: Palette
) -> Layered:
    """Draw Kaplan-Meier curves by optimizer, one stratum; the numbers still at risk stand below.

    curves: `step`, `share`, `low`, `high`; at_risk: `step`, `n`; both name the optimizer. floor: lowest share drawn.
    """
    steps = (1.0, max(last_step, 10.0))
    x = log_x("at", "step (updates made + 1)", steps)
    rows = len(palette)
    room = (1 - floor) * (_ROW_PIXELS * (rows + 1)) / (HEIGHT - _ROW_PIXELS * (rows + 1))
    scale = alt.Scale(domain=[floor - room, 1], nice=False)
    ticks = [v / 100 for v in range(0, 101, 5 if floor > 0.7 else 20) if v / 100 >= floor]
    title = "share without sharpening"

    def y(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", title=title, scale=scale, axis=alt.Axis(format=".0%", values=ticks, grid=False))

    drawn = named(curves).with_columns((pl.col("step") + 1).alias("at"))
    clipped = drawn.with_columns(pl.col("low", "high", "share").clip(floor, 1.0))
    base = alt.Chart(clipped.select("label", "at", "step", "share", "low", "high"))
    base = base.encode(x=x, color=colour_scale(palette))
    band = base.mark_area(interpolate="step-after", opacity=0.13).encode(y=y("low"), y2=alt.Y2("high:Q"))
    tooltips = tips(label="optimizer", step="step", share="without sharpening", low="from", high="to")
    line = base.mark_line(interpolate="step-after", strokeWidth=2).encode(y=y("share"), tooltip=tooltips)
    per_pixel = (1 - floor + room) / HEIGHT
    places = {name: floor - (k + 1.5) * _ROW_PIXELS * per_pixel for k, name in enumerate(palette)}
    counts = named(at_risk).with_columns(
        (pl.col("step") + 1).alias("at"),
        pl.col("label").replace_strict(places, default=floor, return_dtype=pl.Float64).alias("place"),
        pl.col("n").cast(pl.String).alias("text"),
    )
    align = alt.Chart(counts.select("label", "at", "place", "text")).mark_text(fontSize=10.5)
    numbers = align.encode(x=x, y=y("place"), text=alt.Text("text:N"), color=colour_scale(palette))
    heads = pl.DataFrame(
        {
            "label": list(places),
            "text": [short(name) for name in places],
            "place": list(places.values()),
            "at": [steps[0]] * rows,
        }
    )
    names = (
        alt.Chart(heads)
        .mark_text(fontSize=10.5, align="left", fontWeight=600, dx=2)
        .encode(x=x, y=y("place"), text=alt.Text("text:N"), color=colour_scale(palette))
    )
    head = (
        alt.Chart(
            pl.DataFrame({"at": [steps[0]], "place": [floor - 0.5 * _ROW_PIXELS * per_pixel], "note": ["at risk"]})
        )
        .mark_text(fontSize=10.5, align="left", dx=2, color=GREY)
        .encode(x=x, y=y("place"), text=alt.Text("note:N"))
    )
    return layered(HEIGHT + 20, band, line, head, names, numbers)


SECTION = SectionSpec(anchor="deferral", claims=("C5",), build=build)
