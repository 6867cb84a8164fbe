"""What could this study have seen?"""

from __future__ import annotations

from typing import Any

import polars as pl

from mstudy.core.params import Analysis
from mstudy.report.sections.base import Figure, Plate, ReportData, Section, SectionSpec
from mstudy.report.words import count, number
from mstudy.tables.contracts import POWER


def build(data: ReportData, analysis: Analysis) -> Section | None:
    """Build the section: what this study could have seen, claim by claim."""
    power = data.results[POWER]
    if power.is_empty():
        return None
    caption = power_caption(power)
    figure = Figure("Power", caption, power)
    note = (
        "A verdict of mostly, inconclusive or untestable is a statement about the study: this is how large it would "
        "have to be."
    )
    plate = Plate("power", "Effects that would be seen with 80 % power", note, [figure], wide=True)
    return Section("power", "What could this study have seen?", "", [plate])


def power_caption(power: pl.DataFrame) -> str:
    """Say what each claim would need."""
    parts = []
    for row in power.sort("claim").iter_rows(named=True):
        if row["effect_80"] is None:
            parts.append(f"{row['claim']}: not estimable")
            continue
        effect = f"{number(row['effect_80'])} ({row['unit']})" if row["unit"] else number(row["effect_80"])
        parts.append(f"{row['claim']}: an effect of {effect} with {_design(row)}{_would_do(row)}")
    if len(parts) > 3:
        return _of_many(power)
    return f"{'; '.join(parts)}." if parts else "No power could be computed."


def _of_many(power: pl.DataFrame) -> str:
    """Say of more claims than one reads one by one for how many there is an effect, and which asks for most seeds."""
    seen = power.filter(pl.col("effect_80").is_not_null())
    text = f"For {len(seen)} of {len(power)} claims the smallest effect is known that this study shows with 80 % power."
    asking = power.filter(pl.col("seeds_needed").is_not_null()).sort("seeds_needed", "claim")
    if asking.is_empty():
        return text
    most = asking.row(-1, named=True)
    there = "" if most["n_seeds"] is None else f" (there are {most['n_seeds']})"
    return f"{text} The effect observed asks for most seeds in {most['claim']}: {most['seeds_needed']}{there}."


def _design(row: dict[str, Any]) -> str:
    """Say what there is: units, seeds, or both."""
    seeds = "" if row["n_seeds"] is None else count(row["n_seeds"], "seed")
    units = "" if row["n_units"] is None else f"{row['n_units']} {row['replicate']}"
    return " of ".join(part for part in (units, seeds) if part) or "what there is"


def _would_do(row: dict[str, Any]) -> str:
    """Say what the observed effect would need."""
    needs = [] if row["seeds_needed"] is None else [count(row["seeds_needed"], "seed")]
    needs += [] if row["units_needed"] is None else [f"{row['units_needed']} {row['replicate']}"]
    text = f"; the one observed needs {' or '.join(needs)}" if needs else ""
    return text if row["seeds_mostly"] is None else f"{text}; to hold mostly, {count(row['seeds_mostly'], 'seed')}"


SECTION = SectionSpec(anchor="power", claims=(), build=build)
