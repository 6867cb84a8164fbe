"""The public logs: which studies a folder holds, and how each is imported and analysed."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from mstudy.analysis_result import AnalysisResult
from mstudy.analyze import analyze
from mstudy.core.errors import LogError
from mstudy.core.params import Analysis
from mstudy.importers.kind import Kind
from mstudy.importers.kinds import KINDS
from mstudy.importers.mapping import Mapping
from mstudy.importers.run_import import Plan, plan_import, write_plan

STABILITY, DEEPOBS = "stability_sweep_logs", "deepobs_baselines"
PATTERN = "Step {step}: .*lambda max = {sharpness}, Loss = {loss}"
PACKED = ".tar.gz"


@dataclass(frozen=True)
class Source:
    """One study among the public logs. kind: its importer; quantity: the column in which sharpening is looked for."""

    name: str
    path: Path
    kind: str
    quantity: str = "directional_curvature"
    mapping: Mapping = field(default_factory=Mapping)


@dataclass(frozen=True)
class Outcome:
    """A study, what the importer made of it, and what the analysis found."""

    source: Source
    plan: Plan
    result: AnalysisResult


def find_sources(home: Path) -> list[Source]:
    """Return the studies that a folder holds. Raises LogError where there is none."""
    found = [*_stability(home), *_deepobs(home)]
    if not found:
        raise LogError(
            f"The folder must hold {STABILITY}/*.out or {DEEPOBS}/*{PACKED}, found neither in {home}; "
            "docs/outside-data.md says where to get them."
        )
    return found


def _stability(home: Path) -> Iterator[Source]:
    folder = home / STABILITY
    if any(folder.glob("*.out")):
        yield Source(STABILITY, folder, "text", "sharpness", Mapping(patterns=(PATTERN,)))


def _deepobs(home: Path) -> Iterator[Source]:
    """A problem is a folder of JSON documents, or an archive of one."""
    folder = home / DEEPOBS
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_dir() or path.name.endswith(PACKED):
            yield Source(path.name.removesuffix(PACKED), path, "deepobs")


def study(source: Source) -> Outcome:
    """Import a study into a folder of its own, which is removed again, and analyse it."""
    with tempfile.TemporaryDirectory(prefix="outside-") as name:
        work = Path(name)
        plan = plan_import(_kind(source.kind), _unpacked(source.path, work / "source"), source.mapping)
        write_plan(plan, work / "runs")
        shipped = Analysis()
        params = replace(shipped, detect=replace(shipped.detect, quantity=source.quantity))
        return Outcome(source, plan, analyze(work / "runs", work / "out", params))


def _kind(name: str) -> Kind:
    (kind,) = [each for each in KINDS if each.name == name]
    return kind


def _unpacked(path: Path, into: Path) -> Path:
    if path.is_dir():
        return path
    with tarfile.open(path) as packed:
        packed.extractall(into, filter="data")
    return into
