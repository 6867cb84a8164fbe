"""A chart as JSON inside the page: nothing in it can end the script element, and nothing in it is not JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import altair as alt
from markupsafe import Markup

# `<` could open or close an element; U+2028 and U+2029 end a line in scripts of old browsers.
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_DRAWN_DIGITS = 5


def script_json(value: object) -> Markup:
    """`value` as JSON that may stand in a script element. Raises ValueError for NaN and infinities."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return Markup(text)


def payload(chart: alt.LayerChart) -> dict[str, Any]:
    """The chart's specification and, apart from it, its data by column: a fifth of the size of rows."""
    # Altair refuses more than 5,000 rows by default, to protect notebooks; a page of small columns needs no guard.
    with alt.data_transformers.enable("default", max_rows=None):
        spec = chart.to_dict()
    datasets = spec.pop("datasets", {})
    # The theme in force supplies the configuration, and the address of the schema is never fetched.
    for key in ("config", "$schema"):
        spec.pop(key, None)
    return {"spec": finite(spec), "datasets": {name: columns(rows) for name, rows in datasets.items()}}


def columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows as columns. Text is stored once: {"words": [...], "at": [index of each row's word]}."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: _column([row.get(name) for row in rows]) for name in names}


def _column(values: list[Any]) -> Any:
    if not any(isinstance(value, str) for value in values):
        return [_drawn(value) for value in values]
    words = list(dict.fromkeys(values))
    index = {word: k for k, word in enumerate(words)}
    return {"words": words, "at": [index[value] for value in values]}


def _drawn(value: Any) -> Any:
    """A number to the digits that a drawing can show; null where it is not finite."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.{_DRAWN_DIGITS}g}") if math.isfinite(value) else None


def finite(value: Any) -> Any:
    """`value` with null in place of every NaN and infinity, at any depth."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
