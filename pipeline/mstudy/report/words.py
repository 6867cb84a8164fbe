"""Numbers, intervals and lists as a reader wants them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MAX_WRITTEN_OUT = 1e15  # from here on a number is written with its power of ten


def number(value: float | None, digits: int = 3) -> str:
    """Return a number for readers, of three digits at most; a whole number is a count and has all. A dash for none."""
    if isinstance(value, float) and 1000 <= abs(value) < _MAX_WRITTEN_OUT:
        value = round(value, digits - 1 - math.floor(math.log10(abs(value))))
    return step(value, digits)


def step(value: float | None, digits: int = 3) -> str:
    """Return a step, which is found by it: from a thousand on all its digits. A dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:,.0f}" if 1000 <= abs(value) < _MAX_WRITTEN_OUT else f"{value:.{digits}g}"
    if "e" in text:
        mantissa, power = text.split("e")
        text = f"{mantissa}{_power(power)}"
    return text.replace("-", "−")


def signs(text: str) -> str:
    """Return names as in the code as the field's signs: eta_ef, mu; a minus, a power of ten."""
    text = re.sub(r"\beta_ef\b", "η_ef", text)
    text = re.sub(r"\bmu\b", "μ", text)
    text = re.sub(r"(?<![\w.])(\d+(?:\.\d+)?)e([+-]\d+)\b", lambda m: f"{m[1]}{_power(m[2])}", text)
    return re.sub(r"(?<![\w.)\]])-(?=\d)", "−", text)


def rounded(text: str) -> str:
    """Return text in which no decimal number has more than three digits that count."""
    return re.sub(
        r"(?<![\w.])\d+\.\d+(?![\w.]*\d)", lambda m: m[0] if _digits(m[0]) <= 3 else number(float(m[0])), text
    )


def _digits(decimal: str) -> int:
    return len(decimal.replace(".", "").lstrip("0"))


def _power(exponent: str) -> str:
    return f"·10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


def interval(low: float | None, high: float | None, told: Callable[[float], str] = number) -> str:
    """Return an interval in brackets, or that it is not estimable. told: how its ends are written."""
    return "[not estimable]" if low is None or high is None else f"[{told(low)}, {told(high)}]"


def count(n: int, noun: str) -> str:
    """Return `1 run`, `2 runs`, `2 branches`."""
    plural = "es" if noun.endswith("ch") else "s"
    return f"{n:,} {noun}{'' if n == 1 else plural}"


def listed(items: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else "none"


def few(items: Sequence[str], most: int = 3) -> str:
    """Return `a; b; c`, and of a longer list how many more the table below has."""
    more = [f"{len(items) - most} more under Numbers"] if len(items) > most else []
    return "; ".join([*items[:most], *more])


def spanned(values: Sequence[float], told: Callable[[float], str] = number) -> str:
    """Return `0.1`, or `0.1 to 0.3`. told: how the numbers are written."""
    low, high = told(min(values)), told(max(values))
    return low if low == high else f"{low} to {high}"
