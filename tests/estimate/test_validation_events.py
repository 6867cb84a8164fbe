"""A reduced `benchmarks/error_rates/inference_events.py`: verdicts and coverage on whole experiments with known truth.

Bounds allow for chance: of 40 experiments at 5 %, more than 6 happen once in 700 times.
"""

from functools import lru_cache

import numpy as np
import pytest
from mstudy.compare.all_pairs import find_all_partings
from mstudy.core.params import Compare, Detect, Estimate, Margins
from mstudy.detect.all_runs import detect_sharpenings
from mstudy.estimate.claims.c4_same_moment import judge_same_moment
from mstudy.estimate.claims.c5_deferred import judge_deferred
from mstudy.estimate.claims.c8_intervention import judge_intervention
from mstudy.estimate.event_times.coincidence import measure_alignment
from mstudy.estimate.event_times.deferral import measure_deferral

from benchmarks.error_rates.evidence import evidence_of
from benchmarks.error_rates.experiments import (
    COMMON,
    CONSTANT_LAG,
    SHARED_CAUSE,
    Coincidence,
    Deferral,
    Intervened,
    draw_coincidence_runs,
    draw_interventions,
    draw_survival,
    draw_times,
)

N = 40
ESTIMATE = Estimate(resamples=199)
MARGIN = Margins().advantage


@lru_cache
def alignments(truth):
    return [measure_alignment(*draw_times(truth, np.random.default_rng([5, k])), ESTIMATE) for k in range(N)]


def shares(verdicts):
    return {verdict: verdicts.count(verdict) / len(verdicts) for verdict in set(verdicts)}


def same_moments(truth):
    return shares(
        [judge_same_moment(evidence_of(alignment=alignment), ESTIMATE).verdict for alignment in alignments(truth)]
    )


@pytest.mark.parametrize("n_seeds", [3, 5])
def test_one_event_is_found(n_seeds):
    assert same_moments(Coincidence(n_seeds=n_seeds)).get("supported", 0) >= 0.9


def test_a_shared_cause_is_not_one_event():
    found = same_moments(Coincidence(link=SHARED_CAUSE))

    assert found.get("supported", 0) <= 0.15
    assert found.get("contradicted", 0) > 0.2


def test_the_refused_tests_would_have_said_so():
    def rejected(name):
        tables = alignments(Coincidence(link=SHARED_CAUSE))
        return np.mean([dict(t.select("statistic", "p_value").iter_rows())[name] <= 0.05 for t in tables])

    assert rejected("pooled_spearman") > 0.8
    assert rejected("pooled_permutation") > 0.8
    assert rejected("within_block_permutation") <= 0.15


@pytest.mark.parametrize("passing", [(1, 1), (2, 2), (0, 2)])
def test_events_that_pass_make_no_coincidence_of_a_shared_cause_and_hide_none(passing):
    shared = alignments(Coincidence(link=SHARED_CAUSE, passing=passing))
    p_values = [dict(t.select("statistic", "p_value").iter_rows()) for t in shared]
    seen = [t["n_moments"][0] for t in alignments(Coincidence(passing=passing))]

    assert np.mean([p["within_block_permutation"] <= 0.05 for p in p_values]) <= 0.15
    assert same_moments(Coincidence(passing=passing)).get("supported", 0) >= 0.9
    assert np.mean(seen) == pytest.approx(30 * (1 + np.mean(passing)), rel=0.1)


def test_a_lag_is_contradicted():
    assert same_moments(Coincidence(link=CONSTANT_LAG)) == {"contradicted": 1.0}


@pytest.mark.parametrize("link", [COMMON, SHARED_CAUSE, CONSTANT_LAG])
def test_the_lags_interval_covers(link):
    truth = Coincidence(link=link)
    lag = np.log(truth.lag) if link == CONSTANT_LAG else 0.0
    rows = [alignment.row(0, named=True) for alignment in alignments(truth)]

    assert np.mean([row["lag_low"] <= lag <= row["lag_high"] for row in rows]) >= 0.85


def deferrals(truth, n=12):
    tables = [measure_deferral(*draw_survival(truth, np.random.default_rng([5, k])), ESTIMATE) for k in range(n)]
    return shares([judge_deferred(evidence_of(deferral=table), ESTIMATE).verdict for table in tables])


def test_a_deferral_of_three_tenths_is_found():
    assert deferrals(Deferral(factor=1.3)).get("supported", 0) >= 0.75


def test_prevention_is_found_without_any_event_under_momentum():
    assert deferrals(Deferral(prevented=1.0), n=4) == {"supported": 1.0}


@pytest.mark.parametrize("truth", [Deferral(diverging=(0.5, 0.05)), Deferral(absent=0.9)])
def test_alike_is_not_deferred(truth):
    assert deferrals(truth).get("supported", 0) <= 0.25  # 3 of 12: once in 50 times at 5 %


def interventions(truth):
    tables = [draw_interventions(truth, np.random.default_rng([5, k])) for k in range(N)]
    return shares([judge_intervention(evidence_of(interventions=table), ESTIMATE).verdict for table in tables])


def test_a_gap_that_goes_with_the_sharpening_is_found_and_one_that_stays_contradicts():
    assert interventions(Intervened()).get("supported", 0) >= 0.9
    assert interventions(Intervened(branches=(0.5,))) == {"contradicted": 1.0}


@pytest.mark.parametrize("truth", [Intervened(anyway=0.5), Intervened(anyway=0.6)])
def test_what_goes_at_the_control_time_too_is_no_support(truth):
    assert interventions(truth).get("supported", 0) <= 0.15


@pytest.mark.parametrize("truth", [Intervened(branches=(MARGIN,)), Intervened(parent=MARGIN)])
def test_a_gap_of_just_the_margin_has_not_gone(truth):
    assert interventions(truth).get("supported", 0) <= 0.15


def test_from_logs_one_event_is_told_from_a_lag():
    def verdict(truth):
        logs = draw_coincidence_runs(truth, np.random.default_rng(1))
        found = detect_sharpenings(logs.runs, logs.points, Detect())
        partings = find_all_partings(logs.runs, logs.points, Margins(), Compare())
        moments = partings.openings, found.events
        alignment = measure_alignment(partings.pairs, found.sharpenings, *moments, ESTIMATE)
        return judge_same_moment(evidence_of(alignment=alignment), ESTIMATE).verdict

    assert verdict(Coincidence(n_cells=5)) == "supported"
    assert verdict(Coincidence(n_cells=5, link=CONSTANT_LAG)) == "contradicted"
