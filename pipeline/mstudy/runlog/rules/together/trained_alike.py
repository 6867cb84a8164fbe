"""Rules on what logs state of their training beside learning rate and momentum: what both runs state must agree."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import polars as pl

from mstudy.core.errors import shown
from mstudy.core.statuses import Severity
from mstudy.runlog.rules.rule import Fault, Stage
from mstudy.runlog.rules.scanned import all_pairs
from mstudy.tables.table import SETTING

TRAINED_ALIKE: Stage[pl.DataFrame] = Stage()
# What changes the losses of a run, under the names that training scripts give it.
# fmt: off
CHANGES_LOSS = frozenset({
    "n_train", "weight_decay", "wd", "l1", "l2", "dropout", "label_smoothing", "augmentation", "augment", "mixup",
    "warmup", "warmup_steps", "warmup_epochs", "warmup_ratio", "schedule", "scheduler", "lr_schedule", "lr_scheduler",
    "lr_scheduler_type", "learning_rate_schedule", "lr_decay", "milestones", "decay_steps",
    "dtype", "precision", "amp", "mixed_precision", "fp16", "bf16", "loss_unit", "loss_units", "loss_scale",
    "reduction", "clip", "clip_norm", "grad_clip", "gradient_clip", "gradient_clip_val", "max_grad_norm",
    "accumulate_grad_batches", "gradient_accumulation_steps", "init", "initialization", "init_scale", "activation",
    "normalization", "normalisation", "batch_norm", "ema", "swa", "maximize", "units",
})
# What may differ between the runs of a pair: what a pair is about, names, and how a run was computed and recorded.
MAY_DIFFER = frozenset({
    "schema", "run_id", "status", "diverged_step", "twin_of", "twin_kind", "branch_of", "intervention", "study",
    "model", "dataset", "objective", "batch_size", "seed", "optimizer", "learning_rate", "lr", "eta",
    "momentum", "mu", "beta", "nesterov", "dampening", "curvature", "curvature_samples", "engine", "width",
    "device", "torch", "host", "hostname", "name", "imported_from", "source_name", "curvature_check",
    "curvature_by", "failed_measurements", "failed_measurements_reason", "rows_left_out", "left_out",
    "learning_rate_changes",
})
# fmt: on
_MAX_LENGTH = 80  # characters of a value that are kept as they are
Told = dict[str, str]


def stated(metadata: dict[str, Any]) -> str:
    """Return, as JSON, what the metadata states apart from the keys in MAY_DIFFER. Equal values give equal text."""
    statements = {
        key: _as_text(value) for key, value in metadata.items() if key not in MAY_DIFFER and value is not None
    }
    return json.dumps(statements, sort_keys=True)


def _as_text(value: Any) -> str:
    """Return 1, 1.0 and the float32 nearest to it as one text; long text by its start and a digest."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:
        return f"{float(value):.6g}"
    text = json.dumps(value, sort_keys=True, default=str)
    if len(text) <= _MAX_LENGTH:
        return text
    return f"{text[:_MAX_LENGTH]}... ({blake2b(text.encode(), digest_size=4).hexdigest()})"


@TRAINED_ALIKE.rule(
    "trained-alike",
    Severity.ERROR,
    "the runs of one setting and batch size agree in what they state of n_train, weight decay, warm-up, schedule, "
    "dtype and whatever else changes a loss",
    "Analyse runs that were trained differently apart: give them different values of study.",
)
def _trained(runs: pl.DataFrame) -> Iterator[Fault]:
    group = [*SETTING, "batch_size"]
    once = runs.filter(pl.col("twin_of").is_null()).group_by(*group, "stated").agg(pl.col("path").sort())
    for _, part in once.sort(*group, "stated").group_by(group, maintain_order=True):
        paths: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for text, of_text in part.select("stated", "path").iter_rows():
            for key, value in json.loads(text).items():
                if key in CHANGES_LOSS:
                    paths[key][value] += of_text
        for key, by_value in paths.items():
            yield from _odd(key, by_value)


def _odd(key: str, paths: dict[str, list[str]]) -> Iterator[Fault]:
    """Name each run whose value is not that of most runs."""
    usual = min(paths, key=lambda value: (-len(paths[value]), min(paths[value])))
    first = min(paths[usual])
    for value in sorted(paths.keys() - {usual}):
        for path in sorted(paths[value]):
            yield Fault(f"its {key} must be that of {first}, {usual}, found {value}.", key, path=path)


@TRAINED_ALIKE.rule(
    "stated-alike",
    Severity.WARNING,
    "the two runs of a pair agree in all else that both state, names of machines and tools apart",
    "Find out whether it changes the loss; if so, the two runs differ in more than momentum.",
)
def _stated(runs: pl.DataFrame) -> Iterator[Fault]:
    group = [*SETTING, "batch_size"]
    pairs = all_pairs(runs).filter(pl.col("stated") != pl.col("stated_sgd"))
    unlike = pairs.group_by(*group, "stated", "stated_sgd").agg(pl.len(), pl.col("path").min()).sort("path")
    for _, part in unlike.group_by(group, maintain_order=True):
        found: dict[str, list[tuple[str, str, str, int]]] = defaultdict(list)
        for own, sgd, count, path in part.select("stated", "stated_sgd", "len", "path").iter_rows():
            for key, value, other in _differing(json.loads(own), json.loads(sgd)):
                found[key].append((path, value, other, count))
        for key, cases in found.items():
            yield from _differs(key, cases)


def _differing(own: Told, sgd: Told) -> Iterator[tuple[str, str, str]]:
    for key in sorted(own.keys() & sgd.keys() - CHANGES_LOSS):
        if own[key] != sgd[key]:
            yield key, own[key], sgd[key]


def _differs(key: str, cases: list[tuple[str, str, str, int]]) -> Iterator[Fault]:
    n_pairs = sum(count for *_, count in cases)
    values = {value for _, own, sgd, _ in cases for value in (own, sgd)}
    if len(values) > max(2, n_pairs):  # a time or a measurement: every run has its own
        return
    path, own, sgd, _ = cases[0]
    text = f"found {own} beside {sgd} of SGD, and such in {n_pairs} pairs"
    yield Fault(f"{shown(key)} must be the same in both runs of a pair, {text}.", key[:_MAX_LENGTH], path=path)
