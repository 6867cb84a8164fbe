"""The lag of each pair, and the lags of seeds that do not belong together: what coincidence is judged against."""

from __future__ import annotations

import polars as pl

from mstudy.pairs.like_with_like import aligned_pairs, exchanged_pairs
from mstudy.tables.contracts import LAGS

OWN, EXCHANGED = "own", "exchanged"


def lags_with_null(openings: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Return opening / rise of every matched moment (own), and with another seed's rises (exchanged): tables.LAGS.

    All ordered pairs of seeds within a block are exchanged. Under the null of the permutation test, that a seed's
    partings do not depend on its sharpenings, both kinds are alike.
    """
    own = aligned_pairs(openings, events).with_columns(pl.col("seed").alias("sharpening_seed"))
    exchanged = exchanged_pairs(openings, events)
    ratio = pl.max_horizontal("step", 1.0) / pl.max_horizontal("sharpening_step", 1.0)
    return pl.concat(
        frame.with_columns(ratio.alias("ratio"), pl.lit(kind).alias("kind")).select(LAGS.schema.names())
        for frame, kind in ((own, OWN), (exchanged, EXCHANGED))
    ).sort(LAGS.key)
