"""What a log says of its run: from the file's own metadata, completed by the manifest."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from mstudy.core.errors import shown
from mstudy.core.optimizers import implied_optimizer
from mstudy.core.outside import RepeatedKeyError, unique_keys
from mstudy.core.statuses import BranchTime, RunStatus
from mstudy.core.theory import effective_rate
from mstudy.runlog.format.schema import TEXT_METADATA

Metadata = dict[str, Any]
_MAX_BYTES = 1_000_000  # of a log's metadata: what it says of its run is in every table and on the page


def parse_metadata(text: bytes | None) -> Metadata:
    """Return the JSON object of a log; an empty one where there is none.

    Raises ValueError where it is no JSON object.
    """
    if text is None:
        return {}
    if len(text) > _MAX_BYTES:
        raise ValueError(f"must have at most {_MAX_BYTES:,} bytes, found {len(text):,}")
    try:
        metadata = json.loads(text.decode("utf-8"), object_pairs_hook=unique_keys)
    except RepeatedKeyError as error:
        raise ValueError(f"must give each key once, found {shown(error.key)} twice") from None
    except (ValueError, RecursionError):
        raise ValueError(f"must be JSON, found {text[:40]!r}") from None
    if not isinstance(metadata, dict):
        raise ValueError(f"must be a JSON object, found {text[:40]!r}")
    return metadata


def run_row(metadata: Metadata, path: str) -> dict[str, Any]:
    """Return the run's row of tables.RUNS, as far as the metadata says. metadata: free of errors."""
    optimizer, momentum = metadata.get("optimizer"), metadata.get("momentum")
    momentum = plain_momentum(float(momentum or 0.0))
    optimizer = optimizer or implied_optimizer(momentum)
    learning_rate, batch_size = float(metadata["learning_rate"]), int(metadata["batch_size"])
    eta_ef = effective_rate(learning_rate, momentum, optimizer)
    intervention = metadata.get("intervention") or {}
    changed = intervention.get("momentum")
    return {
        "run_id": text_of(metadata.get("run_id")) or path.removesuffix(".parquet"),
        "path": path,
        **{key: text_of(metadata.get(key)) for key in TEXT_METADATA},
        "batch_size": batch_size,
        "n_train": whole_of(metadata.get("n_train")),
        "eta_ef": eta_ef,
        "eta_ef_per_sample": eta_ef / batch_size,
        "optimizer": optimizer,
        "momentum": momentum,
        "learning_rate": learning_rate,
        "seed": int(metadata["seed"]),
        "status": metadata.get("status") or RunStatus.COMPLETED,
        "diverged_step": whole_of(metadata.get("diverged_step")),
        "twin_of": name_of(metadata.get("twin_of")),
        "twin_kind": metadata.get("twin_kind"),
        "branch_of": name_of(metadata.get("branch_of")),
        "intervention": intervention.get("kind"),
        "intervention_step": whole_of(intervention.get("step")),
        "intervention_end": whole_of(intervention.get("end")),
        "intervention_parent_end": whole_of(intervention.get("parent_end", intervention.get("end"))),
        "intervention_at": at if (at := intervention.get("at")) in list(BranchTime) else None,
        "intervention_momentum": None if changed is None else plain_momentum(float(changed)),
    }


def text_of(value: Any) -> str:
    """Free text; absent is empty, and a number is its digits."""
    return "" if value is None else str(value)


def name_of(value: Any) -> str | None:
    """Return the name of another run, or nothing."""
    return None if value is None else str(value)


def plain_momentum(momentum: float) -> float:
    """Return the number that was meant, so that it is in one cell: 0.9 where it went through a float32, or 1 - 0.1."""
    single = np.float32(momentum)
    return float(str(single)) if float(single) == momentum else float(f"{momentum:.12g}")


def whole_of(value: Any) -> int | None:
    """Return a whole number that may be written as 3.0, or nothing."""
    return None if value is None else int(value)
