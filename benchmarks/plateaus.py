"""Does curvature stay where theory says? `python -m benchmarks.plateaus --write` writes benchmarks/plateaus.md.

Full batch: Cohen et al. 2021 (arXiv 2103.00065): lambda_max rises to the stability line of its optimizer and stays
there, 2/eta for SGD, 2(1 + mu)/eta for heavy ball, 2(1 + mu)/((1 + 2 mu) eta) for Nesterov (appendix B). Their
Chebyshev task is one hidden layer of 100 tanh units, Xavier with gain 1.9, no biases at the start, 20 points on
[-1, 1], half the mean square. Mini-batches: Andreyev and Beneventano 2024 (arXiv 2412.20553): it is the batch sharpness
that stays, at 2/eta for SGD, and for heavy ball with small batches at 2(1 - mu)/eta.

Everything is trained by `mstudy train`'s own functions, from a parameter file written here.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from mstudy.core.params import Cadence, Grid, Init, Study
from mstudy.core.theory import stability_line
from mstudy.train.stage import train_study
from mstudy.train.sweep.store import Store
from mstudy.workers.surroundings import available_cores

REPORT = Path(__file__).with_name("plateaus.md")
LATE_SHARE = 0.5  # of the logged rows: the second half of a run is where it is at its edge
NEAR = 0.01
AT_EDGE = 0.9  # of the line: a run whose median is below has not come to its edge


@dataclass(frozen=True)
class Task:
    """A study, the column that is compared, and the line it is compared with, as a multiple of 2/eta."""

    name: str
    study: Study
    column: str


def cadence(**every: int) -> Cadence:
    """Measure only what is compared."""
    none = {"directional_curvature": 0, "sharpness": 0, "batch_sharpness": 0}
    return Cadence(dense_steps=0, growth=0.01, every=none | every, adaptive_factor=None)


def full_batch_tasks(folder: Path) -> list[Task]:
    """Chebyshev polynomials of degree 3, 4 and 5, and digits; SGD, heavy ball and Nesterov."""
    tasks = []
    start = Init("xavier_normal", gain=1.9, zero_biases=True)
    logging = cadence(sharpness=1)
    for degree in (3, 4, 5):
        x = np.linspace(-1, 1, 20)
        path = folder / f"chebyshev{degree}.npz"
        np.savez(path, x=x[:, None], y=np.polynomial.Chebyshev.basis(degree)(x))
        for nesterov in (False, True):
            study = Study(
                str(path), model="mlp-tanh-100", init=start, batch_sizes=("full",), eta_ef=Grid(0.2, 0.4, 2),
                momenta=(0.5,) if nesterov else (0.0, 0.5), nesterov=nesterov, seeds=1, steps=12_000, log=logging,
            )  # fmt: skip
            tasks.append(Task(f"Chebyshev {degree}", study, "sharpness"))
    for nesterov in (False, True):
        study = Study(
            model="mlp-tanh-64-64", batch_sizes=("full",), eta_ef=Grid(0.2, 0.4, 2),
            momenta=(0.5,) if nesterov else (0.0, 0.5), nesterov=nesterov, seeds=1, steps=6_000, log=logging,
        )  # fmt: skip
        tasks.append(Task("digits", study, "sharpness"))
    return tasks


def mini_batch_tasks() -> list[Task]:
    """Digits with batches of 16 and 64; SGD and heavy ball."""
    study = Study(
        batch_sizes=(16, 64), eta_ef=Grid(0.08, 0.32, 3), momenta=(0.0, 0.9), seeds=1, steps=6_000,
        log=cadence(batch_sharpness=1),
    )  # fmt: skip
    return [Task("digits", study, "batch_sharpness")]


def train(task: Task, folder: Path) -> pl.DataFrame:
    """Train a task; a row a run: its settings, and the median of the column over the second half of its rows."""
    runs = folder / f"runs-{len(list(folder.glob('runs-*')))}"
    train_study("plateaus", task.study, Store(folder / "store"), runs, available_cores(), "cpu")
    return pl.DataFrame([_row(task, path) for path in sorted(runs.glob("*.parquet"))])


def _row(task: Task, path: Path) -> dict[str, object]:
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[b"mstudy"])
    values = np.array([v for v in table[task.column].to_pylist() if v is not None])
    late = values[int(len(values) * (1 - LATE_SHARE)) :]
    eta, mu = about["learning_rate"], about["momentum"]
    line = stability_line(about["optimizer"], eta, mu)
    if task.column == "batch_sharpness":
        line = 2 * (1 - mu) / eta
    return {
        "task": task.name,
        "optimizer": about["optimizer"],
        "momentum": mu,
        "batch_size": about["batch_size"],
        "eta": eta,
        "seed": about["seed"],
        "status": about["status"],
        "ratio": float(np.median(late)) / line if len(late) and line and about["status"] == "completed" else None,
    }


def report(full: pl.DataFrame, mini: pl.DataFrame) -> str:
    """Return both tables as Markdown."""
    reached = full.filter(pl.col("ratio") > AT_EDGE)
    near = reached.filter((pl.col("ratio") - 1).abs() <= NEAR)
    head = (__doc__ or "").replace("lambda_max", "λ_max")
    return "\n".join(
        [
            "# Plateaus of curvature",
            "",
            head.partition("\n\n")[2].strip(),
            "",
            "## Full batch: λ_max against the stability line",
            "",
            f"Median over the second half of the logged rows. Of {len(full)} runs {full['ratio'].count()} are "
            f"completed, and {len(reached)} come to their edge (above {AT_EDGE:g} of the line); of these {len(near)} "
            f"lie within {NEAR:.0%} of it.",
            "",
            *_table(full, "λ_max / line"),
            "",
            "## Mini-batches: batch sharpness against 2(1 − μ)/η",
            "",
            "For SGD the line is 2/η. Where the ratio stays below 1 the law is not reached within these steps.",
            "",
            *_table(mini, "batch sharpness / line"),
            "",
        ]
    )


def _table(rows: pl.DataFrame, name: str) -> list[str]:
    keys = ["task", "optimizer", "momentum", "batch_size", "eta"]
    lines = [f"| task | optimizer | μ | b | η | runs | {name} |", "|---|---|---|---|---|---|---|"]
    for key, group in rows.sort([*keys, "seed"]).group_by(keys, maintain_order=True):
        ratios = ["diverged" if row["ratio"] is None else f"{row['ratio']:.4f}" for row in group.iter_rows(named=True)]
        lines.append(f"| {' | '.join(f'{part:g}' if isinstance(part, float) else str(part) for part in key)} "
                     f"| {len(group)} | {', '.join(ratios)} |")  # fmt: skip
    return lines


def main() -> None:
    """Train, compare, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        full = pl.concat([train(task, folder) for task in full_batch_tasks(folder)])
        mini = pl.concat([train(task, folder) for task in mini_batch_tasks()])
    text = report(full, mini)
    if asked.write:
        REPORT.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
