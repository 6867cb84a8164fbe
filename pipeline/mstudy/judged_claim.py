"""One claim and the answer of the data, with their own types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mstudy.core.statuses import Replication, Verdict
from mstudy.estimate.claims.at_least import AtLeast
from mstudy.estimate.claims.claim import Answer


@dataclass(frozen=True, kw_only=True)
class JudgedClaim(Answer):
    """One claim and the answer of the data: an entry of claims.json. table: the table that the answer rests on."""

    id: str
    statement: str
    table: str


def claim_of(entry: dict[str, Any]) -> JudgedClaim:
    """Return an entry of claims.json with its own types: JSON knows neither verdicts nor tuples."""
    ci = None if entry["ci"] is None else tuple(entry["ci"])
    at_least = None if entry["at_least"] is None else AtLeast.of_json(entry["at_least"])
    own: dict[str, Any] = {"ci": ci, "rows": tuple(entry["rows"]), "at_least": at_least}
    own |= {"verdict": Verdict(entry["verdict"]), "evidence": Replication(entry["evidence"])}
    return JudgedClaim(**entry | own)
