"""Step 2: SGD against SGDM, per cell and per pair."""

from __future__ import annotations

from pathlib import Path

from mstudy.inference.compare import find_all_partings, measure_advantage
from mstudy.params import Compare
from mstudy.runlog.reader import RunFolder
from mstudy.steps.files import RESULTS
from mstudy.tables import ADVANTAGE, PARTINGS


def compare(folder: RunFolder, out: Path, params: Compare) -> None:
    """Write the advantage of each cell and the parting of each pair."""
    ADVANTAGE.write(measure_advantage(folder.runs, params), out / RESULTS)
    PARTINGS.write(find_all_partings(folder.runs, folder.points, params), out / RESULTS)
