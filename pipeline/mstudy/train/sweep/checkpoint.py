"""An ensemble under way, in one file that is there whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mstudy.core.errors import TrainingError
from mstudy.core.files import write_whole
from mstudy.train.configs import TRAINING_VERSION, RunConfig, digest


def checkpoint_path(store: Path, runs: Sequence[RunConfig]) -> Path:
    """Return where the checkpoint of these runs, trained together, lies: named by all that determines its numbers."""
    return store / "checkpoints" / f"{digest([TRAINING_VERSION, [run.run_id for run in runs]])}.pt"


def save(path: Path, saved: dict[str, Any]) -> None:
    """Write a checkpoint. Raises LogError where the disk refuses it."""
    buffer = io.BytesIO()  # torch reports a full disk as an internal error; our own write, as the disk's
    torch.save(saved, buffer)
    with buffer.getbuffer() as content:  # given back also on an error, else the buffer cannot be freed
        write_whole(path, content, "A checkpoint")


def load(path: Path) -> dict[str, Any] | None:
    """Return the checkpoint, or None where there is none. Raises TrainingError for a damaged one."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TrainingError(f"A checkpoint must be readable, found at {path}: {error.strerror}.") from None
    try:
        saved: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # torch raises a dozen kinds, by where the damage lies
        raise TrainingError(
            f"A checkpoint must be as it was written, found damage in {path}; delete it to train its runs anew."
        ) from None
    return saved
