"""The rows of one block, as page.js makes them from the same data: for pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mstudy.core.statuses import PartingStatus
from mstudy.report.charts.theme import drawable, powers_of_ten
from mstudy.report.page.encode import unpack, unpack_steps
from mstudy.report.words import count

Row = dict[str, Any]
_MAX_DENSE_DECADES = 2.5  # decades up to which an axis has ticks at 1, 2 and 5
_MAX_TICKS = 8  # ticks of an axis of more decades
_LANE, _SPREAD = 0.23, 0.34  # shares of a row: how far below its middle its marks lie, and how far they spread
_KINDS = ("sharpens", "reaches its line", "parts", "diverges")


@dataclass(frozen=True)
class Block:
    """rows: by the name of the data set; last_step: where the time axis ends. All seeds of one block.

    linear: the quantities, and their panels, whose axis is linear.
    """

    rows: dict[str, list[Row]]
    last_step: float
    title: str
    linear: list[str]


def first_block(data: dict[str, Any]) -> Block:
    """Return, of the explorer's data, the block that the page starts with, all seeds."""
    runs, mine = data["runs"], [k for k, block in enumerate(data["runs"]["block"]) if block == 0]
    keys = {k: {"run": k, "label": runs["label"][k], "seed": runs["seed"][k], "single": False} for k in mine}
    curves = [
        keys[k] | point | {"kind": name}
        for k in mine
        for names in data["panels"].values()
        for name in names
        for point in _curve(data, data["curves"][k][name], log=name not in data["linear"])
    ]
    medians = [
        point | {"kind": f"median {name}", "run": -1 - first, "label": runs["label"][first]}
        for place, first in enumerate(data["medians"]["first"])
        if first in keys
        for name, *_ in data["panels"].values()
        for point in _curve(data, data["medians"][name][place], log=name not in data["linear"])
    ]
    gaps = [
        keys[run] | point | {"kind": "gap"}
        for run, gap in zip(data["pairs"]["sgdm"], data["pairs"]["gap"], strict=True)
        if run in keys
        for point in _curve(data, gap, log=False)
    ]
    events, rows = _event_rows(data, keys)
    about = _optimizers(data)
    lines = {runs["label"][k]: runs["line"][k] for k in mine if runs["line"][k] is not None}
    levels = [{"label": name, "level": line, "name": about[name]["line_name"]} for name, line in lines.items()]
    ends = [
        [row for row in curves if row["run"] == k and row["kind"] == "loss"][-1]
        for k in mine
        if runs["diverged_step"][k] is not None and len(_curve(data, data["curves"][k]["loss"], log=False))
    ]
    drawn = {"curves": curves + medians, "gaps": gaps, "events": events, "rows": rows, "levels": levels, "ends": ends}
    blocks = data["blocks"]
    seeds = count(len({runs["seed"][k] for k in mine}), "seed")
    title = f"b = {blocks['batch_size'][0]:,}, η_ef = {blocks['eta_ef'][0]:g}, {seeds}"
    last = max((row["x"] for row in curves if row["kind"] == "loss"), default=10)
    return Block(drawn | {"spans": []}, max(10, last) * 1.05, title, data["linear"])


def _curve(data: dict[str, Any], packed: list[Any], log: bool) -> list[Row]:
    steps = unpack_steps(data["steps"][packed[0]])
    values = unpack(packed[1:], log)
    return [{"step": int(s), "x": int(s) + 1, "y": float(v)} for s, v in zip(steps, values, strict=True)]


def _optimizers(data: dict[str, Any]) -> dict[str, Row]:
    columns = data["optimizers"]
    return {row[0]: dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)}


def _event_rows(data: dict[str, Any], keys: dict[int, Row]) -> tuple[list[Row], list[Row]]:
    """Place the events in rows, one for each optimizer and kind that occurs, and name the rows."""
    runs, events, pairs, about = data["runs"], data["events"], data["pairs"], _optimizers(data)
    ends = ("step", "step_low", "step_high")
    rows = [(events["run"][k], events["kind"][k], *[events[e][k] for e in ends]) for k in range(len(events["run"]))]
    rows += [
        (pairs["sgdm"][k], "parts", *[pairs[e][k] for e in ends])
        for k, status in enumerate(pairs["status"])
        if status == PartingStatus.PARTED
    ]
    rows += [(k, "diverges", *[runs["diverged_step"][k]] * 3) for k in keys if runs["diverged_step"][k] is not None]
    mine = [keys[run] | {"kind": kind, "times": times} for run, kind, *times in rows if run in keys]
    names = sorted({(_rank(data, e["label"]), _KINDS.index(e["kind"])) for e in mine})
    order = {place: k for k, place in enumerate(names)}
    seeds = sorted({e["seed"] for e in mine})
    placed = []
    for event in mine:
        row = order[_rank(data, event["label"]), _KINDS.index(event["kind"])]
        shift = (seeds.index(event["seed"]) / (len(seeds) - 1) - 0.5) * _SPREAD if len(seeds) > 1 else 0.0
        at, low, high = (max(float(t), 0.0) + 1 for t in event.pop("times"))
        placed.append(event | {"row": row, "place": row + _LANE + shift, "at": at, "low": low, "high": high})
    texts = {"parts": "parts from SGD"}
    labels: dict[int, Row] = {
        e["row"]: {
            "row": e["row"],
            "label": e["label"],
            "name": f"{about[e['label']]['short']} {texts.get(e['kind'], e['kind'])}",
        }
        for e in placed
    }
    return placed, [labels[row] for row in sorted(labels)]


def _rank(data: dict[str, Any], label: str) -> int:
    return list(dict.fromkeys(data["runs"]["label"])).index(label)


def y_range(values: list[float], log: bool) -> tuple[float, float]:
    """Return the range of a panel, a little widened."""
    usable = [v for v in values if math.isfinite(v)]
    if not usable:
        return (0.1, 1.0)
    low, high = min(usable), max(usable)
    slack = 0.05 * (high - low) + 1e-6
    return (drawable(low / 1.3), drawable(high * 1.3)) if log else (low - slack, high + slack)


def y_ticks(low: float, high: float) -> list[float]:
    """Return ticks of a logarithmic axis: 1, 2 and 5 of each decade, over many decades fewer."""
    decades = math.log10(high) - math.log10(low)
    digits = [1, 2, 5] if decades < _MAX_DENSE_DECADES else [1]
    powers = powers_of_ten(low, high, 1000 if len(digits) > 1 else _MAX_TICKS)
    return [v for p in powers for d in digits if low <= (v := float(f"{d}e{p}")) <= high]
