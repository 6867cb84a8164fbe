"""Sharpening of every run: frames in, frame out."""

from __future__ import annotations

import zlib
from dataclasses import asdict

import numpy as np
import polars as pl

from mstudy.events.sharpening import find_sharpening
from mstudy.params import Detect
from mstudy.tables import SHARPENINGS


def detect_sharpenings(runs: pl.DataFrame, points: pl.DataFrame, detect: Detect) -> pl.DataFrame:
    """One row a run (tables.SHARPENINGS). points: one row a logged step, in order within a run."""
    rows = []
    logs = points.partition_by("run_id", as_dict=True)
    for run_id in runs["run_id"]:
        log = logs[(run_id,)]
        found = find_sharpening(
            log["step"].to_numpy(),
            log["directional_curvature"].fill_null(float("nan")).to_numpy(),
            log["loss"].to_numpy(),
            detect,
            generator_for(run_id, detect.seed),
        )
        rows.append({"run_id": run_id, **asdict(found)})
    return SHARPENINGS.frame(rows)


def generator_for(name: str, seed: int) -> np.random.Generator:
    """A generator of one's own for each run or cell: no estimate depends on what else is analysed beside it."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])
