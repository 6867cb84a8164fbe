"""The page docs/effects.md, from finished studies."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from mstudy.core.optimizers import SGD
from mstudy.core.params import Study
from mstudy.core.statuses import SharpeningStatus
from mstudy.pairs.pairing import main_runs
from mstudy.report.sections.branches.effects import effects_table
from mstudy.report.words import count, number, signs

from benchmarks.effects.studies import Studied

_LEVEL = 0.05  # of a test
_HEAD = """# What the treatments do

Written by `make effects`, which is `python -m benchmarks.effects FOLDER --write`. The command trains the studies of
`benchmarks/effects/params.yaml`, branches their SGD runs that sharpen abruptly, and analyses both with the parameters
as shipped; what FOLDER holds already is not done again. It takes an hour on one core, and Fashion-MNIST
([models.md](models.md)).

An effect is the part of the gap of SGD to SGDM, the log ratio of their losses at the end of the treated steps, that the
treatment takes away; below 0 it adds to it. It is measured with the treatment just before the sharpening, and in a
window of the same length at a control time. The contrast is the difference of the two, which removes what the
treatment does anyway. Intervals are of 95 %, p is that of a contrast of at most 0, and n counts units: blocks, each of
one batch size and learning rate, or where they are few the seeds. [methods.md](methods.md) has the treatments and the
rule of C8.
"""


def page(studies: Sequence[Studied]) -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(_section(each) for each in studies)])


def _section(studied: Studied) -> str:
    result, claim = studied.result, studied.result.claims["C8"]
    parts = [
        f"## {studied.name}\n\n{_setting(studied.study)}\n",
        _table(sharpening_counts(result["runs"], result["sharpenings"], studied.name)),
        _table(effects_table(result["treatments"]).rename({"p_value": "p"})),
        in_short(result["treatments"]),
        f"C8, without the abrupt sharpening SGD and SGDM do not part: **{claim.verdict}**. {signs(claim.reason)}\n",
    ]
    return "\n".join(parts)


def in_short(treatments: pl.DataFrame) -> str:
    """Say how many treatments other than momentum do more before the sharpening than anyway."""
    others = treatments.filter(~pl.col("by_momentum").fill_null(False))
    more = others.filter((pl.col("p_value") <= _LEVEL) & (pl.col("contrast") > 0))
    return (
        f"{len(more)} of {count(len(others), 'treatment')} other than momentum take more of the gap before the "
        f"sharpening than at the control time (p ≤ {_LEVEL:g}, each by itself).\n"
    )


def _setting(study: Study) -> str:
    samples = "all samples" if study.n_train is None else f"the first {study.n_train:,} samples"
    sizes = ", ".join(str(b) for b in study.batch_sizes)
    momenta = ", ".join(f"{mu:g}" for mu in study.momenta if mu > 0)
    return (
        f"`{study.dataset}`, {samples}; `{study.model}`, {study.objective.replace('_', ' ')}; b = {sizes}; "
        f"μ = {momenta}; {study.seeds} seeds, {study.steps} steps. SGD runs that sharpen abruptly:"
    )


def sharpening_counts(runs: pl.DataFrame, sharpenings: pl.DataFrame, study: str) -> pl.DataFrame:
    """Return how many seeds of SGD sharpen abruptly, and when, for each batch size and learning rate."""
    own = main_runs(runs).filter((pl.col("optimizer") == SGD) & (pl.col("study") == study))
    found = own.join(sharpenings.select("run_id", pl.col("status").alias("sharpens"), "step"), on="run_id")
    detected = pl.col("sharpens") == SharpeningStatus.DETECTED
    step = pl.col("step").filter(detected)
    return (
        found.group_by("batch_size", "eta_ef")
        .agg(detected.sum().alias("sharpen"), pl.len().alias("seeds"), step.min().alias("from"), step.max().alias("to"))
        .sort("batch_size", "eta_ef")
        .rename({"batch_size": "b", "eta_ef": "η_ef"})
    )


def _table(frame: pl.DataFrame) -> str:
    lines = [frame.columns, ["---"] * frame.width, *([_cell(value) for value in row] for row in frame.rows())]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: object) -> str:
    return number(value) if value is None or isinstance(value, int | float) else str(value)
