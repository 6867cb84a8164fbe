"""A share of the time that work may take: what is dear is done more rarely."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Allowance:
    """Time on one core, saved up while nothing is done. share: of the time that passes. most: seconds saved at most.

    It begins with `most`. Work may begin while anything is left, so that the last piece may run into debt.
    """

    def __init__(self, share: float, most: float = 0.0) -> None:
        self._share, self._most = share, most
        self._saved, self._at = most, time.monotonic()

    @property
    def is_left(self) -> bool:
        """Whether work may begin now."""
        now = time.monotonic()
        self._saved = min(self._saved + self._share * (now - self._at), self._most)
        self._at = now
        return self._saved >= 0

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Count the processor time of the body."""
        started = time.process_time()
        try:
            yield
        finally:
            self._saved -= time.process_time() - started
