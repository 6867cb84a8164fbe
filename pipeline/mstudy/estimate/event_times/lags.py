"""The lag of each pair, and the lags of seeds that do not belong together: what coincidence is judged against."""

from __future__ import annotations

import polars as pl

from mstudy.tables.contracts import LAGS
from mstudy.tables.table import BLOCK, CELL

OWN, EXCHANGED = "own", "exchanged"


def lags_with_null(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return parting / sharpening of every pair (own), and with another seed's sharpening (exchanged): tables.LAGS.

    pairs: of `aligned_pairs`. All ordered pairs of seeds within a block are exchanged. Under the null
    of the permutation test, that a seed's parting does not depend on its sharpening, both kinds are alike.
    """
    keys = [*CELL, "seed"]
    own = pairs.select(*keys, pl.col("seed").alias("sharpening_seed"), "step", "sharpening_step")
    others = own.select(*BLOCK, "sharpening_seed", "sharpening_step").unique()
    exchanged = own.select(*keys, "step").join(others, on=BLOCK).filter(pl.col("seed") != pl.col("sharpening_seed"))
    ratio = pl.max_horizontal("step", 1.0) / pl.max_horizontal("sharpening_step", 1.0)
    return pl.concat(
        frame.with_columns(ratio.alias("ratio"), pl.lit(kind).alias("kind")).select(LAGS.schema.names())
        for frame, kind in ((own, OWN), (exchanged, EXCHANGED))
    ).sort(LAGS.key)
