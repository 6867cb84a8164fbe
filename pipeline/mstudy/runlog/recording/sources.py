"""What others know of a run under way, for its metadata: a probe says whether its curvature was checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Source(Protocol):
    """Something that measures a run."""

    @property
    def about(self) -> Mapping[str, Any]:
        """Text and numbers of the run as a whole, as far as they are known."""

    def tell(self) -> None:
        """Say at the end what a user must know."""


class Sources:
    """The sources of one run."""

    def __init__(self) -> None:
        self._sources: list[Source] = []
        self._told: dict[str, Any] = {}

    def add(self, source: Source) -> None:
        """Add a source, unless it is there."""
        if not any(source is each for each in self._sources):
            self._sources.append(source)

    def about(self) -> dict[str, Any]:
        """Return what all of them say."""
        return {key: value for source in self._sources for key, value in source.about.items()}

    def have_news(self) -> bool:
        """Return whether any says something else than at the last call, counts aside."""
        if not self._sources:
            return False
        now = {key: value for key, value in self.about().items() if isinstance(value, str)}
        news, self._told = now != self._told, now
        return news

    def tell(self) -> None:
        """Let all of them say what a user must know."""
        for source in self._sources:
            source.tell()
