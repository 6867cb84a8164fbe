"""The record of further seeds: how many each line of a study has by now, in `settled/STUDY.json` beside params.yaml.

The plan of a study's runs reads it, so that whoever trains the study trains these runs too. It does not lie in the
store, because the pipeline must see that it changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mstudy.core.errors import ConfigError, shown
from mstudy.core.files import write_whole
from mstudy.core.params import Study

FOLDER = "settled"  # beside the parameter file
Line = tuple[int, float]  # batch size, momentum


@dataclass(frozen=True)
class Settled:
    """seeds: of each line that has more than the first look gives. history: what each look was for, in order."""

    seeds: Mapping[Line, int] = field(default_factory=dict)
    history: tuple[dict[str, Any], ...] = ()

    def with_look(self, seeds: Mapping[Line, int], entry: dict[str, Any]) -> Settled:
        """Return the record with these numbers of seeds, and one entry more."""
        return Settled({**self.seeds, **seeds}, (*self.history, entry))


NOT_SETTLED = Settled()


def read_settled(folder: Path, name: str, study: Study) -> Settled:
    """Return the record of a study; an empty one where it has no looks, or was never settled. Raises ConfigError."""
    path = folder / f"{name}.json"
    if not study.looks or not path.is_file():
        return Settled()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        seeds = {(int(row["batch_size"]), float(row["momentum"])): int(row["seeds"]) for row in found["lines"]}
        settled = Settled(seeds, tuple(dict(entry) for entry in found["history"]))
        looks = found["looks"]
    except (OSError, ValueError, TypeError, KeyError, ArithmeticError, RecursionError):
        settled = None
    if settled is None or not set(settled.seeds.values()) <= set(study.looks):
        raise ConfigError(
            f"The record of further seeds must have lines, each with batch_size, momentum and seeds, which are one of "
            f"studies.{name}.looks = {list(study.looks)}, found otherwise in {path}; move it away to begin at "
            f"{study.looks[0]} seeds."
        )
    if looks != list(study.looks):
        raise ConfigError(
            f"studies.{name}.looks must stay as they were when the first results were seen (their levels were spent), "
            f"found {list(study.looks)}, and {shown(looks)} in {path}; write these, or move the file away."
        )
    return settled


def write_settled(folder: Path, name: str, study: Study, settled: Settled) -> None:
    """Write the record, whole or not at all."""
    lines = [{"batch_size": b, "momentum": mu, "seeds": n} for (b, mu), n in sorted(settled.seeds.items())]
    record = {"study": name, "looks": list(study.looks), "lines": lines, "history": list(settled.history)}
    text = json.dumps(record, indent=1) + "\n"
    write_whole(folder / f"{name}.json", text.encode(), "The record of further seeds", folder)
