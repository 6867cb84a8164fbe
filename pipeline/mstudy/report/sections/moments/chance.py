"""When chance alone parts two runs: twins, beside the partings of SGD and SGDM in the same blocks."""

from __future__ import annotations

import altair as alt
import polars as pl

from mstudy.core.statuses import PartingStatus, TwinKind, TwinStatus
from mstudy.report.charts.kit import tips
from mstudy.report.charts.layered import Layered, layered
from mstudy.report.charts.theme import PALE, Palette, data_domain, label, log_x
from mstudy.report.results import Results
from mstudy.report.sections.base import Figure
from mstudy.report.words import count, number, step
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
    """Say how many twins of each kind part and when, beside the pairs of their blocks."""
    parts = [_told(rows, _KINDS[TwinKind(rows["kind"][0])]) for rows in twins.partition_by("kind", maintain_order=True)]
    parted = pairs.filter(pl.col("status") == PartingStatus.PARTED)
    beside = f"of {count(len(pairs), 'pair')} of SGD and SGDM in the same blocks {len(parted)} part{_when(parted)}"
    return f"Of twins, runs that differ by chance alone, {'; '.join(parts)}; {beside}."


def _told(twins: pl.DataFrame, kind: str) -> str:
    parted = twins.filter(pl.col("status") == TwinStatus.PARTED)
    apart = twins["late_gap"].abs().max()
    far = "" if apart is None else f", their largest late gap {number(float(str(apart)))}"
    return f"{len(parted)} of {len(twins)} {kind} part{_when(parted)}{far}"


def _when(parted: pl.DataFrame) -> str:
    return f", at step {step(float(parted['step'].to_numpy().mean()))} on average" if len(parted) else ""


def partings_of_chance(twins: pl.DataFrame, pairs: pl.DataFrame, palette: Palette) -> Layered | None:
    """Draw the step of each parting, a row for each kind of twin and one for pairs; None where nothing parts."""
    columns = ("batch_size", "eta_ef", "seed", "step")
    own = twins.filter(pl.col("status") == TwinStatus.PARTED)
    of_twins = own.select(*columns, pl.lit(label(0.0, "sgd")).alias("label"), _row_of_kind().alias("row"))
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
