"""One pair of SGD and SGDM in which both moments were seen: of all such pairs the one whose lag is the median."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl

from mstudy.core.statuses import EventDefinition
from mstudy.pairs.deciding_events import deciding_rises
from mstudy.pairs.like_with_like import aligned_pairs
from mstudy.report.charts.theme import label
from mstudy.report.results import Results
from mstudy.report.sections.base import Figure, Moment, PairShown, ReportData
from mstudy.report.sections.event_verdicts import NOUNS, VERBS
from mstudy.report.words import count, interval, number, step
from mstudy.tables.contracts import OPENINGS, SHARPENING_EVENTS, SHARPENINGS

_ENDS = ("low", "high")
_MARKS = ("sharpens", "parts")  # as the panel of events names its shapes


def pair_figures(data: ReportData, definition: EventDefinition, drawn: Collection[str]) -> list[Figure]:
    """Return one figure for each setting and momentum that has such a pair. drawn: runs whose curves the page holds."""
    is_held = pl.all_horizontal(pl.col(name).is_in(list(drawn)) for name in ("sgd_run_id", "sgdm_run_id"))
    both = _both_moments(data.results, definition).with_columns(is_held.alias("held"))
    return [
        _figure(data, index, definition, of_one)
        for index, rows in data.by_setting(both)
        for of_one in rows.partition_by("momentum", maintain_order=True)
        if of_one["held"].any()
    ]


def typical(pairs: pl.DataFrame) -> dict[str, Any]:
    """Return the pair whose lag is the median, the lower of two: a row of like_with_like.aligned_pairs."""
    ordered = pairs.sort("log_lag", "batch_size", "eta_ef", "optimizer", "seed")
    return ordered.row((len(ordered) - 1) // 2, named=True)


def _both_moments(results: Results, definition: EventDefinition) -> pl.DataFrame:
    """Return the pairs whose opening stays and whose SGD run has its lasting event."""
    rises = deciding_rises(results[SHARPENINGS], results[SHARPENING_EVENTS], definition)
    return aligned_pairs(results[OPENINGS], rises).filter(pl.col("place") == 0).sort("momentum")


def _figure(data: ReportData, index: int, definition: EventDefinition, pairs: pl.DataFrame) -> Figure:
    held = pairs.filter("held")
    row = typical(held)
    name = label(row["momentum"], row["optimizer"])
    where = f"b = {row['batch_size']:,}, η_ef = {number(row['eta_ef'])}, seed {row['seed']}, μ = {row['momentum']:g}"
    sharpens = Moment(VERBS[definition][0], row["sharpening_step"], *(row[f"sharpening_step_{e}"] for e in _ENDS))
    parts = Moment("parts from SGD", row["step"], *(row[f"step_{end}"] for end in _ENDS))
    caption = (
        f"SGD {sharpens.name} at step {step(sharpens.step)} {interval(sharpens.low, sharpens.high, step)}, and "
        f"{name} parts from it at step {step(parts.step)} {interval(parts.low, parts.high, step)}. "
        f"{_which(len(pairs), len(held), definition)}"
    )
    return Figure(
        f"Why: {where}{data.in_setting(index)}",
        caption,
        pl.DataFrame(
            {"event": [m.name for m in (sharpens, parts)], "optimizer": ["SGD", name]} | _steps(sharpens, parts)
        ),
        setting=index,
        batch_size=row["batch_size"],
        momentum=row["momentum"],
        pair=PairShown((row["sgd_run_id"], row["sgdm_run_id"]), (sharpens, parts)),
    )


def _steps(*moments: Moment) -> dict[str, list[float | None]]:
    return {
        "step": [moment.step for moment in moments],
        "step_low": [moment.low for moment in moments],
        "step_high": [moment.high for moment in moments],
    }


def _which(n: int, n_held: int, definition: EventDefinition) -> str:
    """Say which of n pairs it is; the page of a large study holds the curves of some alone."""
    if n == 1:
        return f"It is the only pair at this momentum in which {NOUNS[definition]} and parting were both seen."
    among = "" if n_held == n else f" among the {n_held} whose curves the page holds"
    return (
        f"Of the {count(n, 'pair')} at this momentum in which {NOUNS[definition]} and parting were both seen, it is "
        f"the one of median lag{among}."
    )


def pair_data(pair: PairShown, place_of: Mapping[str, int]) -> dict[str, Any]:
    """Return the places of both runs among those whose curves the page holds, and the moments to mark."""
    places = [place_of[run_id] for run_id in pair.run_ids]
    moments = [
        {"run": place, "kind": mark, "name": m.name, "step": m.step, "step_low": m.low, "step_high": m.high}
        for place, mark, m in zip(places, _MARKS, pair.moments, strict=True)
    ]
    return {"runs": places, "moments": moments}
