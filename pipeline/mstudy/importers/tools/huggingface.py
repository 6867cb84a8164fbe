"""Hugging Face's Trainer: trainer_state.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mstudy.importers.kind import Kind

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


def find(source: Path, mapping: Mapping) -> list[Found]:
    """Return the runs of a Trainer."""
    from mstudy.importers.documents.huggingface import find_huggingface

    return find_huggingface(source, mapping)


KIND = Kind(
    name="huggingface",
    help="trainer_state.json of Hugging Face's Trainer, with training_args.json beside it.",
    example="mstudy import huggingface output/ --out runs/",
    find=find,
)
