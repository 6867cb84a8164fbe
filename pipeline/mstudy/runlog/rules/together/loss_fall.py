"""How far the loss of a setting fell: the unit of differences of losses, and the rule that there is one.

A margin in log loss is a share of the loss; of a loss that can be 0 or below no share has a meaning. What is left when
any constant may be added is how far training brought the loss down.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.statuses import Severity
from mstudy.runlog.rules.rule import Fault, Stage
from mstudy.runlog.rules.scanned import main_runs
from mstudy.tables.table import SETTING

LOSS_FALL: Stage[pl.DataFrame] = Stage()


def loss_units(runs: pl.DataFrame) -> pl.DataFrame:
    """Return one row a setting with `loss_unit`, from SCANNED: the median first loss less the lowest final loss.

    Null where losses are compared by their logarithm, and where every run of the setting diverged.
    """
    fall = pl.col("start_loss").median() - pl.col("final_loss").min()
    by_difference = (pl.col("scale") == Scale.DIFFERENCE).all()
    return main_runs(runs).group_by(SETTING).agg(pl.when(by_difference).then(fall).alias("loss_unit")).sort(SETTING)


@LOSS_FALL.rule(
    "loss-does-not-fall",
    Severity.ERROR,
    "with `compare.scale: difference`, the loss of a setting ends below its first value in at least one run",
    "Log the training loss from the first step on: differences are told as shares of how far it fell.",
)
def _falls(runs: pl.DataFrame) -> Iterator[Fault]:
    risen = loss_units(runs).filter(pl.col("loss_unit") <= 0).select(SETTING)
    of_setting = main_runs(runs).join(risen, on=SETTING, nulls_equal=True).sort("path")
    for path, start, final in of_setting.select("path", "start_loss", "final_loss").iter_rows():
        found = "a divergence" if final is None else f"{final:g} after {start:g}"
        yield Fault(f"the loss must fall in a run of its setting, found {found}.", "loss", path=path)
