"""A random generator for each run or cell, from its name and the seed."""

from __future__ import annotations

import zlib

import numpy as np


def generator_for(name: str, seed: int) -> np.random.Generator:
    """Make a generator for one run or cell: no estimate depends on what else is analysed beside it."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])
