"""What many runs cost: rates measured here on two small sizes, and what 10^4, 10^5 and 10^6 runs would take by them.

python -m benchmarks.speed.scale [--runs 500 1500] [--write]: the tables of docs/scaling.md, to stdout or into it. All
times are core seconds (user and system), of a process and its children, so that a busy neighbour changes them little.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.error_rates.synthetic import write_runs
from benchmarks.speed.timing import cpu, table

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "scaling.md"
BEGIN, END = "<!-- measured -->", "<!-- end of what is measured -->"
POINTS = 500
SIZES = (10_000, 100_000, 1_000_000)
CORES = (2, 64)
NEW_RUNS = 10
LOGGED_STEPS = 800  # of the default study, of which benchmarks/gpu.md gives the time of a whole ensemble
DEEP_STEPS = 10_000


@dataclass(frozen=True)
class Cost:
    """Of one command. seconds: of a core. megabytes: the largest process."""

    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Rate:
    """fixed: what the command takes of no run; each: what a further run takes."""

    fixed: float
    each: float

    def of(self, n_runs: int) -> float:
        """What so many runs take."""
        return self.fixed + self.each * n_runs


def line_through(sizes: list[int], values: list[float]) -> Rate:
    """The rate that two measurements give; never below 0 a run."""
    each = max((values[1] - values[0]) / (sizes[1] - sizes[0]), 0.0)
    return Rate(max(values[0] - each * sizes[0], 0.0), each)


def cost_of(*arguments: str) -> Cost:
    """Run one command of mstudy in a process of its own, with one worker; what it and its children took."""
    code = (
        "import os, resource, subprocess, sys\n"
        "done = subprocess.run([sys.executable, '-m', 'mstudy.cli.app', *sys.argv[1:]], stdout=subprocess.DEVNULL, "
        "stderr=subprocess.PIPE, text=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "assert done.returncode == 0, done.stderr\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)\n"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    said = subprocess.run(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, check=True, env=environment
    )
    seconds, megabytes = map(float, said.stdout.split())
    return Cost(seconds, megabytes)


def measure(n_runs: int, folder: Path) -> dict[str, Cost]:
    """Every command on so many runs."""
    runs, packs, out, packed = (str(folder / f"{what}-{n_runs}") for what in ("runs", "packs", "out", "packed"))
    write_runs(Path(runs), n_runs, POINTS)
    one = ("--workers", "1")
    costs = {
        "validate": cost_of("validate", runs, *one),
        "pack": cost_of("pack", runs, "--out", packs, *one),
        "unpack": cost_of("unpack", packs, "--out", str(folder / f"back-{n_runs}")),
        "analyze": cost_of("analyze", runs, "--out", out, *one),
        "analyze packs": cost_of("analyze", packs, "--out", packed, *one),
        "analyze again, nothing new": cost_of("analyze", runs, "--out", out, *one),
    }
    write_runs(Path(runs), NEW_RUNS, POINTS, first=n_runs)
    costs["analyze again, ten runs more"] = cost_of("analyze", runs, "--out", out, *one)
    return costs


def bytes_below(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def document(sizes: list[int]) -> str:
    """What stands between the marks of the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        costs = [measure(n_runs, folder) for n_runs in sizes]
        n_logs = sizes[1] + NEW_RUNS
        disk = {
            "logs": bytes_below(folder / f"runs-{sizes[1]}") / n_logs,
            "packs": bytes_below(folder / f"packs-{sizes[1]}") / sizes[1],
            "results and cache": bytes_below(folder / f"out-{sizes[1]}") / n_logs,
        }
    seconds = {key: line_through(sizes, [cost[key].seconds for cost in costs]) for key in costs[0]}
    memory = {key: line_through(sizes, [cost[key].megabytes for cost in costs]) for key in costs[0]}
    return "\n\n".join([_rates(sizes, seconds, memory), _analysis(seconds, disk), _training()])


