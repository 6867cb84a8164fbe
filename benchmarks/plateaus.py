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
import pyarrow.parquet as pq
from mstudy.core.params import Cadence, Grid, Init, Study
from mstudy.core.theory import stability_line
from mstudy.train.stage import train_study
from mstudy.train.sweep.store import Store
from mstudy.workers.surroundings import available_cores
from numpy.typing import NDArray

REPORT = Path(__file__).with_name("plateaus.md")
LATE_SHARE = 0.5  # of the logged rows, which lie close at first, or of the steps
NEAR = 0.01
AT_EDGE = 0.9  # of the line: a run whose median is below has not come to its edge
WIDE = 0.05  # of the line: a middle 80 % that is wider is a swing


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


@dataclass(frozen=True)
class Course:
    """Where a run's curvature lay, over its line.

    start: the first step of the second half of the rows; half: the median over these rows. reached: the first step at
    the line; None: never. The others are of the second half of the steps: the median, the medians of either half of it,
    and the bounds of the middle 80 %.
    """

    start: int
    half: float
    reached: int | None
    late: float
    third_quarter: float
    last_quarter: float
    low: float
    high: float

    @property
    def swing(self) -> float:
        """Width of the middle 80 %."""
        return self.high - self.low


def course(steps: NDArray[np.int64], ratios: NDArray[np.float64]) -> Course:
    """Say where they lay; ratios: of curvature and line."""
    rows = slice(int(len(ratios) * (1 - LATE_SHARE)), None)
    reached = steps[ratios >= 1]
    late, last = (steps >= steps[-1] * (1 - share) for share in (LATE_SHARE, LATE_SHARE / 2))
    low, high = np.quantile(ratios[late], [0.1, 0.9])
    half, whole, third, fourth = (float(np.median(ratios[part])) for part in (rows, late, late & ~last, last))
    first = int(reached[0]) if len(reached) else None
    return Course(int(steps[rows][0]), half, first, whole, third, fourth, float(low), float(high))


def reason(run: Course) -> str:
    """Say why a run does not lie within 1 % of its line, by what was measured; nothing where it does."""
    if abs(run.late - 1) <= NEAR:
        return "" if abs(run.half - 1) <= NEAR else f"settles after step {run.start}, where these rows begin"
    moved = f"{run.third_quarter:.3f} in the third quarter of the steps, {run.last_quarter:.3f} in the last"
    if run.late < AT_EDGE:
        return f"below its edge: {moved}"
    if abs(run.last_quarter - run.third_quarter) > NEAR:
        return f"not settled: {moved}"
    if run.swing > WIDE and run.low < 1 < run.high:
        return "swings across the line"
    if run.low < 1 < run.high:
        return "its middle 80 % holds the line, without a swing"
    return f"beside the line: {moved}"


@dataclass(frozen=True)
class Run:
    """A trained run. settings: task, optimizer, mu, batch size, eta. course: None where it diverged."""

    settings: tuple[str, str, float, int, float]
    course: Course | None


def train(task: Task, folder: Path) -> list[Run]:
    """Train a task, and say where the column of each run lay."""
    runs = folder / f"runs-{len(list(folder.glob('runs-*')))}"
    train_study("plateaus", task.study, Store(folder / "store"), runs, available_cores(), "cpu")
    return [_run(task, path) for path in sorted(runs.glob("*.parquet"))]


def _run(task: Task, path: Path) -> Run:
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[b"mstudy"])
    known = table.filter(table[task.column].is_valid())
    eta, mu = about["learning_rate"], about["momentum"]
    line = stability_line(about["optimizer"], eta, mu)
    if task.column == "batch_sharpness":
        line = 2 * (1 - mu) / eta
    settings = (task.name, about["optimizer"], mu, about["batch_size"], eta)
    if about["status"] != "completed" or line is None:
        return Run(settings, None)
    return Run(settings, course(known["step"].to_numpy(), known[task.column].to_numpy() / line))


def report(full: list[Run], mini: list[Run]) -> str:
    """Return both tables as Markdown."""
    head = (__doc__ or "").replace("lambda_max", "λ_max")
    return "\n".join(
        [
            "# Plateaus of curvature",
            "",
            head.partition("\n\n")[2].strip(),
            "",
            "Rows are logged at gaps that grow with the step, so the second half of the rows begins early, where some",
            "runs are still on their way to the line. So two medians are given: over these rows, and over the second",
            "half of the steps, there with the bounds of the middle 80 %. A reason stands where one of the two is not",
            f"within {NEAR:.0%} of the line; it is told by these numbers alone. A swing is a middle 80 % that is wider",
            f"than {WIDE:.0%} of the line.",
            "",
            "## Full batch: λ_max against the stability line",
            "",
            *_counts(full),
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


def _counts(runs: list[Run]) -> list[str]:
    completed = [run.course for run in runs if run.course]
    by_rows = [run.half for run in completed if run.half > AT_EDGE]
    at_edge = [run for run in completed if run.late > AT_EDGE]
    calm, swinging = ([run.late for run in at_edge if (run.swing > WIDE) is wide] for wide in (False, True))
    return [
        f"Of {len(runs)} runs {len(completed)} are completed. Come to their edge, above {AT_EDGE:g} of the line:",
        "",
        f"* over the second half of the rows {len(by_rows)}, {_near(by_rows)} of them within {NEAR:.0%} of it;",
        f"* over the second half of the steps {len(at_edge)}, {_near(calm + swinging)} of them within {NEAR:.0%}: "
        f"{_near(calm)} of the {len(calm)} that do not swing, {_near(swinging)} of the {len(swinging)} that do.",
    ]


def _near(ratios: list[float]) -> int:
    return sum(abs(ratio - 1) <= NEAR for ratio in ratios)


def _table(runs: list[Run], name: str) -> list[str]:
    head = ["task", "optimizer", "μ", "b", "η", "at the line from step", f"{name}: 2nd half of rows", "of steps"]
    head += ["middle 80 %", f"why not within {NEAR:.0%}"]
    rows = [_cells(run) for run in sorted(runs, key=lambda run: run.settings)]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _cells(run: Run) -> list[str]:
    cells = [f"{part:g}" if isinstance(part, float) else str(part) for part in run.settings]
    if run.course is None:
        return [*cells, "", "", "", "", "diverged"]
    at = run.course
    reached = "never" if at.reached is None else f"{at.reached}"
    return [*cells, reached, f"{at.half:.4f}", f"{at.late:.4f}", f"{at.low:.3f} to {at.high:.3f}", reason(at)]


def main() -> None:
    """Train, compare, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        full = [run for task in full_batch_tasks(folder) for run in train(task, folder)]
        mini = [run for task in mini_batch_tasks() for run in train(task, folder)]
    text = report(full, mini)
    if asked.write:
        REPORT.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
