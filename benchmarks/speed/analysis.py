"""Time and memory of `mstudy analyze` and `mstudy validate` on many runs.

python -m benchmarks.speed.analysis [--runs 1000 3000 10000] [--workers 2] [--write]: Markdown to stdout, or to
benchmarks/analysis.md. Each figure is of a process of its own.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from mstudy.runlog.packs.pack import pack
from mstudy.runlog.validate import validate

from benchmarks.error_rates.synthetic import write_runs
from benchmarks.speed.timing import cpu, table

POINTS = 500
# The functions of mstudy/analyze.py.
PHASES = {
    "read": "read_runs",
    "detect": "_detect",
    "compare": "_compare",
    "estimate": "_estimate",
    "report": "_draw",
}
Measured = dict[str, float]


def timed(seconds: Measured, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which notes its wall time as that of a phase."""

    def call(*given: Any) -> Any:
        start = time.perf_counter()
        found = function(*given)
        seconds[phase] = time.perf_counter() - start
        return found

    return call


def analyze_in_phases(runs: Path, out: Path, n_workers: int) -> Measured:
    """Wall seconds of each phase of `analyze`; a phase whose results were remembered is not among them."""
    seconds: Measured = {}
    module = importlib.import_module("mstudy.analyze")  # the package gives the function of that name
    for phase, name in PHASES.items():
        setattr(module, name, timed(seconds, phase, getattr(module, name)))
    module.analyze(runs, out, workers=n_workers)
    return seconds


def validate_timed(runs: Path, n_workers: int) -> Measured:
    """Wall seconds of `validate`."""
    seconds: Measured = {}
    timed(seconds, "validate", validate)(runs, n_workers)
    return seconds


def in_own_process(what: str, runs: Path, out: Path, n_workers: int) -> Measured:
    """Run one measurement; adds its whole wall time and the memory that it cannot have exceeded, MB."""
    start = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "benchmarks.speed.analysis",
        "--measure",
        what,
        str(runs),
        str(out),
        str(n_workers),
    ]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: Measured = json.loads(found.stdout)
    return measured | {"wall": time.perf_counter() - start}


def measure(what: str, runs: str, out: str, n_workers: str) -> Measured:
    """In the process itself: the phases, and peak memory: its own and `n_workers` times that of its largest child."""
    workers = int(n_workers)
    found = (
        analyze_in_phases(Path(runs), Path(out), workers) if what == "analyze" else validate_timed(Path(runs), workers)
    )
    own, child = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu_seconds = own.ru_utime + own.ru_stime + child.ru_utime + child.ru_stime
    return found | {"memory": (own.ru_maxrss + workers * child.ru_maxrss) / 1024, "cpu": cpu_seconds}


def report(sizes: list[int], n_workers: int) -> str:
    """The document."""
    rows, last = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for n_runs in sizes:
            runs, out = Path(scratch, f"runs-{n_runs}"), Path(scratch, f"out-{n_runs}")
            write_runs(runs, n_runs, POINTS)
            rows.append(in_own_process("analyze", runs, out, n_workers) | {"runs": n_runs})
            print(rows[-1], file=sys.stderr, flush=True)
            if n_runs != max(sizes):
                shutil.rmtree(runs)
        last.append(("`validate`", in_own_process("validate", runs, out, n_workers)))
        last.append(("`analyze` again, nothing new", in_own_process("analyze", runs, out, n_workers)))
        packs = Path(scratch, "packs")
        pack(str(runs), packs)
        last.append(("`analyze` of packs", in_own_process("analyze", packs, Path(scratch, "out-packs"), n_workers)))
        write_runs(runs, 10, POINTS, first=n_runs)
        last.append(("`analyze` again, ten runs more", in_own_process("analyze", runs, out, n_workers)))
    return _render(rows, last, n_workers)


def _render(rows: list[Measured], last: list[tuple[str, Measured]], n_workers: int) -> str:
    head = ["runs", *(f"{phase}, s" for phase in PHASES), "without report, s", "in all, s", "CPU, s", "memory, MB"]
    lines = [[f"{row['runs']:,}", *_cells(row)] for row in rows]
    growth = [math.log(_worked(b) / _worked(a)) / math.log(b["runs"] / a["runs"]) for a, b in pairwise(rows)]
    again = [[name, *_cells(row)] for name, row in last]
    return f"""# Analysis of many runs (`benchmarks/speed/analysis.py`)

Written by `python -m benchmarks.speed.analysis --write`. {cpu()}, {os.cpu_count()} cores, {n_workers} workers.
Runs of {POINTS} points, synthetic (`benchmarks/error_rates/synthetic.py`): a third sharpens, a third of the pairs
parts. Wall time, once. Memory: peak of the main process plus workers times the peak of the largest of them, an upper
bound.

{table(head, lines)}

Growth without report and imports, time ∝ runs^k: {", ".join(f"k = {k:.2f}" for k in growth) or "one size alone"}.

On the {rows[-1]["runs"]:,} runs:

{table(["", *head[1:]], again)}
"""


def _worked(row: Measured) -> float:
    return sum(row.get(phase, 0.0) for phase in PHASES if phase != "report")


def _cells(row: Measured) -> list[str]:
    phases = [f"{row[phase]:.1f}" if phase in row else "–" for phase in PHASES]
    without = row["wall"] - row.get("report", 0.0)
    return [*phases, f"{without:.1f}", f"{row['wall']:.1f}", f"{row['cpu']:.1f}", f"{row['memory']:.0f}"]


def main() -> None:
    """Print or write; or, told to, measure one thing in this process."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, nargs="+", default=[1000, 3000, 10000])
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure)))
        return
    text = report(sorted(options.runs), options.workers)
    if options.write:
        (Path(__file__).parents[1] / "analysis.md").write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
