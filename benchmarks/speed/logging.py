"""What one's own logging costs: RunLogger.log, CurvatureProbe, reading a large event file.

python -m benchmarks.speed.logging [--write]: Markdown to stdout, or to benchmarks/logging.md. The extra `bench` has the
rivals; one that is not installed is named as such in its table.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from mstudy.data.digits import load_digits
from mstudy.importers.tensorboard.find import find_tensorboard
from mstudy.models.build import build
from mstudy.probe.curvature_probe import CurvatureProbe
from mstudy.runlog.recording.logger import RunLogger
from mstudy.train.ensemble.determinism import repeatable
from torch import Tensor, nn

from benchmarks.speed.events import write_events
from benchmarks.speed.rivals import ABSENT, Batch, loss_of, rivals_table
from benchmarks.speed.timing import cpu, table

ROUNDS = 5
CALLS = 20_000
MEGABYTES = 150.0
FEW_MEGABYTES = 15.0  # for readers that take minutes for more
PACKAGES = ("hessian-eigenthings", "curvlinops-for-pytorch")
SETTINGS = {"learning_rate": 0.1, "momentum": 0.0, "batch_size": 8, "seed": 0}


def seconds(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Processor time of one call, the least of several."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        call()
        times.append(time.process_time() - started)
    return min(times)


def logger_table(folder: Path) -> str:
    """Microseconds a call, and of the end of a run."""
    rows = []
    for n_columns in (0, 1, 4, 9):
        columns = {f"column_{k}": 0.123456789 + k for k in range(n_columns)}
        calls, ends = [], []
        for _ in range(ROUNDS):
            log = RunLogger(folder / "run.parquet", overwrite=True, **SETTINGS)
            started = time.process_time()
            for step in range(CALLS):
                log.log(step, 1 / (step + 1), **columns)
            logged = time.process_time()
            log.finish()
            calls.append(logged - started)
            ends.append(time.process_time() - logged)
        rows.append([str(2 + n_columns), f"{1e6 * min(calls) / CALLS:.1f}", f"{1e6 * min(ends) / CALLS:.1f}"])
    return table(["columns", "`log`, µs a call", "`finish`, µs a row"], rows)


@dataclass(frozen=True)
class Case:
    """A model, the samples of its curvature, and how many of them are seen at a time; None: all."""

    name: str
    model: nn.Module
    batch: Batch
    chunk: int | None = None


def cases() -> list[Case]:
    """A small perceptron, a deep network, and the same in chunks."""
    digits = load_digits()
    chance = torch.Generator().manual_seed(0)
    images = torch.randn(128, 3, 32, 32, generator=chance), torch.randint(10, (128,), generator=chance)
    inputs = torch.as_tensor(digits.inputs, dtype=torch.float32).flatten(1)
    perceptron, deep = build("mlp-tanh-64-64", (64,), 10), build("resnet18-group-8", (3, 32, 32), 10)
    return [
        Case("mlp-tanh-64-64, digits", perceptron, (inputs, torch.as_tensor(digits.targets))),
        Case("resnet18-group-8, random images", deep, images),
        Case("resnet18-group-8, chunks of 32", deep, images, 32),
    ]


def probe_table() -> str:
    """In units of one gradient of the same samples."""
    head = ["model", "samples", "gradient, ms", "curvature along the update", "with sharpness", "a step without a row"]
    return table(head, [[case.name, str(len(case.batch[0])), *_probe_costs(case)] for case in cases()])


def _probe_costs(case: Case) -> list[str]:
    bench = Bench(case)
    costs = [bench.cost(**options) for options in ({}, {"sharpness_every": 1}, {"every": 10**9, "start_step": 1})]
    return [f"{1e3 * bench.gradient:.2f}", *(f"{cost:.2f}" for cost in costs)]


CRITICAL = {"directional_curvature": False, "critical_sharpness_every": 1}


def critical_table() -> str:
    """The critical sharpness beside the curvature along the update: passes, and units of one gradient."""
    head = ["model", "samples", "calls of the loss: curvature", "critical sharpness"]
    head += ["gradients: curvature", "critical sharpness", "critical sharpness / curvature"]
    return table(head, [[case.name, str(len(case.batch[0])), *_critical_costs(case)] for case in cases()])


def _critical_costs(case: Case) -> list[str]:
    bench = Bench(case)
    calls = [bench.calls(**options) for options in ({}, CRITICAL)]
    curvature, critical = bench.cost(), bench.cost(**CRITICAL)
    return [*map(str, calls), f"{curvature:.2f}", f"{critical:.2f}", f"{critical / curvature:.2f}"]


class Bench:
    """Steps of an optimizer with the probe and without. gradient: seconds of one gradient of all samples."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._optimizer = torch.optim.SGD(case.model.parameters(), lr=1e-3)
        self._gradient()
        self._plain = seconds(self._optimizer.step, 20)
        self.gradient = seconds(self._gradient)

    def cost(self, **options: Any) -> float:
        """What the probe adds to a step, in gradients."""
        probe = self._probe(loss_of, options)
        self._optimizer.step()  # the first searches for the sharpness and the critical one start from nothing
        cost = (seconds(self._optimizer.step) - self._plain) / self.gradient
        probe.remove()
        return cost

    def calls(self, **options: Any) -> int:
        """How often the probe calls the loss in a step that is not the first: each is a forward pass of its samples."""
        calls = itertools.count()  # the probe puts back what a loss notes in lists and variables around it

        def counted(model: nn.Module, batch: Batch) -> Tensor:
            next(calls)
            return loss_of(model, batch)

        probe = self._probe(counted, options)
        self._optimizer.step()  # the first row is checked too
        first = next(calls)
        self._optimizer.step()
        probe.remove()
        return next(calls) - first - 1

    def _probe(self, loss: Callable[[nn.Module, Batch], Tensor], options: dict[str, Any]) -> CurvatureProbe:
        case = self._case
        return CurvatureProbe(case.model, loss, case.batch, self._optimizer, chunk=case.chunk, **options)

    def _gradient(self) -> None:
        self._optimizer.zero_grad()
        loss_of(self._case.model, self._case.batch).backward()


