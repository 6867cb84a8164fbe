"""Tiny runs with known truth; a command line; a web server on this machine."""

import signal
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from mstudy.cli import app as cli
from mstudy.core import optimizers
from mstudy.runlog.format.writer import write_run

from tests.loopback import Server


def about(**changes):
    """A log's metadata, by default of an SGD run."""
    run = {"schema": 1, "learning_rate": 0.1, "momentum": 0.0, "optimizer": "sgd", "batch_size": 8, "seed": 0}
    run |= {"study": "tiny", "model": "m", "dataset": "d", "objective": "o", "n_train": 64, "status": "completed"}
    run |= {"diverged_step": None} | changes
    return run | {"run_id": changes.get("run_id", "-".join(str(run[k]) for k in _NAMED))}


_NAMED = ("batch_size", "learning_rate", "momentum", "seed")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def mystery(monkeypatch):
    """An optimizer with momentum of which theory says nothing."""
    entry = optimizers.Optimizer(
        name="mystery",
        label="Mystery",
        other_names=(),
        has_momentum=True,
        rate_divisor=lambda mu: 1.0,
        line=None,
        line_text="",
        final_lag=None,
        deterministic_share=None,
    )
    monkeypatch.setitem(optimizers._BY_NAME, entry.name, entry)
    return entry


@pytest.fixture
def save_run(tmp_path):
    """Write one log below tmp_path/runs: save_run(columns, **metadata) -> path."""

    def save(columns: dict | None = None, name: str | None = None, **metadata) -> Path:
        run = about(**metadata)
        folder = tmp_path / "runs"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name or run['run_id']}.parquet"
        own = 1e-6 * zlib.crc32(path.stem.encode()) / 2**32  # no two runs are the same
        rows = columns or {"step": np.arange(5), "loss": np.linspace(1.0, 0.5 + own, 5)}
        write_run(path, rows, run)
        return path

    return save


@pytest.fixture
def save_sweep(save_run, rng, tmp_path):
    """A sweep in which SGD's curvature jumps at step 120 + 10 seed and its loss then stalls; SGDM goes on.

    The jump happens only for eta_ef >= 0.2; at 0.8 SGD diverges at once. optimizer: that of the other run of each pair.
    """

    def save(seeds=3, batch_sizes=(8, 16), rates=(0.05, 0.1, 0.2, 0.4, 0.8), optimizer="heavy_ball") -> Path:
        for b in batch_sizes:
            for eta_ef in rates:
                for seed in range(seeds):
                    _save_pair(save_run, rng, b, eta_ef, seed, optimizer)
        return tmp_path / "runs"

    return save


def _save_pair(save_run, rng, b, eta_ef, seed, optimizer):
    steps = np.arange(300)
    jump_at = 120 + 10 * seed
    smooth = np.exp(-0.003 * steps - 0.01 * seed)
    noise = rng.normal(0, 0.05, size=(2, len(steps)))
    jumped = (steps >= jump_at) & (eta_ef >= 0.2)
    own_level = np.exp(rng.normal(0, 0.004, 2))  # of the two runs: seeds differ
    stalled = own_level[0] * np.where(jumped, smooth * np.exp(0.0015 * (steps - jump_at)), smooth)
    calm = 0.1 * np.exp(noise[0])
    sharp = np.where(jumped, 2 / eta_ef, 0.1) * np.exp(noise[1])
    sgd = {"step": steps, "loss": stalled, "directional_curvature": sharp}
    if eta_ef >= 0.8:
        sgd = {name: values[:4] for name, values in sgd.items()}
        save_run(sgd, learning_rate=eta_ef, batch_size=b, seed=seed, status="diverged", diverged_step=4)
    else:
        save_run(sgd, learning_rate=eta_ef, batch_size=b, seed=seed)
    sgdm = {"step": steps, "loss": own_level[1] * np.interp(steps - 9, steps, smooth), "directional_curvature": calm}
    rate = round(eta_ef * optimizers.optimizer_of(optimizer).rate_divisor(0.9), 9)
    save_run(sgdm, learning_rate=rate, momentum=0.9, optimizer=optimizer, batch_size=b, seed=seed)


@pytest.fixture
def mstudy(monkeypatch, capsys):
    """Run a command line; returns (exit code, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["mstudy", *map(str, arguments)])
        usual = signal.getsignal(signal.SIGINT)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        signal.signal(signal.SIGINT, usual)  # an interrupted command ignores what comes after
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run


@pytest.fixture
def server(monkeypatch):
    """A web server on 127.0.0.1; no proxy stands before it."""
    monkeypatch.setenv("no_proxy", "*")
    server = Server()
    yield server
    server.stop()