def _rates(sizes: list[int], seconds: dict[str, Rate], memory: dict[str, Rate]) -> str:
    rows = [
        [f"`{key}`", f"{rate.fixed:.1f}", f"{1000 * rate.each:.2f}", f"{memory[key].of(sizes[1]):.0f}"]
        for key, rate in seconds.items()
    ]
    head = ["command", "fixed, core s", "a run, core ms", f"most memory at {sizes[1]:,} runs, MB"]
    return (
        f"Measured on {sizes[0]:,} and {sizes[1]:,} runs of {POINTS} points ({cpu()}; one worker; synthetic runs of "
        f"`benchmarks/error_rates/synthetic.py`):\n\n{table(head, rows)}"
    )


def _analysis(seconds: dict[str, Rate], disk: dict[str, float]) -> str:
    rows = [
        ["files of logs", *(f"{n:,}" for n in SIZES)],
        *([f"{key}, GB", *(f"{n * each / 1e9:.2g}" for n in SIZES)] for key, each in disk.items()),
        ["packs, files of 256 MiB", *(f"{max(1, round(n * disk['packs'] / 2**28)):,}" for n in SIZES)],
    ]
    for key, rate in seconds.items():
        if rate.each > 0:
            rows.append([f"`{key}`, core minutes", *(_short(rate.of(n) / 60) for n in SIZES)])
    for cores in CORES:
        parallel = [seconds["analyze"].of(n) / cores / 60 for n in SIZES]
        rows.append([f"`analyze` on {cores} cores, minutes at least", *map(_short, parallel)])
    head = ["runs", *(f"{n:,}" for n in SIZES)]
    return f"By these rates (left out: a command whose slope the measured sizes do not show):\n\n{table(head, rows)}"


def _short(number: float) -> str:
    """Two digits, or whole."""
    return f"{number:.2g}" if number < 10 else f"{number:,.0f}"


def _training() -> str:
    """Hours by the rates of benchmarks/gpu.md and benchmarks/README.md, whose rows are read."""
    gpu, local = ((ROOT / "benchmarks" / name).read_text(encoding="utf-8") for name in ("gpu.md", "README.md"))
    whole = gpu.partition("## A whole ensemble")[2]
    small = {b: float(_cells(whole, b)[3]) / 512 for b in ("16", "1797")}
    deep = float(_cells(gpu.partition("## Each family of models")[2], "resnet18-group-16")[6]) / 1000
    local_rates = {b: float(_cells(local, b)[6]) / 1e6 * LOGGED_STEPS for b in ("16", "1797")}
    rows = [
        *([f"perceptron on digits, b = {b}, {LOGGED_STEPS} steps, H200 hours", *_hours(small[b])] for b in small),
        [f"resnet18-group-16, b = 32, {DEEP_STEPS:,} steps, H200 hours", *_hours(deep * DEEP_STEPS)],
        *(
            [f"perceptron on digits, b = {b}, {LOGGED_STEPS} steps unlogged, hours of 2 cores", *_hours(each)]
            for b, each in local_rates.items()
        ),
    ]
    return (
        "Training, by the rates in [benchmarks/gpu.md](../benchmarks/gpu.md) and "
        f"[benchmarks/README.md](../benchmarks/README.md):\n\n{table(['runs', *(f'{n:,}' for n in SIZES)], rows)}"
    )


def _cells(text: str, first: str) -> list[str]:
    row = re.search(rf"^\| {re.escape(first)} \|.*$", text, re.MULTILINE)
    if row is None:
        raise SystemExit(f"a table must have the row {first}, found none")
    return [cell.strip() for cell in row[0].strip("|").split("|")]


def _hours(seconds: float) -> list[str]:
    return [f"{n * seconds / 3600:.2g}" if n * seconds < 360_000 else f"{n * seconds / 3600:,.0f}" for n in SIZES]


def main() -> None:
    """Print the tables, or put them into the page."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, nargs=2, default=[500, 1500])
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    text = document(sorted(options.runs))
    if not options.write:
        print(text)
        return
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
    print(f"written to {PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
