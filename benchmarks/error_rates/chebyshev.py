"""Does the detector see that training comes to its edge? `python -m benchmarks.error_rates.chebyshev [--write]`.

Full-batch SGD on Chebyshev polynomials of degree 3, 4 and 5: 20 points on [-1, 1], one hidden layer of 100 tanh units,
Xavier with gain 1.9, no biases at the start, half the mean square, 8,000 steps, five seeds. At the rates 0.2 and 0.4
lambda_max comes to 2/eta; at 0.02 and 0.04 it never does. The detector reads the curvature along the update alone.
Every run is trained by `mstudy train`'s own functions, and logged at gaps of 1 % of the step, with the rows that
adaptive logging adds; the runs that come to their line are also logged at every step.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from mstudy.core.params import Cadence, Detect, Grid, Init, Study
from mstudy.core.statuses import SHARPENING_KINDS
from mstudy.detect.all_runs import detect_sharpenings
from mstudy.runlog.reading.reader import read_runs
from mstudy.train.stage import train_study
from mstudy.train.sweep.store import Store

REPORT = Path(__file__).parents[1] / "chebyshev.md"
DEGREES = (3, 4, 5)
STEPS = 8_000
SEEDS = 5
START = Init("xavier_normal", gain=1.9, zero_biases=True)
GROWING = Cadence(growth=0.01, every={"directional_curvature": 1, "sharpness": 3, "batch_sharpness": 0})
EVERY_STEP = Cadence(
    dense_steps=STEPS,
    every={"directional_curvature": 1, "sharpness": 21, "batch_sharpness": 0},
    adaptive_factor=None,
)
TRAININGS = {
    "gaps of 1 %, adaptive": (GROWING, (0.2, 0.02)),
    "every step": (EVERY_STEP, (0.2,)),
}


def trained(degree: int, lower_rate: float, log: Cadence, folder: Path) -> pl.DataFrame:
    """Train five seeds at a rate and at twice that rate; return `judged` of them, with the degree."""
    x = np.linspace(-1, 1, 20)
    path = folder / f"chebyshev{degree}.npz"
    np.savez(path, x=x[:, None], y=np.polynomial.Chebyshev.basis(degree)(x))
    study = Study(
        str(path), model="mlp-tanh-100", init=START, batch_sizes=("full",), eta_ef=Grid(lower_rate, 2 * lower_rate, 2),
        momenta=(0.0,), seeds=SEEDS, steps=STEPS, log=log,
    )  # fmt: skip
    name = f"{degree}-{lower_rate}-{log.dense_steps}"
    train_study(name, study, Store(folder / "store"), folder / name, 1, "cpu")
    runs = read_runs(folder / name)
    points = runs.series(columns=["step", "loss", "directional_curvature", "sharpness"])
    return judged(runs.runs, points).with_columns(degree=pl.lit(degree))


def judged(runs: pl.DataFrame, points: pl.DataFrame) -> pl.DataFrame:
    """Return one row a run: rate, seed, `crossing` of lambda_max, and the steps of its `events` in kappa."""
    crossings = detect_sharpenings(runs, points, Detect(quantity="sharpness")).sharpenings
    found = detect_sharpenings(runs, points, Detect()).events
    events = found.filter(pl.col("kind").is_in(SHARPENING_KINDS)).group_by("run_id").agg(pl.col("step").alias("events"))
    rows = runs.select("run_id", pl.col("learning_rate").alias("rate"), "seed")
    rows = rows.join(crossings.select("run_id", pl.col("crossing_step").alias("crossing")), on="run_id")
    return rows.join(events, on="run_id", how="left").drop("run_id").sort("rate", "seed")


def counts(rows: pl.DataFrame) -> pl.DataFrame:
    """Count, by rate: runs that cross, those of them with an event after it, those that do not and have an event."""
    crosses, has_event = pl.col("crossing").is_not_null(), pl.col("events").list.len().fill_null(0) > 0
    after = (pl.col("events").list.max() >= pl.col("crossing")).fill_null(False)
    before = (pl.col("events").list.min() < pl.col("crossing")).fill_null(False)
    return (
        rows.group_by("rate")
        .agg(
            pl.len().alias("runs"),
            crosses.sum().alias("cross"),
            after.sum().alias("event_after"),
            before.sum().alias("event_before"),
            (~crosses).sum().alias("never"),
            (~crosses & has_event).sum().alias("event_without"),
        )
        .sort("rate", descending=True)
    )


def section(name: str, rows: pl.DataFrame) -> list[str]:
    """Return the table of one way to log, and the runs that cross without an event, in Markdown."""
    table = counts(rows)
    total = table.drop("rate").sum().row(0, named=True)
    head = (
        "| η | runs | λ_max crosses 2/η | of these with an event after it | with an event before it "
        "| never crosses | of these with an event |"
    )
    lines = [f"Logged at {name}:", "", head, "|---|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(f"{value:g}" for value in row) + " |" for row in table.rows()]
    lines += ["| all | " + " | ".join(str(value) for value in total.values()) + " |", ""]
    after = (pl.col("events").list.max() >= pl.col("crossing")).fill_null(False)
    missed = rows.filter(pl.col("crossing").is_not_null() & ~after).sort("degree", "rate", "seed")
    named = [f"degree {row['degree']}, η {row['rate']:g}, seed {row['seed']}" for row in missed.iter_rows(named=True)]
    return [*lines, f"Without an event after the crossing: {'; '.join(named) or 'none'}.", ""]


def page(found: list[tuple[str, pl.DataFrame]]) -> str:
    """Return the page. found: each way to log, and its runs as `judged` returns them, with their degree."""
    what = (__doc__ or "").partition("\n\n")[2].strip().replace("lambda_max", "λ_max").replace("eta", "η")
    text = ["# Coming to the edge: Chebyshev polynomials (`benchmarks/error_rates/chebyshev.py`)", "", what, ""]
    for name, rows in found:
        text += section(name, rows)
    text.append(
        "At η 0.4 training starts above its line, so the crossing is at the first rows. λ_max is that of the log."
    )
    return "\n".join(text) + "\n"


def main() -> None:
    """Train, detect, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as name:
        for title, (log, rates) in TRAININGS.items():
            parts = [trained(degree, rate, log, Path(name)) for rate in rates for degree in DEGREES]
            found.append((title, pl.concat(parts)))
    text = page(found)
    if asked.write:
        REPORT.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
