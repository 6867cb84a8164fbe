"""What one's own logging costs: RunLogger.log, CurvatureProbe, reading a large event file.

python -m benchmarks.speed.logging [--write]: Markdown to stdout, or to benchmarks/logging.md. Needs the extra `bench`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from mstudy.data.digits import load_digits
from mstudy.importers.tensorboard.find import find_tensorboard
from mstudy.models.build import build
from mstudy.probe.curvature_probe import CurvatureProbe
from mstudy.runlog.recording.logger import RunLogger
from mstudy.train.ensemble.determinism import repeatable
from tbparse import SummaryReader
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from benchmarks.speed.events import write_events
from benchmarks.speed.rivals import Batch, loss_of, rivals_table
from benchmarks.speed.timing import cpu, table

ROUNDS = 5
CALLS = 20_000
MEGABYTES = 150.0
FEW_MEGABYTES = 15.0  # for readers that take minutes for more
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


def probe_table() -> str:
    """In units of one gradient of the same samples."""
    digits = load_digits()
    chance = torch.Generator().manual_seed(0)
    images = torch.randn(128, 3, 32, 32, generator=chance), torch.randint(10, (128,), generator=chance)
    cases: dict[str, tuple[nn.Module, Batch, int | None]] = {
        "mlp-tanh-64-64, digits": (
            build("mlp-tanh-64-64", (64,), 10),
            (torch.as_tensor(digits.inputs, dtype=torch.float32).flatten(1), torch.as_tensor(digits.targets)),
            None,
        ),
        "resnet18-group-8, random images": (build("resnet18-group-8", (3, 32, 32), 10), images, None),
        "resnet18-group-8, chunks of 32": (build("resnet18-group-8", (3, 32, 32), 10), images, 32),
    }
    rows = [[name, str(len(case[1][0])), *_probe_costs(*case)] for name, case in cases.items()]
    head = ["model", "samples", "gradient, ms", "curvature along the update", "with sharpness", "a step without a row"]
    return table(head, rows)


def _probe_costs(model: nn.Module, batch: Batch, chunk: int | None) -> list[str]:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

    def gradient() -> None:
        optimizer.zero_grad()
        loss_of(model, batch).backward()

    gradient()
    plain = seconds(optimizer.step, 20)
    unit = seconds(gradient)
    costs = []
    for options in ({}, {"sharpness_every": 1}, {"every": 10**9, "start_step": 1}):
        probe = CurvatureProbe(model, loss_of, batch, optimizer, chunk=chunk, **options)
        optimizer.step()  # the first search for the sharpness starts from nothing
        costs.append((seconds(optimizer.step) - plain) / unit)
        probe.remove()
    return [f"{1e3 * unit:.2f}", *(f"{cost:.2f}" for cost in costs)]


def _versions() -> str:
    names = [name for name in ("hessian-eigenthings", "curvlinops-for-pytorch") if _is_there(name)]
    return ", ".join(f"{name} {version(name)}" for name in names) or "no other library is installed"


def _is_there(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def ours(folder: Path) -> None:
    """mstudy's reader, from the folder to series."""
    for found in find_tensorboard(folder):
        found.read()


def event_accumulator(folder: Path) -> None:
    """tensorboard's own, told to keep all points: it keeps 10,000 of a tag otherwise."""
    EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}).Reload()


def tb_parse(folder: Path) -> None:
    """tbparse, to a data frame."""
    _ = SummaryReader(str(folder)).scalars


def events_table(folder: Path) -> str:
    """Seconds of processor time."""
    rows = []
    readers = {"**mstudy**": ours, "tensorboard `EventAccumulator`": event_accumulator, "tbparse": tb_parse}
    for megabytes in (FEW_MEGABYTES, MEGABYTES):
        place = folder / f"{megabytes:g}"
        place.mkdir()
        n = write_events(place / "events.out.tfevents.1.host", megabytes)
        for name, reader in readers.items():
            if megabytes == FEW_MEGABYTES or reader is ours:
                spent = seconds(lambda read=reader, at=place: read(at), 3 if reader is ours else 1)
                rows.append([name, f"{megabytes:g}", f"{n:,}", f"{spent:.2f}"])
    return table(["reader", "MB", "scalars", "seconds"], rows)


def report() -> str:
    """The section, in Markdown."""
    with tempfile.TemporaryDirectory() as folder, repeatable():
        parts = [
            "## Logging one's own runs (`benchmarks/speed/logging.py`)",
            f"Machine: {cpu()}. Versions: torch {torch.__version__}, tensorboard {version('tensorboard')}, "
            f"tbparse {version('tbparse')}.\nProcessor time of one thread; least of {ROUNDS} (of 3 for our reader, "
            "once for the other two).",
            f"`RunLogger`, {CALLS:,} rows: each is with the operating system when `log` returns. `finish` reads the "
            "journal back and writes the Parquet file.",
            logger_table(Path(folder)),
            "`CurvatureProbe`, in gradients (forward and backward pass) of the same samples, beyond the optimizer's "
            "own step. The curvature comes with the loss at the same weights; the sharpness is a search that starts "
            "from the last one's vector.",
            probe_table(),
            "The curvature along each update, by `CurvatureProbe` and by others, in gradients of the same samples "
            f"beyond the optimizer's own step (`benchmarks/speed/rivals.py`): {_versions()}. Medians of processor "
            "time, taken in turns.",
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
