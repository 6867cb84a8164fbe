"""How far the detector agrees with what a person saw in pictures of real runs: tests/reference/README.md."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from mstudy.core.generators import generator_for
from mstudy.core.params import Detect
from mstudy.detect.sharpening import Sharpening, find_sharpening

REFERENCE = Path(__file__).parents[2] / "tests" / "reference"
SLACK = 2  # steps; a picture is not read more finely
THREEFOLD = 3.0  # the least rise that the rules of marking call an event


@dataclass(frozen=True)
class Mark:
    """onset, end: steps of a marked event, else None. rise: curvature there, largest / smallest. clear: see README."""

    set: str
    run_id: str
    onset: float | None
    end: float | None
    rise: float | None
    clear: bool

    @property
    def by_the_rules(self) -> bool:
        """Whether the numbers bear out that a marked event is at least threefold."""
        return self.rise is None or self.rise >= THREEFOLD

    def agrees(self, found: Sharpening) -> bool:
        """Both say none, or the first event lies between onset and end, give or take the slack."""
        if self.onset is None or self.end is None or not found.events:
            return self.onset is None and not found.events
        return self.onset - SLACK <= found.events[0].step <= self.end + SLACK


def read_marks() -> list[Mark]:
    """Every mark of the three sets."""
    rows = csv.DictReader((REFERENCE / "marks.csv").read_text().splitlines())
    return [
        Mark(
            row["set"],
            row["run_id"],
            *(float(row[name]) if row["mark"] == "event" else None for name in ("onset", "end", "rise")),
            row["clear"] == "yes",
        )
        for row in rows
    ]


def verdicts(marks: list[Mark]) -> list[bool]:
    """Whether the detector, as the default study uses it, agrees with each mark."""
    logs = pl.read_parquet(REFERENCE / "runs.parquet").partition_by("run_id", as_dict=True)
    detect = Detect()
    agreed = []
    for mark in marks:
        log = logs[(mark.run_id,)]
        loss, curvature = (
            log[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in ("loss", "directional_curvature")
        )
        rng = generator_for(mark.run_id, detect.seed)
        agreed.append(mark.agrees(find_sharpening(log["step"].to_numpy(), curvature, loss, detect, rng)))
    return agreed


def table() -> list[str]:
    """Agreement by set, in Markdown."""
    lines = ["| set | clear marks | agrees | of which events | agrees |", "|---|---|---|---|---|"]
    clear = [mark for mark in read_marks() if mark.clear]
    agreed = dict(zip([m.run_id for m in clear], verdicts(clear), strict=True))
    for name, chosen in [
        ("first, as marked", [m for m in clear if m.set == "first"]),
        ("first, rises below threefold left out", [m for m in clear if m.set == "first" and m.by_the_rules]),
        ("second", [m for m in clear if m.set == "second"]),
        ("third", [m for m in clear if m.set == "third"]),
    ]:
        events = [m for m in chosen if m.onset is not None]
        cells = []
        for part in (chosen, events):
            n = sum(agreed[m.run_id] for m in part)
            cells.append(f"{len(part)} | {n} ({n / len(part):.0%})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [*lines, ""]
