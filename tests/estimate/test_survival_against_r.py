"""Reference software: numbers of published analyses of two small data sets, made with R's `survival` among others.

Gehan (1965), Freireich et al. (1963): weeks in remission of 21 pairs of children, placebo and 6-MP; in R MASS::gehan.
Kaplan-Meier with standard errors: Kleinbaum & Klein, Survival Analysis, chapter 2, and
summary(survfit(Surv(time, cens) ~ treat, gehan)). Log-rank: observed 21 and 9, expected 10.75 and 19.25, chi-squared
16.79, survdiff(Surv(time, cens) ~ treat, gehan). Cox: coxph(Surv(time, cens) ~ treat, gehan, ties = "breslow"),
coefficient 1.509, standard error 0.410; Kalbfleisch & Prentice (2002), 4.2.

Miller (1997): remission in acute myelogenous leukaemia; in R survival::aml. survfit(Surv(time, status) ~ x, aml).
"""

import numpy as np
import pytest
from mstudy.estimate.event_times.hazard import hazard_ratio
from mstudy.estimate.event_times.survival import restricted_mean, survival_curve
from mstudy.estimate.event_times.swap_test import PairedTimes, score_differences, swap_test
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import survdiff

# By pair, as in MASS::gehan.
PLACEBO = np.array([1, 22, 3, 12, 8, 17, 2, 11, 8, 12, 2, 5, 4, 15, 8, 23, 5, 11, 4, 1, 8], float)
MERCAPTOPURINE = np.array([10, 7, 32, 23, 22, 6, 16, 34, 32, 25, 11, 20, 19, 6, 17, 35, 6, 13, 9, 6, 10], float)
RELAPSED = np.array([1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0], bool)
AML = np.array([9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161], float)
AML_EVENT = np.array([1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0], bool)


def pairs():
    event = np.column_stack([np.ones(21, bool), RELAPSED])
    time = np.column_stack([PLACEBO, MERCAPTOPURINE])
    return PairedTimes(time, event, np.zeros_like(event), np.zeros(21, int))


def test_kaplan_meier_of_6_mp():
    curve = survival_curve(MERCAPTOPURINE, RELAPSED, np.zeros(21, bool))
    at = dict(zip(curve.step, zip(curve.n_risk, curve.survival, strict=True), strict=True))

    expected = {6: (21, 0.857), 7: (17, 0.807), 10: (15, 0.753), 13: (12, 0.690), 16: (11, 0.627), 22: (7, 0.538)}
    for step, (n_risk, survival) in (expected | {23: (6, 0.448)}).items():
        assert at[step] == (n_risk, pytest.approx(survival, abs=5e-4))


def test_kaplan_meier_of_aml_with_its_log_log_interval():
    """The interval is R's conf.type = "log-log": from the survival and standard error that it prints."""
    curve = survival_curve(AML, AML_EVENT, np.zeros(11, bool))
    printed = {9: (0.909, 0.0867), 13: (0.818, 0.1163), 18: (0.716, 0.1397), 23: (0.614, 0.1526)}
    printed |= {31: (0.491, 0.1642), 34: (0.368, 0.1627), 48: (0.184, 0.1535)}

    for step, survival, low, high in zip(curve.step, curve.survival, curve.ci_low, curve.ci_high, strict=True):
        if step in printed:
            expected, error = printed[step]
            assert survival == pytest.approx(expected, abs=5e-4)
            reach = 1.96 * error / (expected * abs(np.log(expected)))
            assert (low, high) == pytest.approx((expected ** np.exp(reach), expected ** np.exp(-reach)), abs=3e-3)


def test_the_swap_tests_score_is_the_log_rank_of_survdiff():
    found = swap_test(pairs(), 500, np.random.default_rng(0))

    assert found.score == pytest.approx(21 - 10.75, abs=0.01)
    assert found.p_value <= 2 / 500
    times = pairs()
    arm = np.tile([0, 1], 21)
    chi_squared, _ = survdiff(times.time.ravel(), times.event.ravel().astype(int), arm)
    assert chi_squared == pytest.approx(16.79, abs=0.01)


def test_strata_are_log_ranks_of_their_own():
    times, cell = pairs(), np.repeat([0, 1, 2], 7)
    by_hand = 0.0
    for each in (0, 1, 2):
        time, event = times.time[cell == each], times.event[cell == each]
        for moment in np.unique(time[event]):
            at_risk, now = time >= moment, event & (time == moment)
            by_hand += now[:, 0].sum() - now.sum() * at_risk[:, 0].sum() / at_risk.sum()

    strata = PairedTimes(times.time, times.event, times.diverged, cell)

    assert score_differences(strata).sum() / 2 == pytest.approx(by_hand)


def test_cox_of_6_mp():
    found = hazard_ratio(pairs())

    assert np.log(found.ratio) == pytest.approx(-1.509, abs=5e-4)
    assert found.low < found.ratio < found.high
    model = PHReg(pairs().time.ravel(), np.tile([0.0, 1.0], 21)[:, None], status=pairs().event.ravel().astype(int))
    assert model.fit().bse[0] == pytest.approx(0.410, abs=5e-4)


def test_restricted_mean_is_the_area_by_hand():
    # Of 4 runs one falls at 2 and one at 6, two are censored at 10: 2 * 1 + 4 * 0.75 + 4 * 0.5.
    time, event = np.array([2.0, 6.0, 10.0, 10.0]), np.array([True, True, False, False])

    assert restricted_mean(time, event, 10.0) == pytest.approx(2 + 3 + 2)
    assert restricted_mean(time, np.zeros(4, bool), 10.0) == 10.0


def test_aalen_johansen_without_divergence_is_one_less_kaplan_meier():
    curve = survival_curve(AML, AML_EVENT, np.zeros(11, bool))

    np.testing.assert_allclose(curve.incidence_sharpening, 1 - curve.survival, atol=1e-12)
    assert not curve.incidence_divergence.any()
