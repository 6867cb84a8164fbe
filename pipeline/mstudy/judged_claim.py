"""Claims and the answers of the data, with their own types, for Python and notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from mstudy.core.statuses import Replication, Verdict
from mstudy.estimate.claims.at_least import AtLeast
from mstudy.estimate.claims.claim import Answer
from mstudy.report.words import interval, number, step


@dataclass(frozen=True, kw_only=True)
class JudgedClaim(Answer):
    """One claim and the answer of the data: an entry of claims.json. table: the table that the answer rests on."""

    id: str
    statement: str
    table: str

    @property
    def told(self) -> str:
        """The reason, and in how many units the claim surely holds."""
        return self.reason if self.at_least is None else f"{self.reason} {self.at_least.sentence}"

    def _repr_html_(self) -> str:
        """Return the claim as a table, which a notebook shows."""
        between = "" if self.ci is None else f" {interval(*self.ci)}"
        rows = {
            "verdict": f"<b>{self.verdict}</b>",
            "claim": html.escape(self.statement),
            "reason": html.escape(self.told),
            "estimate": html.escape(f"{number(self.estimate)}{between} {self.unit}".strip()),
            "p": number(self.p_value),
            "n": html.escape(f"{step(self.n)} {self.n_unit}"),
            "evidence": str(self.evidence),
            "table": self.table,
        }
        lines = "".join(
            f'<tr><th style="text-align: left">{name}</th><td>{text}</td></tr>' for name, text in rows.items()
        )
        return f"<table><caption>{self.id}</caption>{lines}</table>"


class Claims(Mapping[str, JudgedClaim]):
    """The claims by their identifiers, C1 to C8; a notebook shows their verdicts as a table.

    entries: those of claims.json.
    """

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self._claims = {entry["id"]: claim_of(entry) for entry in entries}

    def __getitem__(self, claim: str) -> JudgedClaim:
        return self._claims[claim]

    def __iter__(self) -> Iterator[str]:
        return iter(self._claims)

    def __len__(self) -> int:
        return len(self._claims)

    @property
    def frame(self) -> pl.DataFrame:
        """One row a claim: verdict, estimate with its interval, p, n and the reason."""
        rows = [
            {
                "claim": claim.id,
                "verdict": str(claim.verdict),
                "estimate": claim.estimate,
                "ci_low": None if claim.ci is None else claim.ci[0],
                "ci_high": None if claim.ci is None else claim.ci[1],
                "unit": claim.unit,
                "p_value": claim.p_value,
                "n": claim.n,
                "n_unit": claim.n_unit,
                "evidence": str(claim.evidence),
                "statement": claim.statement,
                "reason": claim.told,
            }
            for claim in self.values()
        ]
        return pl.DataFrame(rows, schema=_FRAME, orient="row")

    def _repr_html_(self) -> str:
        """Return the verdicts as a table, which a notebook shows."""
        rows = (
            f"<tr><td>{claim.id}</td><td><b>{claim.verdict}</b></td>"
            f"<td>{html.escape(claim.statement)}</td><td>{html.escape(claim.told)}</td></tr>"
            for claim in self.values()
        )
        return f"<table><tr><th></th><th>verdict</th><th>claim</th><th>reason</th></tr>{''.join(rows)}</table>"


_FRAME = pl.Schema(
    {
        "claim": pl.String(),
        "verdict": pl.String(),
        "estimate": pl.Float64(),
        "ci_low": pl.Float64(),
        "ci_high": pl.Float64(),
        "unit": pl.String(),
        "p_value": pl.Float64(),
        "n": pl.Int64(),
        "n_unit": pl.String(),
        "evidence": pl.String(),
        "statement": pl.String(),
        "reason": pl.String(),
    }
)


def claim_of(entry: dict[str, Any]) -> JudgedClaim:
    """Return an entry of claims.json with its own types: JSON knows neither verdicts nor tuples."""
    ci = None if entry["ci"] is None else tuple(entry["ci"])
    at_least = None if entry["at_least"] is None else AtLeast.of_json(entry["at_least"])
    own: dict[str, Any] = {"ci": ci, "rows": tuple(entry["rows"]), "at_least": at_least}
    own |= {"verdict": Verdict(entry["verdict"]), "evidence": Replication(entry["evidence"])}
    return JudgedClaim(**entry | own)
