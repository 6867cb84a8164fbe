"""Rules on what a log says of its run, field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from unicodedata import category

from mstudy.core.errors import MAX_MOMENTUM, MAX_NUMBER, MIN_RATE, WHOLE_NUMBERS_END, is_text, shown
from mstudy.core.optimizers import NESTEROV, OPTIMIZERS, SGD, is_optimizer, optimizer_of
from mstudy.core.statuses import BranchTime, CurvatureCheck, RunStatus, Severity, TwinKind
from mstudy.runlog.format.schema import METADATA_KEY, REQUIRED_METADATA, SCHEMA_VERSION, TEXT_METADATA
from mstudy.runlog.rules.rule import Fault, Stage

Metadata = dict[str, Any]
METADATA: Stage[Metadata] = Stage()
_NAMES = ", ".join(each.name for each in OPTIMIZERS)
_WITHOUT_MOMENTUM = ", ".join(each.name for each in OPTIMIZERS if not each.has_momentum)


@METADATA.rule(
    "no-metadata",
    Severity.ERROR,
    f"the file has the metadata entry `{METADATA_KEY}`, or a row in the manifest",
    "Write the entry, or add a manifest with a row for the file (docs/log-format.md).",
)
def _none(metadata: Metadata) -> Iterator[Fault]:
    if not metadata:
        yield Fault(f"the file's metadata must hold the entry {METADATA_KEY!r}, or a manifest its row, found neither.")


@METADATA.rule(
    "schema-version",
    Severity.ERROR,
    f"`schema` is {SCHEMA_VERSION}, where it is given",
    "Read it with the version of mstudy that wrote it.",
)
def _version(metadata: Metadata) -> Iterator[Fault]:
    found = metadata.get("schema", SCHEMA_VERSION)
    if isinstance(found, bool) or found != SCHEMA_VERSION:
        yield Fault(f"the schema version must be {SCHEMA_VERSION}, found {shown(found)}.")


@METADATA.rule(
    "missing-field",
    Severity.ERROR,
    "`learning_rate`, `batch_size`, `seed`, and `optimizer` or `momentum` are given",
    "Add it to the file's metadata or to the manifest.",
)
def _missing(metadata: Metadata) -> Iterator[Fault]:
    if not metadata:
        return
    for key in REQUIRED_METADATA:
        if key not in metadata:
            yield Fault(f"the metadata must give {key}, found {', '.join(sorted(metadata))[:200]}.", key)
    if metadata.get("momentum") is None and metadata.get("optimizer") != SGD:
        yield Fault("the metadata must give momentum unless optimizer is sgd, found neither.", "momentum")


def _is_number(value: Any) -> bool:
    # A whole number of any length is a number to JSON, but not to float().
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_NUMBER


def _is_whole(value: Any) -> bool:
    return _is_number(value) and float(value).is_integer() and abs(value) < WHOLE_NUMBERS_END


_MAX_LENGTH = 1000  # characters of a name: it is repeated in every table and on the page


def _is_text(value: Any) -> bool:
    if not isinstance(value, str):
        return _is_number(value)
    return is_text(value) and len(value) <= _MAX_LENGTH


def _is_name(value: Any) -> bool:
    """Return whether the value can be used as a file name and cannot name anything else."""
    return _is_text(value) and value != "" and not any(c in "/\\" or category(c) == "Cc" for c in str(value))


_DOMAINS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "learning_rate": ("a finite number above 1e-300", lambda v: _is_number(v) and v > MIN_RATE),
    "momentum": ("at least 0 and at most 1 - 1e-9", lambda v: _is_number(v) and 0 <= v <= MAX_MOMENTUM),
    "batch_size": ("a whole number above 0", lambda v: _is_whole(v) and v > 0),
    "seed": ("a whole number", _is_whole),
    "optimizer": (f"one of {_NAMES}", is_optimizer),
    "status": (f"one of {', '.join(tuple(RunStatus))}", lambda v: isinstance(v, str) and v in tuple(RunStatus)),
    "n_train": ("a whole number above 0, or null", lambda v: v is None or (_is_whole(v) and v > 0)),
    "diverged_step": ("a whole number of at least 0, or null", lambda v: v is None or (_is_whole(v) and v >= 0)),
    "run_id": ("text of at least one character, without / or \\ or control characters", lambda v: _is_name(v)),
    "twin_of": ("text of at least one character", lambda v: _is_text(v) and v != ""),
    "twin_kind": (f"one of {', '.join(tuple(TwinKind))}", lambda v: isinstance(v, str) and v in tuple(TwinKind)),
    "branch_of": ("text of at least one character", lambda v: _is_text(v) and v != ""),
    **dict.fromkeys(TEXT_METADATA, (f"text of at most {_MAX_LENGTH} characters", _is_text)),
}


@METADATA.rule(
    "field-value", Severity.ERROR, "each field has a value that it can have", "Correct the value where it was logged."
)
def _value(metadata: Metadata) -> Iterator[Fault]:
    for key, (domain, holds) in _DOMAINS.items():
        # An optional field may as well be absent as null.
        if key in metadata and not holds(metadata[key]) and not (metadata[key] is None and key in _NULLABLE):
            yield Fault(f"{key} must be {domain}, found {shown(metadata[key])}.", key)
    yield from _rate_beyond(metadata.get("learning_rate"), metadata.get("momentum") or 0.0)


def _rate_beyond(learning_rate: Any, momentum: Any) -> Iterator[Fault]:
    """Yield a fault for a learning rate whose effective learning rate no float holds; both are in their domains."""
    known = _DOMAINS["learning_rate"][1](learning_rate) and _DOMAINS["momentum"][1](momentum)
    if known and not _is_number(learning_rate / (1 - momentum)):
        yield Fault(
            f"learning_rate must give an effective learning rate below {MAX_NUMBER}, "
            f"found {shown(learning_rate)} at momentum {shown(momentum)}.",
            "learning_rate",
        )


_NULLABLE = ("optimizer", "momentum", "status", "run_id", "twin_of", "twin_kind", "branch_of", *TEXT_METADATA)


@METADATA.rule(
    "optimizer-momentum",
    Severity.ERROR,
    "momentum is 0 for `sgd` and above 0 otherwise",
    "Correct the one that is wrong.",
)
def _contradiction(metadata: Metadata) -> Iterator[Fault]:
    momentum, optimizer = metadata.get("momentum"), metadata.get("optimizer")
    if momentum is None or not is_optimizer(optimizer) or not _is_number(momentum):
        return
    if optimizer_of(optimizer).has_momentum != (momentum > 0):
        yield Fault(
            f"momentum must be 0 for {_WITHOUT_MOMENTUM} and above 0 otherwise, "
            f"found {shown(momentum)} with {shown(optimizer)}."
        )


@METADATA.rule(
    "batch-too-large",
    Severity.ERROR,
    "a batch is no larger than the training set",
    "Correct batch_size or n_train; of full batch both are the same.",
)
def _batch(metadata: Metadata) -> Iterator[Fault]:
    batch_size: Any = metadata.get("batch_size")
    n_train: Any = metadata.get("n_train")
    if _is_number(batch_size) and _is_number(n_train) and batch_size > n_train > 0:
        yield Fault(f"batch_size must be at most n_train, found {batch_size} of {n_train}.", "batch_size")


@METADATA.rule(
    "momentum-form",
    Severity.ERROR,
    "dampening is 0 where there is momentum, and nesterov, where it is given, says the same as the optimizer",
    "Log runs without dampening, and optimizer nesterov for those with nesterov=True.",
)
def _form(metadata: Metadata) -> Iterator[Fault]:
    momentum: Any = metadata.get("momentum")
    dampening, nesterov = metadata.get("dampening"), metadata.get("nesterov")
    if not _is_number(momentum) or momentum <= 0:
        return
    if dampening is not None and dampening != 0:
        yield Fault(f"dampening must be 0 where momentum is above 0, found {shown(dampening)}.", "dampening")
    is_nesterov = metadata.get("optimizer") == NESTEROV
    if nesterov is not None and nesterov != is_nesterov:
        found = f"{shown(nesterov)} with {shown(metadata.get('optimizer'))}"
        yield Fault(f"nesterov must be true for the optimizer nesterov alone, found {found}.", "nesterov")


@METADATA.rule(
    "changing-rate",
    Severity.ERROR,
    "`learning_rate_changes`, by which an import says that the learning rate is not one number, is not given",
    "Import the run with values.changing_rate = true in the map where its thresholds are to be those of that number.",
)
def _changing(metadata: Metadata) -> Iterator[Fault]:
    change = metadata.get("learning_rate_changes")
    if change is not None:
        yield Fault(f"the learning rate must be one number for a run, found that it changes by {shown(change)}.")


@METADATA.rule(
    "divergence-contradiction",
    Severity.ERROR,
    "`diverged_step` is given only where `status` is `diverged`",
    "Correct the one that is wrong.",
)
def _divergence(metadata: Metadata) -> Iterator[Fault]:
    step, status = metadata.get("diverged_step"), metadata.get("status")
    if step is not None and status != RunStatus.DIVERGED:
        yield Fault(f"diverged_step must be null unless status is diverged, found {shown(step)} with {shown(status)}.")


@METADATA.rule(
    "divergence-step",
    Severity.WARNING,
    "a diverged run says at which step it diverged",
    "Give diverged_step; it is taken to be the first step with a loss that is not finite, else the last one.",
)
def _no_step(metadata: Metadata) -> Iterator[Fault]:
    if metadata.get("status") == RunStatus.DIVERGED and metadata.get("diverged_step") is None:
        yield Fault("diverged_step must be given where status is diverged, found none.", "diverged_step")


@METADATA.rule(
    "branch",
    Severity.ERROR,
    "a branch gives `branch_of` and `intervention`, an object of `kind` (text) and `step` (a whole number)",
    "Give both, or neither (docs/log-format.md).",
)
def _branch(metadata: Metadata) -> Iterator[Fault]:
    parent, about = metadata.get("branch_of"), metadata.get("intervention")
    if parent is None and about is None:
        return
    kind, step = (about.get("kind"), about.get("step")) if isinstance(about, dict) else (None, None)
    is_complete = isinstance(kind, str) and is_text(kind) and step is not None and _is_whole(step) and step >= 0
    if parent is None or not is_complete:
        found = f"branch_of {shown(parent)} and intervention {shown(about)}"
        yield Fault(f'a branch must give branch_of and intervention = {{"kind": text, "step": number}}, found {found}.')
    later = ("a whole number above its step", lambda v: _is_whole(v) and v > (step if _is_whole(step) else 0))
    # Older logs may hold another `at` of their own, a number.
    times = ("sharpening or control", lambda v: not isinstance(v, str) or v in list(BranchTime))
    for key, (domain, holds) in {
        "momentum": _DOMAINS["momentum"],
        "end": later,
        "parent_end": later,
        "at": times,
    }.items():
        value = about.get(key) if isinstance(about, dict) else None
        if value is not None and not holds(value):
            yield Fault(f"the {key} of an intervention must be {domain}, found {shown(value)}.", "intervention")


@METADATA.rule(
    "curvature-check",
    Severity.WARNING,
    "where the curvature was compared with second differences of the loss, they agree",
    "Look for what cuts the loss off from second derivatives; a log without `curvature_by` has wrong curvatures.",
)
def _curvature_check(metadata: Metadata) -> Iterator[Fault]:
    check = metadata.get("curvature_check")
    if check == CurvatureCheck.FAILED:
        by = metadata.get("curvature_by")
        found = f"{shown(check)}" + ("" if by is None else f", and curvatures by {shown(by)} instead")
        yield Fault(f"curvature_check must be passed, or undecided, found {found}.", "curvature_check")
