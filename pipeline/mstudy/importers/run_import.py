"""The import of a source: everything is read and checked before anything is written."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstudy.core.errors import LogError, printable, shown
from mstudy.core.files import move_into_place
from mstudy.importers.assemble import Assembled, assemble
from mstudy.importers.kind import Kind
from mstudy.importers.mapping import Mapping
from mstudy.importers.reclock import with_clock
from mstudy.importers.source_files import passed_over
from mstudy.importers.source_run import Found
from mstudy.runlog.format.writer import write_run

_NO_CURVATURE = (
    "no directional_curvature: what rests on losses is analysed; abrupt sharpening, and the claims C4 and C5, are not"
)
_MAX_NAMES = 40  # settings that are told
_PLAN_COLUMNS = ("optimizer", "learning_rate", "momentum", "batch_size", "seed", "status")


@dataclass(frozen=True)
class Plan:
    """What an import of one kind would write.

    runs: by name in the source. problems: name and reason of what cannot be imported. notes: on the source."""

    kind: str
    runs: dict[str, Assembled]
    problems: dict[str, str]
    notes: tuple[str, ...] = ()

    def as_text(self) -> str:
        """Return what was understood, for the user to agree with."""
        lines = [f"{len(self.runs)} runs of {self.kind}"]
        for title, part in (("columns", "used_columns"), ("config", "used_config")):
            counts = Counter(pair for run in self.runs.values() for pair in getattr(run, part).items())
            lines += [f"{title}: {name} <- {source} ({n} runs)" for (name, source), n in counts.items()]
        unread = Counter(name for run in self.runs.values() for name in run.unread)
        if unread:
            lines.append(f"settings not understood: {_told(unread)}")
        if any("directional_curvature" not in run.columns for run in self.runs.values()):
            lines.append(_NO_CURVATURE)
        for name, run in self.runs.items():
            steps = run.columns["step"]
            facts = ", ".join(f"{key} {run.metadata[key]}" for key in _PLAN_COLUMNS)
            lines.append(f"{name}: {len(steps)} rows, steps {steps[0]} to {steps[-1]}; {facts}")
            lines += [f"  {note}" for note in run.notes]
        lines += self.notes
        lines += [f"left out: {name}: {reason}" for name, reason in self.problems.items()]
        return "\n".join(map(printable, lines))

    def as_dict(self) -> dict[str, Any]:
        """Return the same as plain values."""
        runs = [
            {
                "name": name,
                "rows": len(run.columns["step"]),
                "columns": run.used_columns,
                "config": run.used_config,
                "metadata": run.metadata,
                "notes": list(run.notes),
                "settings_not_understood": list(run.unread),
            }
            for name, run in self.runs.items()
        ]
        return {"kind": self.kind, "runs": runs, "problems": self.problems, "notes": list(self.notes)}


def _told(counts: Counter[str]) -> str:
    some = [f"{name} ({n} runs)" for name, n in sorted(counts.items())[:_MAX_NAMES]]
    return ", ".join(some) + (f" and {len(counts) - _MAX_NAMES} more" if len(counts) > _MAX_NAMES else "")


def plan_import(kind: Kind, source: Path, mapping: Mapping) -> Plan:
    """Read and check all runs of the source. Raises LogError where it holds none that can be imported."""
    runs: dict[str, Assembled] = {}
    problems: dict[str, str] = {}
    names: dict[str, str] = {}
    notes = passed_over(source)
    found = _found(kind, source, mapping, notes)
    notes += _left_out(found)
    for run in found:
        if run.left_out is not None:
            continue
        if run.name in runs or run.name in problems:
            problems[f"{run.name} (again)"] = f"its name must be its own, found another run called {run.name}."
            continue
        try:
            assembled = assemble(with_clock(run.read(), mapping), mapping, kind.name)
            other = names.setdefault(assembled.metadata["run_id"], run.name)
            if other != run.name:
                raise LogError(
                    f"its file must be its own, found that of {shown(other)} under one name; rename the run."
                )
            runs[run.name] = assembled
        except LogError as error:
            problems[run.name] = str(error)
    unknown = [name for name in mapping.runs if name not in runs and name not in problems]
    if unknown:
        raise LogError(f"runs in the map must be runs of the source, found {unknown[0]!r}, which is none.")
    if not runs and not problems and found:
        raise LogError(f"At least one run must be fit to import, found none in {source}; {'; '.join(notes)}.")
    if not runs:
        name, reason = next(iter(problems.items()), (str(source), "it holds no run"))
        first = printable(f"{name}: {reason}")
        raise LogError(
            f"At least one run must be fit to import, found {len(problems)} that are not, the first: {first}"
        )
    return Plan(kind.name, runs, problems, notes)


def _left_out(found: list[Found]) -> tuple[str, ...]:
    """Return notes on the runs that are not read: how many, why, and the first."""
    names: dict[str, list[str]] = {}
    for run in found:
        if run.left_out is not None:
            names.setdefault(run.left_out, []).append(run.name)
    return tuple(f"left out: {len(some)} runs {why}, the first {some[0]}" for why, some in names.items())


def _found(kind: Kind, source: Path, mapping: Mapping, notes: tuple[str, ...]) -> list[Found]:
    """Return the runs of a source. Raises LogError where it holds none, with what was passed over."""
    try:
        return kind.find(source, mapping)
    except LogError as error:
        raise LogError("; ".join([str(error).removesuffix("."), *notes]) + ".") from None


def write_plan(plan: Plan, out: Path, skip_bad: bool = False, replace: bool = False) -> None:
    """Write the runs to `<out>/<run_id>.parquet`.

    Raises LogError, before anything is written, where a run is bad (unless `skip_bad`) or a file is there (unless
    `replace`).
    """
    if plan.problems and not skip_bad:
        name, reason = next(iter(plan.problems.items()))
        raise LogError(
            f"Every run must be fit to import, found {len(plan.problems)} that are not, the first: "
            f"{printable(f'{name}: {reason}')} See --dry-run; leave them out with --skip-bad."
        )
    paths = {name: out / f"{run.metadata['run_id']}.parquet" for name, run in plan.runs.items()}
    existing = [path for path in paths.values() if path.exists()]
    if existing and not replace:
        raise LogError(f"No log must be overwritten, found {existing[0]}; choose another --out, or say --replace.")
    _write_all([(paths[name].name, run) for name, run in plan.runs.items()], out)


def _write_all(files: list[tuple[str, Assembled]], out: Path) -> None:
    """Write all logs or none: a kill on the way leaves a hidden folder, which nothing reads, and no part of the logs.

    The folder is made visible by one renaming, after which every log is found, at whatever depth; then the logs move
    up one by one.
    """
    key = os.urandom(8).hex()
    hidden, seen = out / f".import-{key}", out / f"import-{key}"
    try:
        for name, run in files:
            write_run(hidden / name, run.columns, run.metadata)
        hidden.rename(seen)
        for name, _ in files:
            move_into_place(seen / name, out / name)
        seen.rmdir()
    except OSError as error:
        raise LogError(f"A run's log must be writable, found at {out}: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
