"""What `mstudy explain` shows is what the detector did."""

from dataclasses import replace

import numpy as np
import pytest
from mstudy.core.generators import generator_for
from mstudy.core.params import Detect
from mstudy.detect.sharpening import find_sharpening
from mstudy.explain.explanation import explain_sharpening
from mstudy.explain.page import summary

DETECT = Detect()
STEPS = np.arange(400)


def _explain(curvature, loss=None):
    return explain_sharpening(STEPS[: len(curvature)], curvature, np.ones(len(curvature)), DETECT, "a run")


@pytest.fixture(scope="module")
def jumped():
    rng = np.random.default_rng(3)
    log = np.where(STEPS >= 200, np.log(20), 0.0) + np.where(STEPS >= 300, np.log(1.6), 0.0)
    return np.exp(log + rng.normal(0, 0.1, len(STEPS)))


def test_the_verdict_is_the_detector_s_own(jumped):
    found = find_sharpening(STEPS, jumped, np.ones(len(STEPS)), DETECT, generator_for("a run", DETECT.seed))

    assert _explain(jumped).found == found
    assert found.status == "detected"


def test_random_numbers_are_those_of_the_detector_throughout():
    """Noise alone, so strong that it rises by the factor: every other generator changes its p-value."""
    wild = np.exp(np.random.default_rng(5).normal(0, 1.0, len(STEPS)))

    told = _explain(wild)

    rng = generator_for("a run", DETECT.seed)
    assert told.found == find_sharpening(STEPS, wild, np.ones(len(STEPS)), DETECT, rng)
    assert 0.02 < told.found.p_value < 1
    # The run's p-value is of the largest rise in units of its noise, anywhere: no candidate's is smaller.
    assert told.candidates["p_value"].min() >= told.found.p_value


def test_a_run_with_nothing_to_test_still_shows_its_candidates_and_its_null():
    calm = np.exp(np.random.default_rng(5).normal(0, 0.3, len(STEPS)))

    told = _explain(calm)

    assert (told.found.status, told.found.p_value) == ("none", None)
    assert told.candidates["factor"].max() < DETECT.jump_factor
    assert told.candidates.select("p_value", "reason").rows() == [(None, "small")] * len(told.candidates)
    assert len(told.candidates) and told.blocks["high"].is_finite().all()


def test_the_accepted_candidate_is_the_event_and_the_small_one_is_refused(jumped):
    told = _explain(jumped)

    (accepted,) = told.candidates.filter(reason="").rows(named=True)
    assert accepted["start"] <= 200 <= accepted["end"] + 1
    assert accepted["factor"] == pytest.approx(20, rel=0.2)
    assert accepted["p_value"] == told.found.events[0].p_value
    small = told.candidates.filter(reason="small")
    assert ((small["start"] - 300).abs() <= 20).any()


def test_the_null_follows_the_level_before_the_jump_and_has_none(jumped):
    blocks = _explain(jumped).blocks

    quiet = blocks.filter(blocks["step"] < 150)
    inside = ((quiet["level"] >= quiet["low"]) & (quiet["level"] <= quiet["high"])).mean()
    assert inside > 0.8
    assert blocks["middle"].max() < 5  # a factor of 20 below what the run reaches
    assert (blocks["low"] < blocks["middle"]).all() and (blocks["middle"] < blocks["high"]).all()


@pytest.mark.parametrize(("curvature", "status"), [(np.full(400, np.nan), "no_curvature"), (np.ones(20), "too_short")])
def test_a_log_that_cannot_be_judged_has_no_candidates(curvature, status):
    told = _explain(curvature)

    assert told.found.status == status
    assert told.blocks.is_empty() and told.candidates.is_empty()


def test_a_passing_burst_is_told_in_words():
    log = np.where((STEPS >= 200) & (STEPS < 206), np.log(500), 0.0) + np.random.default_rng(3).normal(0, 0.05, 400)

    explained = _explain(np.exp(log))
    told = summary(explained)
    untested = summary(replace(explained, found=replace(explained.found, p_value=None)))

    assert told.startswith("No abrupt sharpening up to step ")
    assert "but a rise, at step 199 [199, 200], by a factor 5" in told
    assert told.endswith("transient: it is left again after a few rows.")
    assert "; a rise reaches the factor asked for, but none that is abrupt and lasts)" in untested


def test_that_no_rise_reaches_the_factor_is_said_where_none_does():
    told = summary(_explain(np.exp(np.random.default_rng(3).normal(0, 0.05, 400))))

    assert told.endswith("(400 usable points; no rise that lasts reaches the factor asked for).")
