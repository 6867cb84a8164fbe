"""Step 1: what runs there are, and when each sharpens abruptly."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from mstudy.events.detect import detect_sharpenings
from mstudy.params import Detect
from mstudy.runlog.reader import RunFolder
from mstudy.steps.files import PROBLEMS, RESULTS, write_json
from mstudy.tables import RUNS, SHARPENING_EVENTS, SHARPENINGS


def detect(folder: RunFolder, out: Path, params: Detect) -> None:
    """Write the tables of runs and of sharpenings, and the list of files left out."""
    RUNS.write(folder.runs, out / RESULTS)
    found = detect_sharpenings(folder.runs, folder.points, params)
    SHARPENINGS.write(found.sharpenings, out / RESULTS)
    SHARPENING_EVENTS.write(found.events, out / RESULTS)
    write_json([asdict(problem) for problem in folder.problems], out / PROBLEMS)
