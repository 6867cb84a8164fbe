"""What would settle a claim, from a finished analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mstudy.core.errors import ConfigError
from mstudy.core.statuses import Verdict
from mstudy.tables.contracts import POWER
from mstudy.tables.stamp import read_finished


def outlook(results: Path, claim: str) -> dict[str, Any]:
    """Return the row of tables.POWER on a claim. Raises ConfigError where there is none, and LogError where the
    results do not belong together.
    """
    rows = {row["claim"]: row for row in read_finished(results).frame(POWER).iter_rows(named=True)}
    if claim not in rows:
        raise ConfigError(f"--claim must be one of {', '.join(rows)}, found {claim!r}.")
    return rows[claim]


def as_sentences(row: dict[str, Any]) -> str:
    """Say what there was, what it could have seen, and what would settle the claim."""
    decided = row["verdict"] == Verdict.SUPPORTED
    parts = [f"{row['claim']} is {row['verdict']}{': what follows is about a repetition' if decided else ''}"]
    if row["n_units"] is not None:
        seeds = f" of {row['n_seeds']} seeds" if row["n_seeds"] is not None else ""
        parts.append(f"this analysis has {row['n_units']} {row['replicate']}{seeds}")
    if row["unit"] is not None:
        effect = "no effect" if row["effect_80"] is None else f"{row['effect_80']:.3g}"
        observed = "nothing" if row["observed"] is None else f"{row['observed']:.3g}"
        parts.append(f"it would find {effect} with power 0.8; observed is {observed} ({row['unit']})")
    if row["replicate"] is not None:
        parts.append(f"seeds for power 0.8 with as many {row['replicate']}: {_count(row['seeds_needed'])}")
        parts.append(f"{row['replicate']} for power 0.8 with as many seeds: {_count(row['units_needed'])}")
    if row["seeds_mostly"] is not None:
        parts.append(f"seeds for power 0.8 to find it mostly so: {row['seeds_mostly']}")
    parts.append(row["note"])
    return "\n".join(parts)


def _count(needed: int | None) -> str:
    return "not estimable" if needed is None else str(needed)
