"""Rules on all runs together: has each a curvature in which sharpening can be looked for, and is it of one kind?"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from mstudy.core.statuses import Severity
from mstudy.runlog.raw.log import CONSTANT, MISSING
from mstudy.runlog.rules.rule import Fault, Stage
from mstudy.tables.table import SETTING

CURVATURES: Stage[pl.DataFrame] = Stage()
_IS_MISSING = pl.col("curvature") == MISSING
_HAS_ANOTHER = pl.col("other_curvatures") != ""


@CURVATURES.rule(
    "curvature-missing",
    Severity.WARNING,
    "`directional_curvature`, or another quantity that `detect.quantity` may name, has values",
    "Log it, by mstudy's probe for instance; without it the analysis of events leaves the run out.",
)
def _none(runs: pl.DataFrame) -> Iterator[Fault]:
    for path, judged in runs.filter(_IS_MISSING & ~_HAS_ANOTHER).select("path", "judged").iter_rows():
        yield Fault(f"{judged} must have values, found none.", judged, path=path)


@CURVATURES.rule(
    "curvature-not-judged",
    Severity.WARNING,
    "of the curvatures that are logged, `detect.quantity` names one",
    "Set `detect.quantity` to a quantity that is logged (`--params` of validate, analyze and report); as it is, the "
    "analysis of events leaves these runs out.",
)
def _other(runs: pl.DataFrame) -> Iterator[Fault]:
    line = (*SETTING, "batch_size", "judged", "other_curvatures")
    others = runs.filter(_IS_MISSING & _HAS_ANOTHER).group_by(line).agg(pl.len(), pl.col("path").min())
    of_all = runs.group_by(*SETTING, "batch_size").agg(pl.len().alias("total"))
    found = others.join(of_all, on=[*SETTING, "batch_size"], nulls_equal=True).sort("path")
    columns = ("path", "judged", "other_curvatures", "len", "total", "batch_size")
    for path, judged, logged, n, total, b in found.select(columns).iter_rows():
        yield Fault(
            f"{judged}, which detect.quantity names, must have values, found {logged} alone in {n} of {total} runs at "
            f"batch size {b}.",
            judged,
            path=path,
        )


@CURVATURES.rule(
    "curvature-constant",
    Severity.WARNING,
    "the quantity that `detect.quantity` names varies",
    "Find out what was logged: a curvature that never changes was not measured.",
)
def _constant(runs: pl.DataFrame) -> Iterator[Fault]:
    for path, judged in runs.filter(pl.col("curvature") == CONSTANT).select("path", "judged").iter_rows():
        yield Fault(f"{judged} must vary, found one value.", judged, path=path)


@CURVATURES.rule(
    "mixed-curvature",
    Severity.ERROR,
    "the runs of one setting and batch size measure the same curvature",
    "Analyse runs of different definitions apart: give them different values of study.",
)
def _mixed(runs: pl.DataFrame) -> Iterator[Fault]:
    key = [*SETTING, "batch_size"]
    measured = runs.filter(pl.col("curvature") != MISSING)
    usual = (
        measured.group_by(*key, "curvature_of")
        .agg(pl.len(), pl.col("path").min().alias("first"))
        .sort("len", "first", descending=[True, False])
        .unique(key, keep="first", maintain_order=True)
    )
    others = measured.join(usual.select(*key, pl.col("curvature_of").alias("usual"), "first"), on=key)
    odd = others.filter(pl.col("curvature_of") != pl.col("usual")).sort("path")
    for path, own, usual_, first, judged in odd.select("path", "curvature_of", "usual", "first", "judged").iter_rows():
        yield Fault(f"its curvature must be that of {first}, {usual_}, found {own}.", judged, path=path)
