"""A user's data for measuring: one batch, or batches that can be passed over again and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch

from mstudy.core.errors import DataError
from mstudy.probe.user_batches import is_batch, n_samples


class UserData:
    """Read through this class, a loader's own random generators are left as they were.

    data: a batch (see user_batches.py), or a list or loader of batches. Raises DataError where it cannot be passed over
    again: a generator, or a loader with persistent workers, of which a second pass would end the user's own.
    """

    def __init__(self, data: Any) -> None:
        if not is_batch(data) and (isinstance(data, Iterator) or not isinstance(data, Iterable)):
            raise DataError(
                "data must be a batch, or a list or loader of batches that can be passed over again, "
                f"found {type(data).__name__}; make a list of it."
            )
        if getattr(data, "persistent_workers", False):
            raise DataError(
                "data must not be a loader with persistent workers, since a second pass would end the one under way; "
                "give the probe a loader of its own, or a list of batches."
            )
        self._batches: Any = [data] if is_batch(data) else data
        self.one_batch = is_batch(data)
        self._total: int | None = None

    @property
    def n_samples(self) -> int:
        """Samples in all batches; counted once, by a pass over them."""
        if self._total is None:
            self._total = sum(n_samples(batch) for batch in self)
        if self._total == 0:
            raise DataError("data must hold at least one batch, found none.")
        return self._total

    def __iter__(self) -> Iterator[Any]:
        with _generators_kept(self._batches, 0):
            yield from self._batches

    def drawn(self, n: int, seed: int) -> Iterator[Any]:
        """Yield some n of the batches: of a list, at random without repetition; of a loader, its first when seeded
        so.
        """
        if isinstance(self._batches, Sequence):
            chance = torch.Generator().manual_seed(seed)
            yield from (self._batches[k] for k in torch.randperm(len(self._batches), generator=chance)[:n].tolist())
            return
        with _generators_kept(self._batches, seed):
            yield from islice(self._batches, n)


@contextmanager
def _generators_kept(batches: Any, seed: int) -> Iterator[None]:
    """Seed the generators that a loader owns, for one pass; then put back their states."""
    sampler = getattr(batches, "sampler", None)
    batch_sampler = getattr(batches, "batch_sampler", None)
    holders = (batches, sampler, batch_sampler, getattr(batch_sampler, "sampler", None))
    owned = (getattr(holder, "generator", None) for holder in holders)
    generators = {id(g): g for g in owned if isinstance(g, torch.Generator)}
    states = [(g, g.get_state()) for g in generators.values()]
    for generator, _ in states:
        generator.manual_seed(seed)
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)
