"""Does the best SGDM beat the best SGD?"""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.losses.words import WORDS, ScaleWords
from mstudy.core.params import Analysis
from mstudy.core.statuses import BestStatus
from mstudy.report.charts.kit import named, tips
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import (
    GREY,
    Palette,
    colour_scale,
    label,
)
from mstudy.report.sections.base import Figure, Plate, ReportData, Section, SectionSpec
from mstudy.report.words import count, interval, signs
from mstudy.tables.contracts import BEST


def build(data: ReportData, analysis: Analysis) -> Section | None:
    """Build the section: the best tuned SGD against the best tuned SGDM."""
    margin = analysis.margins.advantage
    best = data.results[BEST]
    if best.is_empty():
        return None
    figures = []
    for index, rows in data.by_setting(best):
        known = rows.filter(pl.col("log_ratio").is_not_null())
        chart = forest(known, margin, data.palette, data.words) if len(known) else None
        title = data.title(index, "best against best")
        figures.append(Figure(title, best_caption(rows, margin, data.words), rows, chart, index))
    note = (
        "Each optimizer at the learning rate that suits it best. Grey: within the margin the two count as equal. Bars "
        "are 95 % intervals; an open point: the best rate lies at the end of the grid, a better one may lie beyond."
    )
    plate = Plate("best", f"{data.words.title} at each one's best rate", note, figures, wide=True)
    answer = best_answer(best, margin, analysis.estimate.alpha, data.words)
    return Section("best", "Does the best SGDM beat the best SGD?", answer, [plate])


def best_answer(best: pl.DataFrame, margin: float, alpha: float, words: ScaleWords = WORDS[Scale.LOG]) -> str:
    """Say how many lines are equal, by the test that C6 rests on, and how many better or worse by their intervals.

    A line whose best rate lies at the end of the grid has no say, as in C6.
    """
    compared = best.filter(pl.col("status") == BestStatus.COMPARED)
    equal = int((compared["equivalence_p"] <= alpha).sum())
    ahead, behind = int((compared["ci_low"] > margin).sum()), int((compared["ci_high"] < -margin).sum())
    edge = len(best.filter(pl.col("status") == BestStatus.AT_EDGE))
    text = (
        f"Of {count(len(compared), 'comparison')} of tuned SGDM with tuned SGD, {equal} are equal within {margin:g} "
        f"{words.within}; by their intervals SGDM is better in {ahead} and worse in {behind}"
    )
    return text + (f"; in {edge} more a best rate lies at the end of the grid." if edge else ".")


def best_caption(best: pl.DataFrame, margin: float, words: ScaleWords = WORDS[Scale.LOG]) -> str:
    """Say, for each batch size and momentum, who is ahead when both are tuned."""
    if len(best) > 3:
        return _of_many(best, margin, words)
    parts = [_told(row) for row in best.sort("batch_size", "momentum").iter_rows(named=True)]
    return f"{words.short[0].upper()}{words.short[1:]}, margin {margin:g}. {'; '.join(parts)}."


def _told(row: dict[str, Any]) -> str:
    name = f"b = {row['batch_size']:,}, {label(row['momentum'], row['optimizer'])}"
    if row["log_ratio"] is None:
        return f"{name}: not estimable ({row['status']})"
    edge = ", best at the end of the grid" if row["at_edge"] else ""
    span = interval(row["ci_low"], row["ci_high"])
    ratio = signs(f"{row['log_ratio']:+.3g}")
    return f"{name}: {ratio} {span} ({count(row['n_seeds'], 'seed')}{edge})"


def _of_many(best: pl.DataFrame, margin: float, words: ScaleWords) -> str:
    """Say of more comparisons than one reads one by one how many there are, the least and the largest."""
    inside = best.filter(pl.col("status") == BestStatus.COMPARED).sort("log_ratio")
    name = f"{words.short[0].upper()}{words.short[1:]}"
    text = f"{name}, margin {margin:g}, {len(inside)} of {count(len(best), 'comparison')} inside the grid."
    if inside.is_empty():
        return text
    return f"{text} Least: {_told(inside.row(0, named=True))}; largest: {_told(inside.row(-1, named=True))}."


def forest(rows: pl.DataFrame, margin: float, palette: Palette, words: ScaleWords = WORDS[Scale.LOG]) -> Layered:
    """Log loss ratio of the best SGD to the best SGDM, or their difference: a row per batch size and momentum, with
    the margin.

    rows: `log_ratio`, `ci_low`, `ci_high`, `batch_size`, `optimizer`, `momentum`, `n_seeds`, `at_edge`.
    """
    texts = [f"b = {b:,}" for b in rows["batch_size"]]
    frame = named(rows).with_columns(pl.Series("row", texts, dtype=pl.String))
    order = frame.sort("batch_size")["row"].unique(maintain_order=True).to_list()
    title = [
        words.axis.format(sgd="best SGD", sgdm="best SGDM"),
        "above 0 SGDM is better",
    ]  # lines, for a narrow screen
    # Told, not found by the chart: the page's filter can leave a layer without a row.
    ends = [v for name in ("log_ratio", "ci_low", "ci_high") for v in frame[name] if v is not None] + [-margin, margin]
    scale = alt.Scale(domain=[min(ends), max(ends)], nice=True)
    y = alt.Y("row:N", sort=order, title=None, axis=alt.Axis(ticks=False, domain=False, labelPadding=8))
    offset = alt.YOffset("label:N", sort=list(palette))
    x = alt.X("log_ratio:Q", title=title, scale=scale, axis=alt.Axis(grid=False, tickCount=6))
    zone = (
        alt.Chart(pl.DataFrame({"low": [-margin], "high": [margin]}))
        .mark_rect(opacity=0.16, color=GREY)
        .encode(x=alt.X("low:Q", title=title), x2=alt.X2("high:Q"))
    )
    columns = ["row", "label", "batch_size", "log_ratio", "ci_low", "ci_high", "n_seeds", "at_edge"]
    base = alt.Chart(frame.select(columns)).encode(y=y, yOffset=offset, color=colour_scale(palette))
    bars = base.mark_rule(strokeWidth=2).encode(x=alt.X("ci_low:Q", title=title, scale=scale), x2=alt.X2("ci_high:Q"))
    tooltips = tips(label="optimizer", batch_size="b", log_ratio=words.short, ci_low="from", ci_high="to", n_seeds="n")
    # Open: the best rate lies at the end of the grid, so a better one may lie beyond.
    inside = base.transform_filter("!datum.at_edge").mark_point(size=60, filled=True, opacity=1)
    at_edge = base.transform_filter("datum.at_edge").mark_point(size=60, strokeWidth=1.8, filled=False)
    dots = [points.encode(x=x, tooltip=tooltips) for points in (inside, at_edge)]
    return layered(34 * len(order) + 20, zone, bars, *dots)


SECTION = SectionSpec(anchor="best", claims=("C6",), build=build)
