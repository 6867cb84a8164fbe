"""An ensemble under way, in one file that is there whole or not at all.

The file begins with the SHA-256 of what follows: torch checks no digest of its own, so one flipped bit would change the
numbers of a training without a word.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mstudy.core.errors import TrainingError
from mstudy.core.files import patiently, write_whole
from mstudy.train.configs import TRAINING_VERSION, RunConfig, digest

_TITLE = b"mstudy checkpoint\n"
_DIGEST_BYTES = 32
_HEADER_BYTES = len(_TITLE) + _DIGEST_BYTES


def checkpoint_path(store: Path, runs: Sequence[RunConfig]) -> Path:
    """Return where the checkpoint of these runs, trained together, lies: named by all that determines its numbers."""
    return store / "checkpoints" / f"{digest([TRAINING_VERSION, [run.run_id for run in runs]])}.pt"


def save(path: Path, saved: dict[str, Any]) -> None:
    """Write a checkpoint. Raises LogError where the disk refuses it."""
    buffer = io.BytesIO()  # torch reports a full disk as an internal error; our own write, as the disk's
    buffer.write(bytes(_HEADER_BYTES))
    torch.save(saved, buffer)
    with buffer.getbuffer() as content:  # given back also on an error, else the buffer cannot be freed
        content[:_HEADER_BYTES] = _TITLE + hashlib.sha256(content[_HEADER_BYTES:]).digest()
        write_whole(path, content, "A checkpoint")


def load(path: Path) -> dict[str, Any] | None:
    """Return the checkpoint, or None where there is none. Raises TrainingError for a damaged one."""
    try:
        content = patiently(path.read_bytes)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TrainingError(f"A checkpoint must be readable, found at {path}: {error.strerror}.") from None
    header, body = content[:_HEADER_BYTES], content[_HEADER_BYTES:]
    if header != _TITLE + hashlib.sha256(body).digest():
        raise damage(path)
    try:
        saved: dict[str, Any] = torch.load(io.BytesIO(body), weights_only=True)
    except Exception:  # torch raises a dozen kinds, by what is wrong
        raise damage(path) from None
    return saved


def damage(path: Path) -> TrainingError:
    """Return what to raise for a checkpoint that is not what training wrote."""
    return TrainingError(
        f"A checkpoint must be as it was written, found damage in {path}; delete it to train its runs anew."
    )
