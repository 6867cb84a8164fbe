"""Truth: onsets planted in hardly any noise, and likelihoods written down by hand."""

import numpy as np
import pytest
from mstudy.compare.gap_shapes import N_KINDS
from mstudy.compare.onset import Evidence, date_onsets, known_onset, typical_onset, weigh_onsets
from mstudy.pairs.gap import Gap
from scipy import stats

STEPS = np.arange(0.0, 300.0, 3)


def locate_onset(gap):
    return date_onsets([weigh_onsets(gap)])[0]


def evidence(*likelihoods):
    """One column a kind, the others impossible."""
    columns = [*likelihoods, *[np.zeros_like(likelihoods[0])] * (N_KINDS - len(likelihoods))]
    return Evidence(np.arange(1.0, 400.0), np.stack(columns, axis=1), np.arange(1.0, 500.0))


@pytest.mark.parametrize(
    "shape",
    [
        lambda t: t,
        lambda t: np.minimum(t, 60),
        lambda t: -np.expm1(-t / 40),
        lambda t: t**2 / 100,
        lambda t: (t > 0) * 1.0,
    ],
)
def test_a_gap_is_dated_in_any_shape(shape, rng):
    gap = shape(np.maximum(STEPS - 120, 0.0))
    found = locate_onset(Gap(STEPS, gap / gap.max() + rng.normal(0, 0.01, len(STEPS))))

    assert found.step == pytest.approx(120, abs=12)
    assert found.low <= 120 <= found.high


def test_a_level_and_a_scale_change_nothing(rng):
    gap = np.maximum(STEPS - 90, 0) / 200 + rng.normal(0, 0.01, len(STEPS))

    one, other = locate_onset(Gap(STEPS, gap)), locate_onset(Gap(STEPS, 5 - 40 * gap))

    assert (one.step, one.low, one.high) == pytest.approx((other.step, other.low, other.high), rel=1e-4)


def test_more_noise_widens_the_interval(rng):
    noise = rng.normal(0, 1, len(STEPS))
    quiet, loud = (locate_onset(Gap(STEPS, np.maximum(STEPS - 90, 0) / 200 + s * noise)) for s in (0.003, 0.1))

    assert loud.high - loud.low > 2 * (quiet.high - quiet.low)


def test_a_long_log_is_joined_to_few_points(rng):
    steps = np.arange(5000.0)
    found = locate_onset(Gap(steps, np.maximum(steps - 2000, 0) / 3000 + rng.normal(0, 0.05, 5000)))

    assert found.low < 2000 < found.high
    assert found.step == pytest.approx(2000, abs=200)


def test_the_typical_onset_of_known_ones_is_their_mean_in_log():
    middle, low, high = typical_onset([known_onset(s) for s in (50.0, 100.0, 200.0)])

    assert middle == pytest.approx(100, rel=0.05)
    # Student's interval is exp(log 100 +- 1.72); a spread of at most 1 keeps ours within it.
    assert 100 / np.exp(1.73) < low < 60
    assert 170 < high < 100 * np.exp(1.73)


@pytest.mark.parametrize("spread", [0.06, 0.1])
def test_the_interval_of_known_onsets_is_students(spread):
    found = typical_onset([known_onset(100 * np.exp(k * spread)) for k in (-1, 0, 1)])

    half = stats.t.ppf(0.975, 2) * spread / 3**0.5
    assert (np.log(found[2]) - np.log(found[1])) / 2 == pytest.approx(half, rel=0.08)


def bell(middle, width):
    return np.exp(-0.5 * ((np.arange(1.0, 400.0) - middle) / width) ** 2)


def test_a_seed_that_cannot_be_dated_does_not_drag_the_others_along():
    sharp = [evidence(bell(s, 3)) for s in (100.0, 110.0, 120.0)]
    vague = evidence(np.ones(399))

    assert typical_onset([*sharp, vague])[0] == pytest.approx(typical_onset(sharp)[0], rel=0.05)


def test_the_kind_of_shape_is_one_for_all_pairs_of_a_cell():
    # Each pair by itself is undecided: onset 100 by one kind, 50 by another. A fourth is sure of the first kind.
    undecided = [evidence(bell(100, 3), bell(50, 3)) for _ in range(3)]
    decided = evidence(bell(100, 3), 1e-6 * bell(50, 3))

    assert date_onsets(undecided)[0].low < 55 < 95 < date_onsets(undecided)[0].high
    assert all(onset.low > 90 for onset in date_onsets([*undecided, decided]))
    assert typical_onset([*undecided, decided])[1] > 80


def test_a_steep_gap_is_dated_between_the_rows_that_it_opens_between():
    # Rows 4 % apart, onsets anywhere between them: over many, neither early nor late.
    steps = np.unique(np.geomspace(20, 1500, 110).astype(int)).astype(float)
    errors = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        onset = rng.uniform(150, 600)
        gap = -0.3 * np.expm1(-np.maximum(steps - onset, 0) / (0.1 * onset)) + rng.normal(0, 0.01, len(steps))
        errors.append(np.log(locate_onset(Gap(steps, gap)).step / onset))

    assert abs(np.mean(errors)) < 0.012
    assert np.std(errors) < 0.03


def test_an_interval_reaches_half_way_to_the_next_row():
    steps = np.arange(0.0, 400.0, 10)
    found = locate_onset(Gap(steps, np.where(steps > 203, 1.0, 0.0)))

    assert found.high - found.step >= 1 and found.step - found.low >= 1


def test_one_seed_has_no_interval():
    assert typical_onset([known_onset(70.0)])[1:] == (None, None)


def test_the_prior_is_even_in_steps_and_then_in_log_steps():
    """Spacings 2, 3 and 4 by the mean of both sides; a twentieth of the last logged step, 100, is 5."""
    found = Evidence(np.array([10.0, 12.0, 16.0]), np.ones((3, N_KINDS)), np.arange(101.0))

    np.testing.assert_allclose(found.prior, [2 / 15, 3 / 17, 4 / 21])
    assert known_onset(7.0).prior.tolist() == [1.0]


def test_a_pair_alone_weighs_its_kinds_by_their_evidence():
    """The onset is 10 by the first kind, 390 by the second; a twentieth of 499 is 24.95, so priors are as 415 to 35."""
    steps = np.arange(1.0, 400.0)
    pair = evidence(3e-3 * 34.95 * (steps == 10), 1e-3 * 414.95 * (steps == 390))  # three to one, prior included

    # The interval between the quantiles of 30 and 70 % holds the first kind only, that between 20 and 80 % both.
    assert date_onsets([pair], 0.4)[0].high < 12
    assert date_onsets([pair], 0.6)[0].high > 380
