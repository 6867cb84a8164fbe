"""What the page needs to bound any choice of a claim's units: their p-values and h, or how many are doubtful."""

from __future__ import annotations

from typing import Any

import polars as pl

from mstudy.report.results import Results
from mstudy.tables.contracts import CLAIM_UNITS
from mstudy.tables.table import SETTING

_SIDES = ("holds", "contradicts")
_OF_A_UNIT = ("claim", "setting", "batch_size", "momentum", *(f"p_{side}" for side in _SIDES), "doubtful")


def units_data(results: Results, settings: pl.DataFrame) -> dict[str, Any] | None:
    """Return the claims that have units, and the units as columns; None without any.

    settings: one row each, in the order in which the page numbers them. The p-values keep all their digits: a rounded
    one could be on the other side of a limit.
    """
    claims = {claim["id"]: _bounds(claim) for claim in results.claims if claim["at_least"]}
    numbered = settings.with_row_index("setting").with_columns(pl.col("setting").cast(pl.Int64))
    units = results[CLAIM_UNITS].filter(pl.col("claim").is_in(list(claims)))
    if units.is_empty():
        return None
    return {"claims": claims, "units": units.join(numbered, on=SETTING).select(_OF_A_UNIT).to_dict(as_series=False)}


def _bounds(claim: dict[str, Any]) -> dict[str, Any]:
    """Return what the units of a claim are called, and each side's h and level."""
    of_side = {side: {name: claim["at_least"][side][name] for name in ("h", "level")} for side in _SIDES}
    return {"noun": claim["n_unit"], **of_side}
