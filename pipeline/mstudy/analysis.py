"""The analysis as three steps, the same for `dvc repro` and `mstudy analyze`: detect, compare, estimate."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from mstudy.errors import LogError
from mstudy.events.detect import detect_sharpenings
from mstudy.inference.alignment import measure_alignment
from mstudy.inference.claims import judge_claims
from mstudy.inference.compare import find_all_partings, measure_advantage
from mstudy.inference.deferral import measure_deferral
from mstudy.inference.thresholds import estimate_thresholds
from mstudy.params import Analysis, Compare, Detect, Estimate
from mstudy.results import Results
from mstudy.runlog.reader import RunFolder, read_runs
from mstudy.tables import ADVANTAGE, ALIGNMENT, DEFERRAL, PARTINGS, RUNS, SHARPENINGS, THRESHOLDS

CLAIMS, PROBLEMS, METRICS = "claims.json", "problems.json", "metrics.json"
RESULTS = "results"


def detect(folder: RunFolder, out: Path, detect: Detect) -> None:
    """Write runs, sharpenings and the list of files left out."""
    results = out / RESULTS
    RUNS.write(folder.runs, results)
    SHARPENINGS.write(detect_sharpenings(folder.runs, folder.points, detect), results)
    write_json([asdict(problem) for problem in folder.problems], out / PROBLEMS)


def compare(folder: RunFolder, out: Path, compare: Compare) -> None:
    """Write the advantage of each cell and the parting of each pair."""
    ADVANTAGE.write(measure_advantage(folder.runs, compare), out / RESULTS)
    PARTINGS.write(find_all_partings(folder.runs, folder.points, compare), out / RESULTS)


def estimate(out: Path, estimate: Estimate) -> None:
    """Write thresholds, alignment, deferral, the claims, and the few numbers that `dvc metrics` compares."""
    results = out / RESULTS
    runs, sharpenings, partings, advantage = (t.read(results) for t in (RUNS, SHARPENINGS, PARTINGS, ADVANTAGE))
    thresholds = estimate_thresholds(advantage, estimate)
    alignment = measure_alignment(partings, sharpenings, estimate)
    deferral = measure_deferral(runs, sharpenings, estimate)
    THRESHOLDS.write(thresholds, results)
    ALIGNMENT.write(alignment, results)
    DEFERRAL.write(deferral, results)
    claims = judge_claims(advantage, thresholds, alignment, deferral, estimate)
    write_json(claims, out / CLAIMS)
    write_json(_metrics(runs, sharpenings, thresholds, claims), out / METRICS)


def read_results(out: Path) -> Results:
    """Everything that an analysis wrote."""
    results = out / RESULTS
    tables = [t.read(results) for t in (RUNS, SHARPENINGS, PARTINGS, ADVANTAGE, THRESHOLDS, ALIGNMENT, DEFERRAL)]
    return Results(*tables, claims=_read_json(out / CLAIMS), problems=_read_json(out / PROBLEMS))


def analyze(runs: Path, out: Path, analysis: Analysis, skip_bad: bool = False) -> Results:
    """Analyse a folder of runs and write tables, claims and report to `out`."""
    from mstudy.report.page import write_report  # altair and its bundle: only where a page is drawn

    folder = read_runs(runs, skip_bad)
    detect(folder, out, analysis.detect)
    compare(folder, out, analysis.compare)
    estimate(out, analysis.estimate)
    results = read_results(out)
    write_report(results, folder.points, out / "index.html", analysis.report)
    return results


def write_json(value: Any, path: Path) -> None:
    """Write JSON, all or nothing; NaN is a mistake, not a value."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise LogError(f"The output folder must be writable, found at {path.parent}: {error.strerror}.") from None


def _read_json(path: Path) -> Any:
    if not path.is_file():
        raise LogError(f"{path} must exist, found nothing there; run `dvc repro` or `mstudy analyze` first.")
    return json.loads(path.read_text(encoding="utf-8"))


def _metrics(
    runs: pl.DataFrame, sharpenings: pl.DataFrame, thresholds: pl.DataFrame, claims: list[dict[str, Any]]
) -> dict[str, Any]:
    stars = {
        f"b={row['batch_size']},mu={row['momentum']:g}": row["eta_ef_star"] for row in thresholds.iter_rows(named=True)
    }
    return {
        "n_runs": len(runs),
        "n_diverged": int((runs["status"] == "diverged").sum()),
        "n_sharpenings": int((sharpenings["status"] == "detected").sum()),
        "verdicts": {claim["id"]: claim["verdict"] for claim in claims},
        "eta_ef_star": stars,
    }
