"""How fast a run goes, how long it has left, and whether it has fallen silent."""

from __future__ import annotations

from collections import deque

_WINDOW_SECONDS = 120.0  # over which speed is measured
_PAUSES = 5  # times its longest pause, after which a run is silent


class Pace:
    """When a run wrote, and how far it was. silent_after: seconds, for a run that writes often."""

    def __init__(self, silent_after: float) -> None:
        self._silent_after = silent_after
        self._seen: deque[tuple[float, int]] = deque()
        self._longest = 0.0

    def note(self, written: float, step: int | None) -> None:
        """Note that the run wrote at this time."""
        if self._seen:
            self._longest = max(self._longest, written - self._seen[-1][0])
        if step is None:
            return
        if self._seen and step < self._seen[-1][1]:  # it was taken up again from before
            self._seen.clear()
        self._seen.append((written, step))
        while len(self._seen) > 2 and written - self._seen[0][0] > _WINDOW_SECONDS:
            self._seen.popleft()

    def seconds_left(self, planned: int | None) -> float | None:
        """Return the time to the planned last step; None before it can be told."""
        if planned is None or len(self._seen) < 2:
            return None
        (began, first), (now, last) = self._seen[0], self._seen[-1]
        return None if now <= began or last <= first else max(planned - last, 0) * (now - began) / (last - first)

    def is_silent(self, seconds: float) -> bool:
        """Return whether a run that has not written for so long is silent."""
        return seconds > max(self._silent_after, _PAUSES * self._longest)
