"""In how many of its units a claim surely holds, and in how many its contrary: the bounds beside a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from mstudy.core.params import Estimate
from mstudy.estimate.claims.closed_testing import Vector, hommel_h, surely_true, surely_true_of
from mstudy.pairs.seed_tests import holm
from mstudy.tables.contracts import CLAIM_UNITS

_PARTS = ("batch_size", "momentum", "study")
_OWN = ("claim", "p_holds", "p_contradicts")
_HOLDS = "p_holds"
LEAST_SURE = "least sure"
_ROUNDING = 1e-9  # of a share of the units


@dataclass(frozen=True)
class Bound:
    """At least k of m units, at level `level`.

    h: the size of the largest set of units that closed testing does not reject. With it and the p-values the bound of
    any subset follows, or else with how many units are doubtful (tables.CLAIM_UNITS).
    """

    k: int
    m: int
    h: int
    level: float


@dataclass(frozen=True)
class AtLeast:
    """The bounds of one claim; all of them are right together with probability 1 − α, each side for itself.

    by_batch_size, by_momentum, by_study: the part, its k of m, and `contradicts`, the bound of the contrary. sentence:
    the same in words.
    """

    holds: Bound
    contradicts: Bound
    by_batch_size: tuple[Mapping[str, Any], ...]
    by_momentum: tuple[Mapping[str, Any], ...]
    by_study: tuple[Mapping[str, Any], ...]
    sentence: str

    @classmethod
    def of_json(cls, entry: Mapping[str, Any]) -> AtLeast:
        """Return what claims.json holds, with its own types."""
        sides = {side: Bound(**entry[side]) for side in ("holds", "contradicts")}
        return cls(**{**entry, **sides, **{f"by_{part}": tuple(entry[f"by_{part}"]) for part in _PARTS}})


@dataclass(frozen=True)
class UnitWords:
    """How a claim speaks of its units: what holds in one, and what such a unit is called."""

    holds: str
    noun: str


@dataclass(frozen=True)
class Told:
    """The unit that an answer names, and what it is among the others: the least sure, or the surest to contradict."""

    row: dict[str, Any]
    which: str
    p_value: float

    def name_of(self, noun: str) -> str:
        """Return what such a unit is called."""
        return f"{self.which} {noun}" if self.which == LEAST_SURE else f"{noun} that is {self.which}"


def told_unit(rows: pl.DataFrame, p_values: Vector, against: Sequence[float], contrary: str, alpha: float) -> Told:
    """Choose the unit that decides: the surest to contradict where one does, else the least sure to hold.

    against: p-values of the contrary (Holm), one round of the rows, or two where it is asked either way.
    """
    if min(against) <= alpha:
        return Told(rows.row(int(np.argmin(against)) % len(rows), named=True), contrary, min(against))
    return Told(rows.row(int(p_values.argmax()), named=True), LEAST_SURE, float(p_values.max()))


def units_frame(claim: str, rows: pl.DataFrame, p_holds: pl.Expr, p_contradicts: pl.Expr) -> pl.DataFrame:
    """Return the units of a claim (tables.CLAIM_UNITS). A p-value that could not be computed is 1: nothing is shown.

    rows: one row a unit, with those of the contract's key columns that tell its units apart.
    """
    keys = [name for name in CLAIM_UNITS.schema.names() if name in rows.columns and name not in _OWN]
    tests = {"p_holds": p_holds.fill_null(1.0), "p_contradicts": p_contradicts.fill_null(1.0)}
    frame = rows.select(*keys, claim=pl.lit(claim), **tests)
    absent = [pl.lit(None, dtype=of).alias(name) for name, of in CLAIM_UNITS.schema.items() if name not in frame]
    return frame.with_columns(absent).select(CLAIM_UNITS.schema.names()).cast(CLAIM_UNITS.schema)


def beyond_either_way() -> pl.Expr:
    """Return the two-sided p-value that a mean lies beyond the margin: twice the smaller of the two."""
    return (2 * pl.min_horizontal("superiority_p", "inferiority_p")).clip(upper_bound=1.0)


def bound_units(units: pl.DataFrame, words: UnitWords, level: float, alpha: float) -> AtLeast | None:
    """Return the bounds of the units of one claim (tables.CLAIM_UNITS); None without a unit.

    level: at which the claim is tested in a unit. alpha: at which its contrary is.
    """
    if units.is_empty():
        return None
    sides = {"p_holds": _bound(units, "p_holds", level), "p_contradicts": _bound(units, "p_contradicts", alpha)}
    parts = {part: tuple(_parts(units, part, sides)) for part in _PARTS}
    holds, contradicts = sides.values()
    return AtLeast(
        holds,
        contradicts,
        **{f"by_{part}": found for part, found in parts.items()},
        sentence=_sentence(holds, contradicts, parts["batch_size"], words),
    )


def reaches_share(at_least: AtLeast | None, units: pl.DataFrame, n_missing: int, estimate: Estimate) -> bool:
    """Say whether a claim surely holds in more than `mostly_share` of its units, and its contrary in none (Holm).

    Nor may it be unsure throughout a batch size or a momentum of several units: there it may well be false.
    n_missing: units that should be there and could not be tested; they count among all.
    """
    if at_least is None or min(holm(units["p_contradicts"].to_list())) <= estimate.alpha:
        return False
    parts = (*at_least.by_batch_size, *at_least.by_momentum)
    somewhere_in_each = all(part["k"] > 0 for part in parts if part["m"] > 1)
    share = at_least.holds.k / (at_least.holds.m + n_missing)
    return somewhere_in_each and share > estimate.mostly_share + _ROUNDING


def sure_units(units: pl.DataFrame, column: str, bound: Bound) -> int:
    """Return in how many of these units, any of a claim's (tables.CLAIM_UNITS), it surely holds.

    column: p_holds, or p_contradicts for the contrary. bound: that of all units of the claim.
    """
    if column == _HOLDS and units["doubtful"].null_count() == 0:
        return surely_true_of(units["doubtful"].to_numpy())
    return surely_true(units[column].to_numpy(), bound.h, bound.level)


def _bound(units: pl.DataFrame, column: str, level: float) -> Bound:
    told = column == _HOLDS and units["doubtful"].null_count() == 0
    h = int(units["doubtful"].to_numpy().max()) if told else hommel_h(units[column].to_numpy(), level)
    of_all = Bound(0, len(units), h, level)
    return replace(of_all, k=sure_units(units, column, of_all))


def _parts(units: pl.DataFrame, part: str, sides: Mapping[str, Bound]) -> Iterator[dict[str, Any]]:
    """Yield the bounds of the units of each batch size, momentum or study."""
    for value in units[part].drop_nulls().unique().sort():
        rows = units.filter(pl.col(part) == value)
        k, contrary = (sure_units(rows, column, bound) for column, bound in sides.items())
        yield {part: value, "k": k, "m": len(rows), "contradicts": contrary}


def _sentence(holds: Bound, contradicts: Bound, by_batch_size: tuple[Mapping[str, Any], ...], words: UnitWords) -> str:
    """Say it in words, with 95 % confidence for all numbers together."""
    text = f"{words.holds} in at least {holds.k} of {holds.m} {words.noun}"
    if len(by_batch_size) > 1:
        text += "".join(f"; at b = {p['batch_size']:,} in at least {p['k']} of {p['m']}" for p in by_batch_size)
    if contradicts.k:
        text += f"; the contrary holds in at least {contradicts.k} of {contradicts.m}"
    return f"{text}."
