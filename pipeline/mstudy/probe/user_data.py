"""A user's data for measuring: one batch, or batches that can be passed over again and again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch

from mstudy.core.errors import DataError, TrainingError
from mstudy.probe.user_batches import in_pieces, is_batch, n_samples

# What the mean of a batch's loss is over: a count for all batches, one for each, or a function of the batch.
Weight = float | Sequence[float] | Callable[[Any], Any] | None


class UserData:
    """Read through this class, a loader's own random generators are left as they were.

    data: a batch (see user_batches.py), or a list or loader of batches. weight: the share of each batch, or piece of
    one, in the mean; None for its number of samples. Raises DataError where the data cannot be passed over again: a
    generator, or a loader with persistent workers, of which a second pass would end the user's own.
    """

    def __init__(self, data: Any, weight: Weight = None) -> None:
        if not is_batch(data) and (isinstance(data, Iterator) or not isinstance(data, Iterable)):
            raise DataError(
                "data must be a batch, or a list or loader of batches that can be passed over again, "
                f"found {type(data).__name__}; make a list of it."
            )
        if not is_batch(data) and getattr(data, "persistent_workers", False):
            raise DataError(
                "data must not be a loader with persistent workers, since a second pass would end the one under way; "
                "give the probe a loader of its own, or a list of batches."
            )
        self._batches: Any = [data] if is_batch(data) else data
        self.one_batch = is_batch(data)
        self.weight = weight if callable(weight) or not isinstance(weight, Iterable) else list(weight)
        self.means: list[bool] = []  # whether the loss of data like it is the mean of its parts; none: not known
        self._totals: dict[int | None, float] = {}

    def of_one(self, batch: Any) -> UserData:
        """Return one of the batches as data, with what is known of the loss."""
        data = UserData([batch], self.weight)
        data.one_batch, data.means = True, self.means
        return data

    def is_whole(self, chunk: int | None) -> bool:
        """Return whether one forward pass sees all of it."""
        return self.one_batch and (chunk is None or n_samples(self._batches[0]) <= chunk)

    def total(self, chunk: int | None) -> float:
        """Return the sum of all weights; counted once, by a pass over the data."""
        if chunk not in self._totals:
            self._totals[chunk] = sum(weight for weight, _ in self.pieces(chunk))
        if self._totals[chunk] <= 0:
            raise DataError("data must hold at least one batch with a weight above 0, found none.")
        return self._totals[chunk]

    def pieces(self, chunk: int | None) -> Iterator[tuple[float, Any]]:
        """Yield all of the data, at most `chunk` samples at a time, with the weight of each piece."""
        for index, batch in enumerate(self):
            for piece in in_pieces(batch, chunk):
                yield self._weight_of(piece, index, piece is batch), piece

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

    def _weight_of(self, piece: Any, index: int, is_whole: bool) -> float:
        if self.weight is None:
            return n_samples(piece)
        if callable(self.weight):
            return _checked(self.weight(piece))
        if not is_whole:
            raise TrainingError(
                "weight must be a function of the batch where chunk divides batches, "
                f"found {type(self.weight).__name__}."
            )
        if not isinstance(self.weight, Sequence):
            return _checked(self.weight)
        if index >= len(self.weight):
            raise TrainingError(f"weight must have a number for each batch, found {len(self.weight)} for more batches.")
        return _checked(self.weight[index])


def _checked(weight: Any) -> float:
    try:
        number = float(weight)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise TrainingError(f"weight must be a number of at least 0 for each batch, found {weight!r:.80}.")
    return number


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
