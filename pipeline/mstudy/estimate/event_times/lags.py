"""The lag of each pair, and the lags of seeds that do not belong together: what coincidence is judged against."""

from __future__ import annotations

import polars as pl

from mstudy.tables.table import BLOCK

OWN, EXCHANGED = "own", "exchanged"


def lags_with_null(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return `ratio` = parting / sharpening of every pair (`kind` own) and with another seed's sharpening (exchanged).

    pairs: those of `coincidence.aligned_pairs`. All ordered pairs of seeds within a block are exchanged. Under the null
    of the permutation test, that a seed's parting does not depend on its sharpening, both kinds are alike.
    """
    keys = [*BLOCK, "optimizer", "momentum", "seed"]
    own = pairs.select(*keys, "step", "sharpening_step")
    others = own.select(*BLOCK, "seed", "sharpening_step").unique()
    exchanged = own.drop("sharpening_step").join(others, on=BLOCK, suffix="_other")
    exchanged = exchanged.filter(pl.col("seed") != pl.col("seed_other")).sort(*keys, "seed_other")
    ratio = pl.max_horizontal("step", 1.0) / pl.max_horizontal("sharpening_step", 1.0)
    kinds = [(own, OWN), (exchanged.drop("seed_other"), EXCHANGED)]
    return pl.concat(
        frame.select(*keys, "step", "sharpening_step").with_columns(ratio.alias("ratio"), pl.lit(kind).alias("kind"))
        for frame, kind in kinds
    )
