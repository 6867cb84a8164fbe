"""Folders of synthetic runs: sweeps in which SGD's curvature jumps, its loss stalls, and the largest rate diverges.

Each sweep has 5 batch sizes, 9 effective learning rates, 3 momenta and 5 seeds, as the default study: 675 runs. The
values are drawn from smooth curves and autocorrelated noise; nothing is trained.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from mstudy.core.statuses import RunStatus
from mstudy.runlog.format.schema import METADATA_KEY
from numpy.typing import NDArray
from scipy.signal import lfilter

BATCH_SIZES = (16, 64, 256, 512, 1024)
RATES = tuple(0.01 * 2**k for k in range(9))
MOMENTA = (0.0, 0.5, 0.9)
SEEDS = 5
_JUMPS_FROM = 0.16


@dataclass(frozen=True)
class Run:
    """One run of a sweep."""

    sweep: int
    batch_size: int
    eta_ef: float
    seed: int
    momentum: float

    @property
    def name(self) -> str:
        """run_id."""
        return f"{self.sweep}-{self.batch_size}-{self.eta_ef:g}-{self.seed}-{self.momentum:g}"


def all_runs() -> Iterator[Run]:
    """The runs of one sweep after the other, pairs together."""
    sweep = 0
    while True:
        for b, eta_ef, seed, momentum in product(BATCH_SIZES, RATES, range(SEEDS), MOMENTA):
            yield Run(sweep, b, eta_ef, seed, momentum)
        sweep += 1


def write_runs(folder: Path, n_runs: int, n_points: int, first: int = 0) -> None:
    """Write runs number `first` to first + n_runs - 1."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, run in enumerate(islice(all_runs(), first, first + n_runs)):
        _write(folder / f"{run.name}.parquet", run, n_points, np.random.default_rng([7, first + k]))


def cadence(n_points: int) -> NDArray[np.int64]:
    """Steps, (n_points,): every one at first, then at gaps that grow up to 20."""
    gaps = np.maximum(1, np.floor(1.01 ** np.arange(-n_points // 10, n_points - n_points // 10 - 1)))
    return np.concatenate([[0], np.cumsum(np.minimum(gaps, 20))]).astype(np.int64)


def _write(path: Path, run: Run, n_points: int, rng: np.random.Generator) -> None:
    steps = cadence(n_points)
    jump_at = 300 * (1 + 0.1 * rng.standard_normal()) * (16 / run.batch_size) ** 0.2
    jumps = run.momentum == 0 and run.eta_ef >= _JUMPS_FROM
    diverges = run.momentum == 0 and run.eta_ef == RATES[-1]
    noise = lfilter([1.0], [1.0, -0.6], rng.normal(0, 0.15, n_points))
    after = jumps & (steps >= jump_at)
    curvature = np.where(after, 2 / run.eta_ef, 0.1) * np.exp(noise)
    stall = 0.3 * -np.expm1(-np.maximum(steps - jump_at, 0.0) / 300) * jumps
    level = rng.normal(0, 0.01)
    loss = np.exp(-2 * run.eta_ef**0.3 * np.log1p(steps / 100) + stall + level + rng.normal(0, 0.005, n_points))
    n = 30 if diverges else n_points
    columns = {
        "loss": loss,
        "directional_curvature": curvature,
        "sharpness": np.where(np.arange(n_points) % 17 == 0, 1.5 * curvature, np.nan),
        "batch_loss": loss * np.exp(rng.normal(0, 0.1, n_points)),
        "grad_norm": np.sqrt(loss),
        "update_norm": run.eta_ef * np.sqrt(loss),
    }
    arrays = {name: pa.array(values[:n], mask=~np.isfinite(values[:n])) for name, values in columns.items()}
    about = {
        "schema": 1,
        "run_id": run.name,
        "study": f"sweep-{run.sweep}",
        "optimizer": "heavy_ball" if run.momentum else "sgd",
        "momentum": run.momentum,
        "learning_rate": round(run.eta_ef * (1 - run.momentum), 12),
        "batch_size": run.batch_size,
        "seed": run.seed,
        "status": RunStatus.DIVERGED if diverges else RunStatus.COMPLETED,
        "diverged_step": int(steps[n]) if diverges else None,
    }
    table = pa.table({"step": steps[:n]} | arrays)
    pq.write_table(
        table.replace_schema_metadata({METADATA_KEY: json.dumps(about)}), path, compression="zstd", use_dictionary=False
    )
