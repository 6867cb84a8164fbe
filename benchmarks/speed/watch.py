"""What `mstudy watch` takes of one core while 100 runs write, in a terminal, with and without the page.

python -m benchmarks.speed.watch [--seconds 60] [--write]
"""

from __future__ import annotations

import argparse
import fcntl
import os
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

import numpy as np
from mstudy import RunLogger

from benchmarks.speed.timing import cpu

RUNS, EARLIER_ROWS, ROWS_A_SECOND, SHARPEN_EVERY = 100, 200, 2, 3
START_SECONDS = 30.0
ROWS, COLUMNS = 50, 140  # of the terminal


class Writers:
    """100 runs that log twice a second; every third one sharpens in the course of the measurement."""

    def __init__(self, folder: Path) -> None:
        settings = {"learning_rate": 0.1, "momentum": 0.0, "batch_size": 8, "steps": 20_000, "study": "s"}
        self._logs = [RunLogger(folder / f"run-{seed:03}.parquet", seed=seed, **settings) for seed in range(RUNS)]
        self._rng = np.random.default_rng(0)
        self._jumps = self._rng.integers(EARLIER_ROWS // 2, EARLIER_ROWS + 100, RUNS)
        self._step = 0

    def write_row(self) -> None:
        """One row of each run."""
        noise = np.exp(self._rng.normal(0, 0.1, RUNS))
        for seed, log in enumerate(self._logs):
            sharp = seed % SHARPEN_EVERY == 0 and self._step >= self._jumps[seed]
            level = 15.0 if sharp else 0.5
            log.log(self._step, float(np.exp(-0.003 * self._step)), directional_curvature=level * noise[seed])
        self._step += 1

    def write_until(self, end: threading.Event) -> None:
        """Write a row of each run twice a second."""
        while not end.wait(1 / ROWS_A_SECOND):
            self.write_row()


def measure(seconds: float, page: bool) -> tuple[float, float]:
    """Return seconds of processor time for the start, and the share of a core after it."""
    with tempfile.TemporaryDirectory() as name:
        writers, end = Writers(Path(name) / "runs"), threading.Event()
        for _ in range(EARLIER_ROWS):
            writers.write_row()
        writing = threading.Thread(target=writers.write_until, args=(end,))
        writing.start()
        command = [sys.executable, "-m", "mstudy.cli.app", "watch", f"{name}/runs"]
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = os.environ | {"TERM": "xterm-256color"}
        child = subprocess.Popen(
            command + (["--page", f"{name}/out"] if page else []), stdout=theirs, stdin=theirs, env=environment
        )
        drain = threading.Thread(target=_drain, args=(ours,), daemon=True)
        drain.start()
        try:
            time.sleep(START_SECONDS)
            begun, began = _processor_seconds(child.pid), time.monotonic()
            time.sleep(seconds)
            taken, passed = _processor_seconds(child.pid) - begun, time.monotonic() - began
        finally:
            child.terminate()
            child.wait()
            end.set()
            writing.join()
        return begun, taken / passed


def _drain(terminal: int) -> None:
    try:
        while os.read(terminal, 1 << 16):
            pass
    except OSError:  # the other end is closed
        return


def _processor_seconds(pid: int) -> float:
    """Of the process and of the children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def section(seconds: float) -> str:
    """Return the page of the benchmark."""
    rows = [
        f"| {name} | {start:.1f} s | {100 * share:.1f} % |"
        for name, page in (("table", False), ("table and `--page`", True))
        for start, share in [measure(seconds, page)]
    ]
    return "\n".join(
        [
            "## Runs under way (`python -m benchmarks.speed.watch --write`)",
            "",
            f"Machine: {cpu()}. `mstudy watch` in a terminal of {ROWS} lines while {RUNS} runs each write "
            f"{ROWS_A_SECOND} rows a second after {EARLIER_ROWS} rows; a third of them sharpen. Processor time of its "
            f"process: of the first {START_SECONDS:.0f} seconds (imports, and every run judged once), and the share of "
            f"one core in the {seconds:.0f} seconds after.",
            "",
            "| shown | at the start | share of one core |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Print or write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    text = section(options.seconds)
    if options.write:
        (Path(__file__).parents[1] / "watch.md").write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
