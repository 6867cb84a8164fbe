"""Settings as numbers and truth values."""

from __future__ import annotations

from mstudy.core.errors import LogError, shown
from mstudy.importers.source_run import Setting

WHOLE_NUMBERS = ("batch_size", "seed", "n_train")
_TRUE, _FALSE = ("true", "1", "1.0", "yes", "y", "on", "t"), ("false", "0", "0.0", "no", "n", "off", "f", "none", "")


def number(key: str, value: Setting) -> Setting:
    """Return text as a number where it is one; 64.0 is a whole number. Raises LogError at text that is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise LogError(f"{key} must be a number, found {value!r}.") from None
    if key in WHOLE_NUMBERS and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def truth(key: str, value: Setting) -> bool:
    """Return what a setting says, true or false. Raises LogError where it says neither."""
    text = str(value).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise LogError(f"{key} must be true or false, found {shown(value)}.")


def as_value(value: Setting) -> Setting:
    """Return text as the number or the truth value that it says, where it says one."""
    if not isinstance(value, str):
        return value
    if value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    try:
        return float(value)
    except ValueError:
        return value
