"""What changes the effective learning rate beside η and μ: dampening, warm-up, schedules."""

from __future__ import annotations

from collections.abc import Mapping

from mstudy.core.errors import LogError, shown
from mstudy.importers.settings.names import SCHEDULES, WARM_UPS, endings, plain
from mstudy.importers.settings.numbers import number
from mstudy.importers.source_run import Setting

# fmt: off
_NO_CHANGE = {
    "", "none", "null", "nan", "no", "false", "off", "0", "0.0", "1", "1.0", "constant", "const", "fixed", "static",
    "constantlr", "identity", "constant_with_warmup", "constant_with_warm_up", "schedulertype.constant",
    "schedulertype.constant_with_warmup", "[]", "()",
}
# fmt: on
_NO_WARM_UP = {"", "none", "null", "nan", "no", "false", "off", "0", "0.0"}
_NAMES_OF_A_PART = {"name", "type", "kind", "_target_", "class_path", "class_name", "scheduler"}


def undampened(learning_rate: Setting, momentum: Setting, dampening: Setting) -> tuple[Setting, str | None]:
    """Return the learning rate that does the same without dampening, and what is to be said.

    v ← μv + (1 − d)g is (1 − d) times v ← μv + g. Without momentum torch leaves dampening out.
    """
    part, rate = number("dampening", dampening), number("learning_rate", learning_rate)
    if isinstance(part, bool) or not isinstance(part, int | float) or not 0 <= part < 1:
        raise LogError(f"dampening must be at least 0 and below 1, found {shown(dampening)}.")
    is_plain = part == 0 or not isinstance(momentum, int | float) or momentum == 0
    if is_plain or not isinstance(rate, int | float):
        return rate, None
    return float(f"{rate * (1 - part):.12g}"), f"learning_rate is {rate} · (1 − {part}), for the dampening of {part}"


def change_of_rate(config: Mapping[str, Setting]) -> str | None:
    """Return the setting by which the learning rate changes over a run; None where none says so."""
    for key, value in config.items():
        text = str(value).strip().lower()
        last = text.rsplit(".", 1)[-1] if not text.replace(".", "").isdigit() else text
        *_, name = endings(key)
        if name in WARM_UPS and text not in _NO_WARM_UP:
            return f"{key} {value}"
        if _is_schedule(key) and text not in _NO_CHANGE and last not in _NO_CHANGE:
            return f"{key} {value}"
    return None


def _is_schedule(key: str) -> bool:
    *around, last = (plain(part) for part in key.split("."))
    return last in SCHEDULES or (last in _NAMES_OF_A_PART and any(part in SCHEDULES for part in around))
