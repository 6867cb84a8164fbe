"""A share of work that several machines do side by side, without a word to each other: shard 3 of 16."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b

from mstudy.core.errors import ConfigError, shown

MAX_SHARDS = 10_000
_PATTERN = re.compile(r"(\d{1,5})/(\d{1,5})", re.ASCII)


@dataclass(frozen=True)
class Shard:
    """number: from 1 to count."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"

    def takes(self, name: str) -> bool:
        """Return whether the work of this name is this shard's: each name has one shard, on every machine the same."""
        digest = blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1

    def takes_place(self, place: int) -> bool:
        """Return whether the work at this place of a list, which is the same on every machine, is this shard's."""
        return place % self.count == self.number - 1


def parse_shard(text: str) -> Shard:
    """Return the shard that K/N names. Raises ConfigError for anything else."""
    match = _PATTERN.fullmatch(text)
    shard = Shard(int(match[1]), int(match[2])) if match else Shard(0, 0)
    if not 1 <= shard.number <= shard.count <= MAX_SHARDS:
        raise ConfigError(f"--shard must be K/N with 1 <= K <= N <= {MAX_SHARDS:,}, as 3/16, found {shown(text)}.")
    return shard
