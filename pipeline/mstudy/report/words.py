"""Numbers, intervals and lists as a reader wants them."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MAX_WRITTEN_OUT = 1e15  # from here on a number is written with its power of ten


def number(value: float | None, digits: int = 3) -> str:
    """Return a number for readers; a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:,.0f}" if 1000 <= abs(value) < _MAX_WRITTEN_OUT else f"{value:.{digits}g}"
    if "e" in text:
        mantissa, power = text.split("e")
        text = f"{mantissa}·10{str(int(power)).translate(_SUPERSCRIPTS)}"
    return text.replace("-", "−")


def signs(text: str) -> str:
    """Return names as in the code as the field's signs: eta_ef, mu; a minus before a digit."""
    text = re.sub(r"\beta_ef\b", "η_ef", text)
    text = re.sub(r"\bmu\b", "μ", text)
    return re.sub(r"(?<![\w.)\]])-(?=\d)", "−", text)


def interval(low: float | None, high: float | None) -> str:
    """Return an interval in brackets, or that it is not estimable."""
    return "[not estimable]" if low is None or high is None else f"[{number(low)}, {number(high)}]"


def count(n: int, noun: str) -> str:
    """Return `1 run`, `2 runs`, `2 branches`."""
    plural = "es" if noun.endswith("ch") else "s"
    return f"{n:,} {noun}{'' if n == 1 else plural}"


def listed(items: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else "none"


def spanned(values: Sequence[float]) -> str:
    """Return `0.1`, or `0.1 to 0.3`."""
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"
