"""Coverage and power by stratum: how long the rise takes, what follows it, trend, noise, cadence, number of points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.error_rates.planted import DEVELOPMENT, REPORTING, Family

LENGTHS = (1, 2, 5, 10, 20, 30)  # points
PHIS = (0.0, 0.1, 0.45, 0.55, 0.75, 0.85, 0.95)
POINTS = (130, 200, 500, 1_500, 5_001, 25_000)
TRENDS = (0.0, 0.999, 1.001, 3.5, 13.0)  # factor over the run


@dataclass(frozen=True)
class Judged:
    """A planted event and what was said of it. width: of the interval in points, where it was found in its place."""

    family: Family
    found: bool
    wrong: bool
    covered: bool
    width: float


def _bin(value: float, edges: tuple[float, ...]) -> str:
    k = min(max(int(np.searchsorted(edges, value, side="right")) - 1, 0), len(edges) - 2)
    return f"{edges[k]:,}–{edges[k + 1]:,}"


def _trend(family: Family) -> str:
    names = {0: "falling", 1: "none", 2: "up to x3.5", 3: "x3.5 to x12"}
    return names[int(np.searchsorted(TRENDS, family.trend, side="right")) - 1]


KINDS: dict[str, Callable[[Family], str]] = {
    "points the rise takes": lambda f: _bin(f.length, LENGTHS),
    "shape of the rise": lambda f: f.shape,
    "what follows": lambda f: f.after,
    "trend": _trend,
    "shape of the trend": lambda f: f.trend_shape if f.trend != 1 else "none",
    "innovations": lambda f: f.noise,
    "spikes": lambda f: "some" if f.spike_length else "none",
    "autocorrelation": lambda f: _bin(f.phi, PHIS),
    "cadence": lambda f: f.cadence,
    "logged points": lambda f: _bin(f.n, POINTS),
    "values missing": lambda f: "a tenth" if f.missing else "none",
}
# Strata that no series of development belongs to.
UNSEEN = {
    "points the rise takes": {_bin(25, LENGTHS)},
    "shape of the rise": set(REPORTING.shapes) - set(DEVELOPMENT.shapes),
    "what follows": set(REPORTING.afters) - set(DEVELOPMENT.afters),
    "shape of the trend": set(REPORTING.trends) - set(DEVELOPMENT.trends),
    "innovations": set(REPORTING.noises) - set(DEVELOPMENT.noises),
    "autocorrelation": {_bin(phi, PHIS) for phi in (0.2, 0.6)},
    "cadence": set(REPORTING.cadences) - set(DEVELOPMENT.cadences),
    "logged points": {_bin(150, POINTS), _bin(9_000, POINTS)},
}


def strata_table(judged: list[Judged]) -> list[str]:
    """Markdown: one line a stratum; * marks those that development never saw."""
    lines = [
        "| | stratum | events | found | wrong place | coverage | width, points |",
        "|---|---|---|---|---|---|---|",
        _line("all", "", judged),
    ]
    for kind, stratum_of in KINDS.items():
        groups: dict[str, list[Judged]] = {}
        for one in judged:
            groups.setdefault(stratum_of(one.family), []).append(one)
        for name in sorted(groups, key=_order):
            mark = " *" if name in UNSEEN.get(kind, set()) else ""
            lines.append(_line(kind, name.replace("_", " ") + mark, groups[name]))
    return [*lines, ""]


def _order(name: str) -> tuple[float, str]:
    first = name.split("–")[0].replace(",", "")
    return (float(first) if first.replace(".", "").isdigit() else 0.0, name)


def _line(kind: str, name: str, judged: list[Judged]) -> str:
    hits = [one for one in judged if one.found and not one.wrong]
    cells = [f"{len(hits) / len(judged):.1%}", f"{np.mean([one.wrong for one in judged]):.1%}", "–", "–"]
    if hits:
        cells[2:] = [f"{np.mean([one.covered for one in hits]):.1%}", f"{np.median([one.width for one in hits]):.1f}"]
    return f"| {kind} | {name} | {len(judged)} | " + " | ".join(cells) + " |"
