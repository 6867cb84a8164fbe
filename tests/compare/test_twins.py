"""When twins part. Truth: gaps that are planted."""

import numpy as np
import polars as pl
import pytest
from mstudy.compare.all_pairs import find_all_partings
from mstudy.compare.twins import measure_twins
from mstudy.core.params import Compare, Margins

from tests.estimate.tables import runs_of

STEPS = np.arange(300)
RUN = "8-0.1-0.0-0"


def curve(run_id, log_loss):
    return pl.DataFrame(
        {"run_id": run_id, "step": STEPS[: len(log_loss)], "loss": np.exp(log_loss)},
        schema={"run_id": pl.String, "step": pl.Int64, "loss": pl.Float64},
    )


@pytest.fixture
def twins(rng):
    """One that opens at step 120 with the twin ahead, one that stays, one that diverges, a short one, one of no run."""
    runs = runs_of(lambda b, rate, mu, seed: 1.0, (0.1,), 1)
    base = -0.01 * STEPS + rng.normal(0, 0.002, len(STEPS))
    opening = 0.4 * -np.expm1(-np.maximum(STEPS - 120, 0) / 30)
    about = {
        "opens": ("rounding", base - opening + rng.normal(0, 0.02, len(STEPS)), None),
        "stays": ("order", base + 0.005, None),
        "falls": (None, base[:40], 40),
        "short": ("order", base[:9], None),
        "lost": ("order", base, None),
    }
    own = runs.filter(run_id=RUN)
    rows = [
        own.with_columns(
            run_id=pl.lit(name),
            twin_of=pl.lit("nowhere" if name == "lost" else RUN),
            twin_kind=pl.lit(kind, pl.String),
            diverged_step=pl.lit(diverged, pl.Int64),
        )
        for name, (kind, _, diverged) in about.items()
    ]
    points = pl.concat([curve(RUN, base), *(curve(name, losses) for name, (_, losses, _) in about.items())])
    found = measure_twins(pl.concat([runs, *rows]), points, Compare())
    return {row["twin_run_id"]: row for row in found.iter_rows(named=True)}


def test_a_twin_parts_where_its_late_gap_is_beyond_the_margin_whichever_is_ahead(twins):
    opens = twins["opens"]

    assert (opens["status"], opens["kind"], opens["run_id"], opens["momentum"]) == ("parted", "rounding", RUN, 0.0)
    assert opens["step"] == pytest.approx(120, abs=10)
    assert opens["step_low"] < 120 < opens["step_high"]
    assert opens["late_gap"] == pytest.approx(0.4, abs=0.02)


def test_a_twin_that_stays_diverges_or_is_short_does_not_part(twins):
    assert {name: (row["status"], row["step"]) for name, row in twins.items() if name != "opens"} == {
        "stays": ("none", None),
        "falls": ("diverged", 40.0),
        "short": ("insufficient", None),
    }
    assert [twins["stays"][name] for name in ("first_gap", "late_gap")] == pytest.approx([-0.005, -0.005])
    assert twins["falls"]["kind"] == "rounding"  # what a twin is that does not say


def test_a_twin_that_states_its_kind_changes_no_margin():
    runs = runs_of(lambda b, rate, mu, seed: 1.0, (0.1,), 2)
    twin = runs.filter(run_id=RUN).with_columns(run_id=pl.lit("twin"), twin_of=pl.lit(RUN))
    points = pl.concat([curve(name, -0.01 * STEPS + 0.4 * (name == "twin")) for name in [*runs["run_id"], "twin"]])

    def cell(kind):
        told = pl.concat([runs, twin.with_columns(twin_kind=pl.lit(kind, pl.String))])
        return find_all_partings(told, points, Margins(), Compare()).cells.row(0, named=True)

    assert (cell("rounding")["n_twins"], cell("rounding")["margin"]) == (0, Compare().parting_margin)
    assert (cell(None)["n_twins"], cell(None)["margin"]) == (1, pytest.approx(0.4))
