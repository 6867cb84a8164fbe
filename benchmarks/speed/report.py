"""The report: size, time to build, time to draw in Chromium, for the finished study and for 1,000 made-up runs."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from mstudy.analyze import analyze
from mstudy.core.params import Analysis
from mstudy.core.statuses import RunStatus
from mstudy.report.page.render import render_report
from mstudy.report.page.scripts import bundle
from mstudy.report.results import Results, read_results
from mstudy.runlog.format.writer import write_run
from mstudy.runlog.reading.reader import read_runs

from benchmarks.speed.drawing import chromium, least
from benchmarks.speed.timing import cpu

BATCHES, RATES, MOMENTA, SEEDS = (16, 64, 256, 1024, 4096), 8, (0.0, 0.3, 0.5, 0.8, 0.9), 5
STEPS, ROWS, REPEATS = 20_000, 1_000, 3


def write_synthetic(folder: Path) -> None:
    """1,000 runs of 1,000 rows each: SGD's curvature jumps above eta_ef = 0.2 and its loss stalls; noise everywhere."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    steps = np.unique(np.geomspace(1, STEPS, 2 * ROWS).astype(np.int64))[:ROWS]
    for b in BATCHES:
        for rate in np.geomspace(0.02, 2.0, RATES).round(4).tolist():
            for momentum in MOMENTA:
                for seed in range(SEEDS):
                    _write_run(folder, rng, steps, b, rate, momentum, seed)


def _write_run(
    folder: Path, rng: np.random.Generator, steps: np.ndarray, b: int, rate: float, momentum: float, seed: int
) -> None:
    eta = round(rate * (1 - momentum), 9)
    at = steps[-1] * rng.uniform(0.05, 0.2)
    jumps = momentum == 0 and rate > 0.2
    kappa = np.where((steps >= at) & jumps, 2 / eta, 0.1 / (1 + steps / 500)) * np.exp(rng.normal(0, 0.2, len(steps)))
    loss = (1 + rate * steps / 10) ** -0.5 * np.exp(rng.normal(0, 0.03, len(steps)))
    loss = np.where((steps >= at) & jumps, loss * (steps / at) ** 0.2, loss)
    about = {"schema": 1, "run_id": f"{b}-{rate}-{momentum}-{seed}", "study": "synthetic", "model": "m", "dataset": "d"}
    about |= {"objective": "o", "optimizer": "heavy_ball" if momentum else "sgd", "learning_rate": eta, "seed": seed}
    about |= {"momentum": momentum, "batch_size": b, "n_train": 4096}
    about |= {"status": RunStatus.COMPLETED, "diverged_step": None}
    columns = {"step": steps, "loss": loss, "directional_curvature": kappa}
    write_run(folder / f"{about['run_id']}.parquet", columns, about)


def row(name: str, results: Results, points: pl.DataFrame) -> str:
    """One row of the table: what there is, the size, and the times (least of three)."""
    analysis = Analysis()
    bundle()  # once a process, and timed by itself
    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        html = render_report(results, points, analysis)
        seconds.append(time.process_time() - started)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "index.html"
        page.write_text(html, encoding="utf-8")
        drawn = least(page, REPEATS) if chromium() else None
    told = "no Chromium | –" if drawn is None else f"{drawn.first:.2f} s | {drawn.every:.1f} s ({drawn.n_charts:.0f})"
    size = len(html.encode()) / 1e6
    return f"| {name} | {len(results['runs']):,} | {len(points):,} | {size:.2f} MB | {min(seconds):.1f} s | {told} |"


def report(runs: Path, out: Path) -> str:
    """The table, in Markdown. runs, out: a finished study."""
    started = time.process_time()
    size = len(bundle()) / 1e6
    bundled = time.process_time() - started
    rows = [row("study", read_results(out), read_runs(runs).points)]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "runs"
        write_synthetic(made)
        results = analyze(made, Path(folder) / "out", Analysis()).results
        rows.append(row("synthetic", results, read_runs(made).points))
    return "\n".join(
        [
            "## The report (`python -m benchmarks.speed.report --write`)",
            "",
            f"Machine: {cpu()}. Least of {REPEATS}. Build: processor time of one process from finished tables to the "
            f"page, without the bundle of Vega ({size:.2f} MB, {bundled:.1f} s, once a process). Drawing: Chromium "
            "without a screen, 1280 × 900, from the request of the file; every chart: while scrolling through the "
            "page. The synthetic study has 1,000 rows a run; of each curve 160 points are drawn.",
            "",
            "| study | runs | logged rows | size | build | first chart | every chart (number) |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Print or write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=Path, default=Path("runs"))
    arguments.add_argument("--out", type=Path, default=Path("reports"))
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    text = report(options.runs, options.out)
    if options.write:
        (Path(__file__).parents[1] / "report.md").write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
