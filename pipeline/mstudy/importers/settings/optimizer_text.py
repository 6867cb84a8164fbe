"""An optimizer as programs write it down: a name, a path, a class, an object, a call with its arguments."""

from __future__ import annotations

import re

from mstudy.core.errors import LogError, shown
from mstudy.core.optimizers import name_of_optimizer
from mstudy.importers.source_run import Setting

_MAX_LENGTH = 4000
_CLASS = re.compile(r"<class '([\w.]+)'>")
_OBJECT = re.compile(r"<([\w.]+)(?: object)?(?: at 0x[0-9a-fA-F]+)?>")
_ARGUMENT = re.compile(r"\b(lr|learning_rate|momentum|nesterov|dampening|rho)\s*[=:]\s*([^\s,()]+)")
_FIRST_NAME = re.compile(r"\s*([A-Za-z_][\w.+\- ]*?)\s*(?:\(|$)")
_PARTIAL = re.compile(r"functools\.partial\(<class '([\w.]+)'>")


def arguments_of(text: str) -> dict[str, Setting]:
    """Return the arguments of a call, or of a list as "momentum=0.9,nesterov=True".

    Raises LogError where groups of parameters differ in one.
    """
    found: dict[str, Setting] = {}
    for name, value in _ARGUMENT.findall(text[:_MAX_LENGTH]):
        if found.setdefault(name, value) != value:
            raise LogError(
                f"All parameters must be trained alike, found {name} {found[name]} and {value} in {shown(text[:200])}."
            )
    return found


def name_in(text: str) -> str:
    """Return the optimizer's name as mstudy has it, or the text itself where it is none that is known."""
    text = text.strip()[:_MAX_LENGTH]
    for pattern in (_PARTIAL, _CLASS, _OBJECT, _FIRST_NAME):
        match = pattern.match(text)
        if match is not None:
            last = match[1].rsplit(".", 1)[-1].lower()
            return name_of_optimizer(re.sub(r"[-+ ]+", "_", last)) or text
    return text
