"""A claim's verdict and what it rests on; the words and corrections that all claims share.

One family of tests per claim, Holm within it; a verdict rests on pooled or joint statistics, never on the best of
many. `untestable` says what is missing; `inconclusive` says that the data allow both.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

SUPPORTED, CONTRADICTED, INCONCLUSIVE, UNTESTABLE = "supported", "contradicted", "inconclusive", "untestable"

STATEMENTS = {
    "C1": "Below the threshold, SGD and SGDM train alike.",
    "C2": "Above the threshold, SGDM is better.",
    "C3": "The advantage of momentum grows with the batch size.",
    "C4": "SGD and SGDM part at the moment of SGD's abrupt sharpening.",
    "C5": "Momentum prevents or defers abrupt sharpening.",
    "C6": "The best tuned SGD equals the best tuned SGDM.",
    "C7": "The threshold moves with b as the mean-square stability law predicts.",
    "C8": "Without the abrupt sharpening, SGD and SGDM do not part.",
}


@dataclass(frozen=True)
class Claim:
    """A verdict and what it rests on. estimate and ci are in `unit`; n counts `n_unit`; rows name rows of `table`."""

    id: str
    verdict: str
    reason: str
    table: str
    n: int
    n_unit: str
    estimate: float | None = None
    ci: tuple[float, float] | None = None
    unit: str = ""
    p_value: float | None = None
    rows: tuple[str, ...] = ()

    def entry(self) -> dict[str, Any]:
        """The claim's entry in claims.json."""
        return {"statement": STATEMENTS[self.id], **asdict(self)}


def verdict_of(supported: bool, contradicted: bool) -> str:
    """Contradiction is stronger than support: both at once is a contradiction."""
    if contradicted:
        return CONTRADICTED
    return SUPPORTED if supported else INCONCLUSIVE


def untestable(claim: str, table: str, why: str, n: int = 0, n_unit: str = "cells") -> Claim:
    """`why` says what is missing, in the words of the reader's design."""
    return Claim(claim, UNTESTABLE, f"Not testable here: {why}.", table, n, n_unit)


def listed(values: pl.Series) -> str:
    """Numbers as a reader writes them."""
    return ", ".join(f"{value:g}" for value in values)
