"""Rules on all runs together: is each there once, has it a partner, are the two alike but for momentum?

Subject of each: one row a run, the columns of scanned.SCANNED.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from mstudy.core.statuses import Severity
from mstudy.runlog.rules.rule import Fault, Stage
from mstudy.runlog.rules.scanned import IS_SGD, finished_pairs, main_runs
from mstudy.runlog.rules.together.chosen_rates import CHOSEN_RATES
from mstudy.runlog.rules.together.curvatures import CURVATURES
from mstudy.runlog.rules.together.loss_fall import LOSS_FALL
from mstudy.runlog.rules.together.same_rows import SAME_ROWS
from mstudy.runlog.rules.together.same_start import SAME_START
from mstudy.runlog.rules.together.trained_alike import TRAINED_ALIKE
from mstudy.tables.table import BLOCK, CELL, LINE, SETTING

_NEAR_RATE_SHARE = 0.01  # learning rates nearer than this share, but not equal, were meant to be equal
_LENGTH_SHARE = 0.1  # share of the steps by which the runs of a pair may differ in length
FOLDER: Stage[pl.DataFrame] = Stage()


def _later(runs: pl.DataFrame, *key: str) -> pl.DataFrame:
    """Return the runs whose key an earlier path has, with that path as `first`."""
    return runs.with_columns(pl.col("path").first().over(key).alias("first")).filter(pl.col("path") != pl.col("first"))


@FOLDER.rule(
    "duplicate-run-id", Severity.ERROR, "each run_id occurs once", "Remove one of the two, or give it its own run_id."
)
def _same_id(runs: pl.DataFrame) -> Iterator[Fault]:
    for path, first in _later(runs, "run_id").select("path", "first").iter_rows():
        yield Fault(f"it has the same run_id as {first}; remove one of the two.", "run_id", path=path)


@FOLDER.rule(
    "duplicate-run",
    Severity.ERROR,
    "each setting, optimizer, learning rate and seed occurs once, twins and branches apart",
    "Remove one of the two; if they differ in something else, say so in study, model, dataset or objective.",
)
def _same_run(runs: pl.DataFrame) -> Iterator[Fault]:
    # A branch repeats the setting of its run on purpose, and so does a twin, of which there may be several.
    once = runs.filter(pl.col("twin_of").is_null()).unique("run_id", keep="first", maintain_order=True)
    for path, first in (
        _later(once, *CELL, "seed", "branch_of", "intervention", "intervention_step")
        .select("path", "first")
        .iter_rows()
    ):
        yield Fault(
            f"it has the same setting, learning rate and seed as {first}; remove one of the two.", "seed", path=path
        )


def _unpaired(runs: pl.DataFrame, of_sgd: bool) -> Iterator[Fault]:
    runs = main_runs(runs)
    own, other = runs.filter(IS_SGD if of_sgd else ~IS_SGD), runs.filter(~IS_SGD if of_sgd else IS_SGD)
    what = "an SGDM run" if of_sgd else "an SGD run"
    alone = own.join(other, on=[*BLOCK, "seed"], how="anti").select("path", "eta_ef", "seed")
    for path, eta_ef, seed in alone.iter_rows():
        yield Fault(f"{what} of this setting must share eta_ef {eta_ef:g} and seed {seed}, found none.", path=path)


@FOLDER.rule(
    "sgd-unpaired",
    Severity.WARNING,
    "an SGD run has an SGDM partner",
    "Train the partner, or let the run count for events alone.",
)
def _sgd_unpaired(runs: pl.DataFrame) -> Iterator[Fault]:
    yield from _unpaired(runs, of_sgd=True)


@FOLDER.rule(
    "sgdm-unpaired",
    Severity.WARNING,
    "an SGDM run has an SGD partner",
    "Train the partner, or let the run count for events alone.",
)
def _sgdm_unpaired(runs: pl.DataFrame) -> Iterator[Fault]:
    yield from _unpaired(runs, of_sgd=False)


@FOLDER.rule(
    "near-rates",
    Severity.WARNING,
    "effective learning rates are equal to six digits, or differ by 1 % at least",
    "Log the exact learning rate; runs whose rates only nearly match are compared by interpolation, without a parting.",
)
def _near_rates(runs: pl.DataFrame) -> Iterator[Fault]:
    key = [*SETTING, "batch_size"]
    rates = runs.group_by(*key, "eta_ef").agg(pl.col("path").min()).sort(*key, "eta_ef")
    before = pl.col("eta_ef").shift().over(key)
    near = rates.with_columns(before.alias("before")).filter(
        pl.col("eta_ef") < pl.col("before") * (1 + _NEAR_RATE_SHARE)
    )
    for path, before_, eta_ef, b in near.select("path", "before", "eta_ef", "batch_size").iter_rows():
        found = f"{before_:g} and {eta_ef:g} at batch size {b}"
        yield Fault(f"eta_ef must match to six digits or differ clearly, found {found}.", "learning_rate", path=path)


@FOLDER.rule(
    "single-seed", Severity.WARNING, "a cell has more than one seed", "Train more seeds: three at least for a verdict."
)
def _single_seed(runs: pl.DataFrame) -> Iterator[Fault]:
    cells = main_runs(runs).group_by(CELL).agg(pl.col("seed").n_unique().alias("seeds"), pl.col("path").min())
    lines = cells.group_by(LINE).agg((pl.col("seeds") == 1).sum().alias("single"), pl.len(), pl.col("path").min())
    for path, single, total, b, momentum in (
        lines.filter(pl.col("single") > 0).sort("path").select("path", "single", "len", "batch_size", "momentum")
    ).iter_rows():
        where = f"batch size {b} and momentum {momentum:g}"
        yield Fault(f"a cell must have more than one seed, found one in {single} of {total} at {where}.", path=path)


@FOLDER.rule(
    "grids-apart",
    Severity.WARNING,
    "SGD and SGDM share effective learning rates",
    "Train both at the same eta/(1 - mu): without a shared one SGD's loss is interpolated, and no parting is seen.",
)
def _grids_apart(runs: pl.DataFrame) -> Iterator[Fault]:
    of = {is_sgd: pl.col("eta_ef").filter(IS_SGD if is_sgd else ~IS_SGD).unique() for is_sgd in (True, False)}
    grids = runs.group_by(*SETTING, "batch_size").agg(
        of[True].alias("sgd"), of[False].alias("sgdm"), pl.col("path").min()
    )
    both = (pl.col("sgd").list.len() > 0) & (pl.col("sgdm").list.len() > 0)
    apart = grids.filter(both & (pl.col("sgd").list.set_intersection("sgdm").list.len() == 0)).sort("path")
    for path, b in apart.select("path", "batch_size").iter_rows():
        yield Fault(f"SGD and SGDM must share effective learning rates, found none at batch size {b}.", path=path)


@FOLDER.rule(
    "steps-apart",
    Severity.ERROR,
    "the logged steps of a pair overlap",
    "Count the steps of both runs from their common start.",
)
def _steps_apart(runs: pl.DataFrame) -> Iterator[Fault]:
    apart = (pl.col("first_step") > pl.col("last_step_sgd")) | (pl.col("first_step_sgd") > pl.col("last_step"))
    pairs = finished_pairs(runs).filter(apart).sort("path")
    for path, low, high, sgd in pairs.select("path", "first_step", "last_step", "path_sgd").iter_rows():
        yield Fault(f"its steps must overlap those of {sgd}, found {low} to {high} alone.", "step", path=path)


@FOLDER.rule(
    "horizons-differ",
    Severity.ERROR,
    "the runs of a pair, unless one diverged, end within a tenth of the same step",
    "Finish the shorter run, or remove it: final losses at different steps do not compare.",
)
def _horizons(runs: pl.DataFrame) -> Iterator[Fault]:
    pairs = finished_pairs(runs)
    shorter = pl.col("last_step") < pl.col("last_step_sgd")
    ends = pairs.select(
        pl.when(shorter).then("path").otherwise("path_sgd").alias("path"),
        pl.when(shorter).then("path_sgd").otherwise("path").alias("longer"),
        pl.min_horizontal("last_step", "last_step_sgd").alias("end"),
        pl.max_horizontal("last_step", "last_step_sgd").alias("last"),
    )
    differ = (
        ends.filter(pl.col("end") < (1 - _LENGTH_SHARE) * pl.col("last"))
        .sort("path", "longer")
        .unique("path", keep="first")
    )
    for path, longer, end, last in differ.sort("path").iter_rows():
        yield Fault(
            f"it must end about where its partner {longer} ends, at step {last}, found {end}.", "step", path=path
        )


@FOLDER.rule(
    "starts-differ",
    Severity.ERROR,
    "the logs of a pair, unless one diverged, begin within a tenth of their steps",
    "Log both from the same step on: the final loss is that of the last tenth of what a log holds.",
)
def _starts(runs: pl.DataFrame) -> Iterator[Fault]:
    apart = (pl.col("origin") - pl.col("origin_sgd")).abs()
    shorter = pl.min_horizontal(pl.col("last_step") - pl.col("origin"), pl.col("last_step_sgd") - pl.col("origin_sgd"))
    differ = finished_pairs(runs).filter(apart > _LENGTH_SHARE * (shorter + apart)).sort("path")
    for path, start, sgd, other in differ.select("path", "first_step", "path_sgd", "first_step_sgd").iter_rows():
        yield Fault(
            f"it must begin about where its partner {sgd} begins, at step {other}, found {start}.", "step", path=path
        )


for _more in (CURVATURES, LOSS_FALL, SAME_ROWS, SAME_START, TRAINED_ALIKE, CHOSEN_RATES):
    FOLDER.rules += _more.rules
