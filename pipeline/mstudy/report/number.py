"""Numbers as the page prints them."""

from __future__ import annotations

import math

ABSENT = "–"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None, digits: int = 3) -> str:
    """`value` to `digits` significant digits, whole digits always kept; a dash for null, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e7:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{_trim(mantissa)} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}".replace("-", "−")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return _trim(f"{value:,.{decimals}f}").replace("-", "−")


def interval(low: float | None, high: float | None) -> str:
    """`low` to `high`; an end that is absent or infinite is said to be open."""
    low_text, high_text = number(low), number(high)
    if low_text == ABSENT:
        return ABSENT if high_text == ABSENT else f"at most {high_text}"
    return f"at least {low_text}" if high_text == ABSENT else f"{low_text} to {high_text}"


def p_value(p: float | None) -> str:
    """A p-value to two digits; below one in a thousand only that it is."""
    return "< 0.001" if p is not None and p < 0.001 else number(p, digits=2)


def count(n: int, singular: str, plural: str | None = None) -> str:
    """`n` with its noun: "1 run", "1,200 runs"."""
    return f"{n:,} {singular if n == 1 else plural or singular + 's'}"


def listing(words: list[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
