"""Truth: the last values that a parameter may have, and the first that it may not, by hand."""

from dataclasses import fields

import pytest
from mstudy.core.errors import ConfigError
from mstudy.core.params import Branches, Cadence, Compare, Detect, Estimate, Grid, Init, Margins, Report, Study

BOUNDS = [
    (Detect, "jump_factor", [1.01], [1.0]),
    (Detect, "lasting_share", [0.01, 1.0], [0.0, 1.01]),
    (Detect, "recurring_gap", [0.01, 0.5], [0.0, 0.51]),
    (Detect, "transient_points", [2], [1]),
    (Detect, "progressive_share", [0.01, 1.0], [0.0, 1.01]),
    (Detect, "min_points", [16], [15]),
    (Detect, "alpha", [0.01, 0.99], [0.0, 1.0]),
    (Detect, "band_factor", [1.01], [1.0]),
    (Detect, "band_share", [0.01, 1.0], [0.0, 1.01]),
    (Detect, "band_points", [1], [0]),
    (Detect, "crossing_tolerance", [0.0, 0.99], [-0.01, 1.0]),
    (Detect, "crossing_points", [1, 2], [0]),
    (Detect, "agreement", [0.0, 0.99], [-0.01, 1.0]),
    (Detect, "resamples", [19, 1_000_000], [18, 1_000_001]),  # alpha is 0.05
    (Margins, "advantage", [0.01], [0.0]),
    (Margins, "diverged", [0.06], [0.05]),
    (Compare, "parting_margin", [0.01], [0.0]),
    (Compare, "recurring_gap", [0.08, 0.5], [0.0, 0.51]),
    (Compare, "horizons", [(0.01, 1.0)], [(), (0.0,), (0.5, 1.01), (1.0, 1.0)]),
    (Compare, "alpha", [0.01, 0.49], [0.0, 0.5]),
    (Compare, "resamples", [100, 1_000_000], [99, 1_000_001]),
    (Estimate, "lag_tolerance", [0.01, 0.99], [0.0, 1.0]),
    (Estimate, "min_seeds", [2], [1]),
    (Estimate, "min_cells", [2], [1]),
    (Estimate, "min_reliability", [0.0, 0.99], [-0.01, 1.0]),
    (Estimate, "min_shared", [0.01, 0.99], [0.0, 1.0]),
    (Estimate, "min_batch_sizes", [3], [2]),
    (Estimate, "trend_margin", [0.001], [0.0]),
    (Estimate, "mostly_share", [0.51, 0.99], [0.5, 1.0]),
    (Estimate, "min_limits", [4], [3]),
    (Estimate, "law_tolerance", [0.01, 0.99], [0.0, 1.0]),
    (Estimate, "alpha", [0.01, 0.49], [0.0, 0.5]),
    (Estimate, "resamples", [100, 1_000_000], [99, 1_000_001]),
    (Report, "points_per_curve", [20, 100_000], [19, 100_001]),
    (Report, "max_runs", [1], [0]),
    (Branches, "treatments", [("unchanged",)], [(), ("surgery",), ("projected", "projected")]),
    (Branches, "lead", [0], [-1]),
    (Branches, "control", [0.01, 0.99], [0.0, 1.0]),
    (Branches, "rates", [None, 1], [0]),
    (Branches, "share_of_line", [0.01, 2.0], [0.0]),
    (Branches, "search_every", [1], [0]),
    (Branches, "rate_share", [0.01, 0.99], [0.0, 1.0]),
    (Grid, "low", [1e-200, 2.0], [0.0, 1e-300]),  # high is 2.56
    (Grid, "high", [0.03, 1e290], [0.01, 1e300]),  # low is 0.02
    (Grid, "points", [2, 10_000], [0, 1, 10_001]),
    (Init, "gain", [1.0], [0.0]),
    (Init, "scale", [0.01], [0.0]),
    (Cadence, "dense_steps", [0], [-1]),
    (Cadence, "growth", [0.01, 1.0], [0.0, 1.01]),
    (Cadence, "batch_sharpness_batches", [2, 10_000], [1, 10_001]),
    (Cadence, "adaptive_factor", [None, 1.01], [1.0]),
    (Cadence, "every", [{"sharpness": 0}, {"sharpness": 1}], [{"sharpness": -1}, {"sharpness": 2}]),
    (Study, "batch_sizes", [(1,), ("full",)], [(), (0,), ("half",)]),
    (Study, "momenta", [(0.0, 0.99)], [(), (-0.01,), (1.0,), (1 - 1e-10,)]),
    (Study, "first_seed", [0, 1_000_000_000], [-1, 1_000_000_001]),
    (Study, "twins", [0, 5], [-1, 6]),  # seeds are 5
    (Study, "branch_steps", [(1, 799)], [(0,), (800,)]),  # steps is 800
    (Study, "n_train", [None, 1], [0]),
    (Study, "probe_samples", [None, 1], [0]),
    (Study, "chunk", [None, 1], [0]),
    (Study, "width", [None, 1, 10_000], [0, 10_001]),
    (Study, "weight_decay", [0.0], [-0.01]),
    (Study, "warmup_steps", [0], [-1]),
    (Study, "seeds", [1, 833], [0, 834]),  # times 5 batch sizes, 8 rates and 3 momenta: at most 100,000 runs
    (Study, "steps", [1], [0]),
    (Study, "divergence_factor", [1.01], [1.0]),
]
# Names, texts and switches; seeds of generators, which may be any number; sections with parameters of their own.
UNBOUNDED = {
    *((Detect, key) for key in ("quantity", "decides", "seed")),
    *(
        (Compare, "scale"),
        (Compare, "seed"),
        (Estimate, "seed"),
        (Report, "title"),
        (Init, "weights"),
        (Init, "zero_biases"),
    ),
    *(
        (Study, key)
        for key in ("looks", "dataset", "model", "objective", "init", "eta_ef", "optimizer", "nesterov", "log")
    ),
}


def test_each_parameter_is_listed_with_its_bounds():
    kinds = (Branches, Detect, Margins, Compare, Estimate, Report, Grid, Init, Cadence, Study)
    listed = {(kind, key) for kind, key, *_ in BOUNDS} | UNBOUNDED

    assert listed == {(kind, field.name) for kind in kinds for field in fields(kind)}


@pytest.mark.parametrize(("kind", "key", "allowed", "_"), BOUNDS, ids=[f"{k.__name__}-{key}" for k, key, *_ in BOUNDS])
def test_the_last_allowed_values_are_allowed(kind, key, allowed, _):
    for value in allowed:
        kind(**{key: value})


@pytest.mark.parametrize(("kind", "key", "_", "refused"), BOUNDS, ids=[f"{k.__name__}-{key}" for k, key, *_ in BOUNDS])
def test_the_first_values_beyond_are_refused(kind, key, _, refused):
    for value in refused:
        with pytest.raises(ConfigError, match=rf"^(.* and )?{key}\S* must "):
            kind(**{key: value})


def test_an_unknown_quantity_is_named_by_its_first_80_letters():
    with pytest.raises(ConfigError, match=rf"^every\.{80 * 'x'} is not a quantity"):
        Cadence(every={100 * "x": 1})
