"""One file, examined: its problems, and, unless one is an error, its run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mstudy.core.analysis_params import AS_SHIPPED, Reading
from mstudy.core.errors import shown
from mstudy.core.statuses import RunStatus
from mstudy.runlog.format.digest import content_digest
from mstudy.runlog.format.schema import COLUMNS
from mstudy.runlog.raw.log import (
    Log,
    as_log,
    curvature_state,
    divergence_of,
    final_loss,
    metadata_text,
    open_file,
    other_curvatures,
    read_columns,
    rows_digest,
    stated_digest,
)
from mstudy.runlog.raw.metadata import Metadata, parse_metadata, run_row
from mstudy.runlog.rules.column_types import SCHEMA
from mstudy.runlog.rules.file_content import CONTENT, first_line
from mstudy.runlog.rules.manifest_entries import STATED, Stated
from mstudy.runlog.rules.metadata_fields import METADATA
from mstudy.runlog.rules.row_values import ROWS
from mstudy.runlog.rules.rule import Problem, has_error
from mstudy.runlog.rules.together.trained_alike import stated
from mstudy.runlog.rules.unreadable import COMPARING, ENTRY, READING


@dataclass(frozen=True)
class Examined:
    """run: the row of rules.scanned.SCANNED, None where a problem is an error. rows: as `read_columns` returns them."""

    run: dict[str, Any] | None
    problems: list[Problem]
    rows: pa.Table | None = None


def digest_of(content: bytes) -> str:
    """Return what tells one content from another."""
    return blake2b(content, digest_size=16).hexdigest()


def examine(content: bytes, path: str, listed: Metadata, reading: Reading = AS_SHIPPED) -> Examined:
    """Check one file. path: its name below the runs folder. listed: what the manifest says of it.

    Each stage of rules needs the ones before it; within one every problem is found.
    """
    problems = CONTENT.problems(content, path)
    if has_error(problems):
        return Examined(None, problems)
    file = open_file(content)
    schema = file.schema_arrow
    problems += SCHEMA.problems(schema, path)
    metadata, problems_found = _metadata(file, path, listed)
    problems += problems_found
    if has_error(problems):
        return Examined(None, problems)
    table, log, problems_found = _rows(file, schema.names, path, metadata, reading)
    problems += problems_found
    if log is None or has_error(problems):
        return Examined(None, problems)
    return Examined(_describe(log, metadata, path, reading.quantity) | {"digest": digest_of(content)}, problems, table)


def _metadata(file: pq.ParquetFile, path: str, listed: Metadata) -> tuple[Metadata, list[Problem]]:
    try:
        own = parse_metadata(metadata_text(file))
    except ValueError as error:
        return {}, ENTRY.problems(str(error), path)
    problems = STATED.problems(Stated(own, listed), path)
    metadata = listed | {key: value for key, value in own.items() if value is not None or key not in listed}
    return metadata, problems + METADATA.problems(metadata, path)


def _rows(
    file: pq.ParquetFile, names: list[str], path: str, metadata: Metadata, reading: Reading
) -> tuple[pa.Table | None, Log | None, list[Problem]]:
    try:
        table = read_columns(file, [name for name in COLUMNS if name in names])
    except (pa.ArrowException, OSError, ValueError) as error:
        return None, None, READING.problems(first_line(error), path)
    step = metadata.get("diverged_step")
    diverged, is_branch = metadata.get("status") == RunStatus.DIVERGED, metadata.get("branch_of") is not None
    log = as_log(table, diverged, None if step is None else int(step), is_branch, reading.scale)
    return table, log, COMPARING.problems(_change(file, log), path) + ROWS.problems(log, path)


def _change(file: pq.ParquetFile, log: Log) -> str | None:
    """Return how the content differs from the digest that the log states. Return None where it does not differ."""
    digest = stated_digest(file)
    if digest is None:
        return None
    columns = {"step": log.step, "loss": log.loss} | log.values
    found = content_digest(metadata_text(file) or b"", columns)
    return None if digest == found else f"sha256 {found[:12]}..., stated {shown(digest[:12])}"


def _describe(log: Log, metadata: Metadata, path: str, quantity: str) -> dict[str, Any]:
    return run_row(metadata, path) | {
        "diverged_step": divergence_of(log),
        "n_points": log.n_rows,
        "first_step": int(log.step[0]),
        "origin": log.origin,
        "first_loss": float(log.loss[0]) if log.step[0] == 0 else None,
        "start_loss": float(log.loss[0]),
        "scale": log.scale.value,
        "rows_digest": rows_digest(log),
        "stated": stated(metadata),
        "last_step": int(log.step[-1]),
        "final_loss": final_loss(log),
        "judged": quantity,
        "curvature": curvature_state(log, quantity),
        "other_curvatures": other_curvatures(log, quantity),
        "curvature_of": _definition(metadata),
    }


def _definition(metadata: Metadata) -> str:
    """Return what the log says of its curvature: of how many samples, and anything else that it notes under
    `curvature`.
    """
    samples = metadata.get("curvature_samples")
    whole = samples is None or samples == metadata.get("n_train")
    of = "of the whole training set" if whole else f"of {json.dumps(samples, default=str)[:40]} samples"
    note = metadata.get("curvature")
    return of if note is None else f"{of}, {json.dumps(note, sort_keys=True, default=str)[:200]}"
