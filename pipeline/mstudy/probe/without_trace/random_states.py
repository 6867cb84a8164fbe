"""The random states of torch, NumPy and Python."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch

from mstudy.probe.without_trace.undo import Undo

_numpy: Any = np.random
_SPARE = np.random.MT19937(0)  # NumPy draws by it while a measurement lasts
GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)


@contextmanager
def random_states_kept(device: torch.device) -> Iterator[None]:
    """Put the states of all global generators back at the end."""
    python = random.getstate()
    devices = range(torch.cuda.device_count()) if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices), _numpy_kept():
            yield
    finally:
        random.setstate(python)


@contextmanager
def _numpy_kept() -> Iterator[None]:
    """Let NumPy draw by another generator; to write a state back into its own takes as long as a small layer."""
    own, state = _numpy.get_bit_generator(), np.random.get_state(legacy=False)
    _numpy.set_bit_generator(_SPARE)
    try:
        yield
    finally:
        _numpy.set_bit_generator(own)
        if state.get("has_gauss"):  # a number drawn ahead, which is no part of the generator
            np.random.set_state(state)


def reseed(device: torch.device, seed: int) -> None:
    """Draw the same each time from now on; only inside `random_states_kept`, which restores the states."""
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)


def generator_undo(generator: Any) -> Undo:
    """Return what lets a generator of the user's own draw again what it draws next."""
    if isinstance(generator, torch.Generator):
        return partial(generator.set_state, generator.get_state())
    if isinstance(generator, random.Random):
        return partial(generator.setstate, generator.getstate())
    if isinstance(generator, np.random.RandomState):
        return partial(generator.set_state, generator.get_state())
    bits = generator.bit_generator if isinstance(generator, np.random.Generator) else generator
    return partial(setattr, bits, "state", bits.state)
