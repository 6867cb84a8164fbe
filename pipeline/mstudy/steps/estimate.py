"""Step 3: thresholds, coincidence, deferral, and the verdicts on the claims."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from mstudy.inference.alignment import measure_alignment
from mstudy.inference.claims.evidence import Evidence
from mstudy.inference.claims.judge import judge_claims
from mstudy.inference.deferral import measure_deferral
from mstudy.inference.thresholds import estimate_thresholds
from mstudy.params import Estimate
from mstudy.steps.files import CLAIMS, METRICS, RESULTS, write_json
from mstudy.tables import ADVANTAGE, ALIGNMENT, DEFERRAL, PARTINGS, RUNS, SHARPENINGS, THRESHOLDS


def estimate(out: Path, params: Estimate) -> None:
    """Write thresholds, alignment, deferral, the claims, and the few numbers that `dvc metrics` compares."""
    results = out / RESULTS
    runs, sharpenings, partings, advantage = (t.read(results) for t in (RUNS, SHARPENINGS, PARTINGS, ADVANTAGE))
    thresholds = estimate_thresholds(advantage, params)
    alignment = measure_alignment(partings, sharpenings, params)
    deferral = measure_deferral(runs, sharpenings, params)
    THRESHOLDS.write(thresholds, results)
    ALIGNMENT.write(alignment, results)
    DEFERRAL.write(deferral, results)
    claims = judge_claims(Evidence(advantage, thresholds, alignment, deferral), params)
    write_json(claims, out / CLAIMS)
    write_json(_metrics(runs, sharpenings, thresholds, claims), out / METRICS)


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
