"""When chance alone parts two runs: twins, beside the partings of SGD and SGDM in the same blocks."""

from __future__ import annotations

import altair as alt
import numpy as np
import polars as pl

from mstudy.core.optimizers import SGD
from mstudy.core.statuses import PartingStatus, TwinKind, TwinStatus
from mstudy.report.charts.kit import tips
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import PALE, Palette, data_domain, label, log_x
from mstudy.report.results import Results
from mstudy.report.sections.base import Figure
from mstudy.report.words import number
from mstudy.tables.contracts import PARTINGS, TWINS
from mstudy.tables.table import BLOCK

_KINDS = {TwinKind.ROUNDING: "by rounding", TwinKind.ORDER: "by the order of batches"}
_PAIRS = "SGD and SGDM"
_SHOWN = ("batch_size", "eta_ef", "momentum", "seed", "kind", "status", "step", "step_low", "step_high", "late_gap")


def chance_figures(results: Results, palette: Palette) -> list[Figure]:
    """Return the figure of twins; none without any."""
    twins = results[TWINS]
    if twins.is_empty():
        return []
    pairs = results[PARTINGS].join(twins, on=BLOCK, how="semi", maintain_order="left")
    chart = partings_of_chance(twins, pairs, palette)
    return [Figure("What chance does anyway", chance_caption(twins, pairs), twins.select(_SHOWN), chart)]


def chance_caption(twins: pl.DataFrame, pairs: pl.DataFrame) -> str:
    """Say how many twins of each kind part, how far apart they end, and the same of the pairs of their blocks."""
    of_twins = [
        _told(rows["status"] == TwinStatus.PARTED, rows["late_gap"], _KINDS[TwinKind(rows["kind"][0])])
        for rows in twins.partition_by("kind", maintain_order=True)
    ]
    of_pairs = _told(pairs["status"] == PartingStatus.PARTED, pairs["gap"], "pairs of SGD and SGDM in the same blocks")
    return f"Of twins, runs that differ by chance alone, {'; '.join(of_twins)}; {of_pairs}."


def _told(parted: pl.Series, gaps: pl.Series, which: str) -> str:
    sizes = gaps.drop_nulls().abs().to_numpy()
    far = f" (median size of the late gap {number(float(np.median(sizes)))})" if len(sizes) else ""
    return f"{int(parted.sum())} of {len(parted)} {which} part{far}"


def partings_of_chance(twins: pl.DataFrame, pairs: pl.DataFrame, palette: Palette) -> Layered | None:
    """Draw the step of each parting, a row for each kind of twin and one for pairs; None where nothing parts."""
    columns = ("batch_size", "eta_ef", "seed", "step")
    own = twins.filter(pl.col("status") == TwinStatus.PARTED)
    of_twins = own.select(*columns, pl.lit(label(0.0, SGD)).alias("label"), _row_of_kind().alias("row"))
    names = [label(mu, optimizer) for mu, optimizer in pairs.select("momentum", "optimizer").iter_rows()]
    named = pairs.with_columns(pl.Series("label", names, dtype=pl.String), pl.lit(_PAIRS).alias("row"))
    of_pairs = named.filter(pl.col("status") == PartingStatus.PARTED).select(*columns, "label", "row")
    frame = pl.concat([of_twins, of_pairs])
    if frame.is_empty():
        return None
    rows = [_PAIRS, *(f"twins {kind}" for kind in _KINDS.values())]
    x = log_x("step", "step of parting", data_domain(frame["step"].clip(1.0)))
    y = alt.Y("row:N", sort=rows, scale=alt.Scale(domain=rows), title=None, axis=alt.Axis(ticks=False, domain=False))
    scale = alt.Scale(domain=list(palette), range=list(palette.values()))
    tooltips = tips(label="optimizer", batch_size="b", eta_ef="η_ef", seed="seed", step="step")
    ticks = alt.Chart(frame.with_columns(pl.col("step").clip(1.0))).mark_tick(thickness=2.5, size=30)
    rules = alt.Chart(pl.DataFrame({"row": rows})).mark_rule(color=PALE, strokeWidth=0.6).encode(y=y)
    return layered(
        150, rules, ticks.encode(x=x, y=y, color=alt.Color("label:N", scale=scale, legend=None), tooltip=tooltips)
    )


def _row_of_kind() -> pl.Expr:
    return pl.lit("twins ") + pl.col("kind").replace_strict(_KINDS, return_dtype=pl.String)
