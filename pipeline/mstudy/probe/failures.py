"""The boundary between measuring and training: what goes wrong in the one is a sentence and does not end the other."""

from __future__ import annotations

import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from mstudy.core.errors import MstudyError, TrainingError, shown

_NOT_OF_A_USER = {"mstudy", "torch", "contextlib", "weakref"}
_MAX_SENTENCES = 5  # told while training goes on; later reasons are counted


class NoSecondDerivative(TrainingError):
    """A backward pass cannot be differentiated, or is cut off."""


class Failures:
    """Counts what could not be measured, by reason. strict: raises TrainingError instead."""

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self._rows: Counter[str] = Counter()
        self._told_rows = 0
        self.n_measured = 0

    @contextmanager
    def boundary(self) -> Iterator[None]:
        """Run foreign code: an exception is noted, and ends here unless `strict`."""
        try:
            yield
        except Exception as error:
            self.note(sentence_of(error), error)

    def note(self, sentence: str, error: Exception | None = None) -> None:
        """Note one row without its values, and say why the first time."""
        self._rows[sentence] += 1
        if self._strict:
            raise TrainingError(sentence) from error
        if self._rows[sentence] == 1 and len(self._rows) <= _MAX_SENTENCES:
            say(f"{sentence} The training goes on, without values in the log.")

    @property
    def about(self) -> dict[str, str | int]:
        """What a log should say of it."""
        if not self._rows:
            return {}
        return {"failed_measurements": self._rows.total(), "failed_measurements_reason": "; ".join(self._rows)[:1000]}

    def tell(self) -> None:
        """Say at the end how many rows lack values, and why; once."""
        sentence = self.summary()
        if sentence is not None:
            say(sentence)

    def summary(self) -> str | None:
        """Return what is to be said at the end; None once it was asked for."""
        total = self._rows.total()
        if total == self._told_rows:
            return None
        self._told_rows = total
        reason, rows = self._rows.most_common(1)[0]
        more = f" (and {len(self._rows) - 1} more reasons)" if len(self._rows) > 1 else ""
        return f"{total} of {max(self.n_measured, total)} measurements lack values; in {rows} of them: {reason}{more}"


def say(sentence: str) -> None:
    """Warn at the user's line, even where warnings are errors: this must not end a training."""
    try:
        warnings.warn_explicit(sentence, UserWarning, *_users_line())
    except UserWarning:
        print(f"warning: {sentence}", file=sys.stderr)


def _users_line() -> tuple[str, int]:
    """Return file and line of the innermost call that is neither of this library nor of Python's or torch's."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_OF_A_USER:
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def sentence_of(error: Exception) -> str:
    """Return what happened and what to do, in one sentence."""
    if isinstance(error, MstudyError):
        return str(error)
    operation = undifferentiable(error)
    if operation is not None:
        return (
            f"The backward pass must be differentiable for a curvature, found {operation} without a second derivative "
            "in torch; write it with other operations of torch."
        )
    text = (str(error).strip().splitlines() or [""])[0]
    return (
        "The module and the loss must run in float32 on the probe's data while nothing is trained, found "
        f"{type(error).__name__}: {shown(text)[1:-1]}; try loss(module, batch) by itself, or measure with strict=True "
        "to see where."
    )


def undifferentiable(error: Exception) -> str | None:
    """Return the operation that has no second derivative, if that is what the error says."""
    text = str(error)
    missing = re.search(r"derivative for '?(?:aten::)?_?(\w+?)(?:_backward)?'? is not implemented", text)
    if missing:
        return missing[1]
    if "once_differentiable" in text:
        return "an operation marked once_differentiable"
    if "double backward" in text or "differentiated twice" in text or "differentiate twice" in text:
        return "an operation of compiled or fused code"
    return None
