"""Time and memory of `mstudy analyze` and `mstudy validate` on many runs.

python -m benchmarks.speed.analysis [--runs 1000 3000 10000] [--workers 2] [--write]: Markdown to stdout, or to
benchmarks/analysis.md. Each figure is of a process of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from mstudy.cache import Cache
from mstudy.compare.stage import compare
from mstudy.core.params import Analysis
from mstudy.detect.stage import detect
from mstudy.estimate.stage import estimate
from mstudy.report.page.drawn_runs import drawn_runs
from mstudy.report.page.render import write_report
from mstudy.report.results import read_results
from mstudy.runlog.reading.reader import read_runs
from mstudy.runlog.validate import validate
from mstudy.tables.table import CACHE, PAGE
from mstudy.workers import Workers

from benchmarks.error_rates.synthetic import write_runs
from benchmarks.speed.timing import cpu, table

POINTS = 500
PHASES = ("read", "detect", "compare", "estimate", "report")
Measured = dict[str, float]


@contextmanager
def timed(seconds: Measured, phase: str) -> Iterator[None]:
    """Note the wall time of a phase."""
    start = time.perf_counter()
    yield
    seconds[phase] = time.perf_counter() - start


def analyze_in_phases(runs: Path, out: Path, n_workers: int) -> Measured:
    """Wall seconds of each phase: what analyze.py does."""
    seconds: Measured = {}
    analysis, cache = Analysis(), Cache(out / CACHE)
    with Workers(n_workers) as workers:
        with timed(seconds, "read"):
            folder = read_runs(runs, False, workers, cache)
        with timed(seconds, "detect"):
            detect(folder, out, analysis.detect, workers, cache)
        with timed(seconds, "compare"):
            compare(folder, out, analysis.margins, analysis.compare, workers, cache)
    with timed(seconds, "estimate"):
        estimate(out, analysis.detect, analysis.margins, analysis.estimate)
    with timed(seconds, "report"):
        results = read_results(out)
        write_report(results, folder.series(drawn_runs(results, analysis.report)), out / PAGE, analysis)
    return seconds


def validate_timed(runs: Path, n_workers: int) -> Measured:
    """Wall seconds of `validate`."""
    seconds: Measured = {}
    with timed(seconds, "validate"):
        validate(runs, n_workers)
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
    return sum(row[phase] for phase in PHASES if phase != "report")


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