def installed(*packages: str) -> str:
    """Each package with its version, or that it is not installed."""
    return ", ".join(f"{package} {_version(package) or ABSENT}" for package in packages)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def ours(folder: Path) -> None:
    """mstudy's reader, from the folder to series."""
    for found in find_tensorboard(folder):
        found.read()


def event_accumulator(folder: Path) -> None:
    """tensorboard's own, told to keep all points: it keeps 10,000 of a tag otherwise."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}).Reload()


def tb_parse(folder: Path) -> None:
    """tbparse, to a data frame."""
    from tbparse import SummaryReader

    _ = SummaryReader(str(folder)).scalars


# Name in the table to the reader, and the package that it is of.
READERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "**mstudy**": (ours, "mstudy"),
    "tensorboard `EventAccumulator`": (event_accumulator, "tensorboard"),
    "tbparse": (tb_parse, "tbparse"),
}


def events_table(folder: Path) -> str:
    """Seconds of processor time."""
    rows = []
    for megabytes in (FEW_MEGABYTES, MEGABYTES):
        place = folder / f"{megabytes:g}"
        place.mkdir()
        n = write_events(place / "events.out.tfevents.1.host", megabytes)
        for name, (reader, package) in READERS.items():
            if megabytes == FEW_MEGABYTES or reader is ours:
                rows.append([name, f"{megabytes:g}", f"{n:,}", _spent(reader, package, place)])
    return table(["reader", "MB", "scalars", "seconds"], rows)


def _spent(reader: Callable[[Path], None], package: str, folder: Path) -> str:
    """Seconds of a reader, or that its package is not installed."""
    if _version(package) is None:
        return ABSENT
    return f"{seconds(lambda: reader(folder), 3 if reader is ours else 1):.2f}"


def report() -> str:
    """The section, in Markdown."""
    with tempfile.TemporaryDirectory() as folder, repeatable():
        parts = [
            "## Logging one's own runs (`benchmarks/speed/logging.py`)",
            f"Machine: {cpu()}. Versions: {installed('torch', 'tensorboard', 'tbparse')}.\n"
            f"Processor time of one thread; least of {ROUNDS} (of 3 for our reader, once for the other two).",
            f"`RunLogger`, {CALLS:,} rows: each is with the operating system when `log` returns. `finish` reads the "
            "journal back and writes the Parquet file.",
            logger_table(Path(folder)),
            "`CurvatureProbe`, in gradients (forward and backward pass) of the same samples, beyond the optimizer's "
            "own step. The curvature comes with the loss at the same weights; the sharpness is a search that starts "
            "from the last one's vector.",
            probe_table(),
            "The critical sharpness for models too large for a second derivative, beside one curvature along the "
            "update. Calls of the loss: forward passes of a step; chunks are counted each. The curvature's is "
            "differentiated twice, those of the critical sharpness never. Gradients as above.",
            critical_table(),
            "The curvature along each update, by `CurvatureProbe` and by others, in gradients of the same samples "
            f"beyond the optimizer's own step (`benchmarks/speed/rivals.py`): {installed(*PACKAGES)}.\n"
            "Medians of processor time, taken in turns.",
            rivals_table(),
            "TensorBoard event files, four tags, each scalar an event; ours checks every checksum.",
            events_table(Path(folder)),
        ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Print or write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    text = report()
    if options.write:
        (Path(__file__).parents[1] / "logging.md").write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
