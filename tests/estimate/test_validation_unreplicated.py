"""A reduced run of benchmarks/error_rates/unreplicated.py: verdicts without seeds on sweeps with known truth."""

import pytest

from benchmarks.error_rates.unreplicated import SCENARIOS, verdict


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[f"{s.claim} {s.name}" for s in SCENARIOS])
def test_a_direction_is_seldom_wrong_and_nothing_is_supported(scenario):
    found = [verdict(scenario, k) for k in range(5)]

    assert sum(is_wrong for _, is_wrong in found) <= 1  # at most 5 % each: two of five have P = 0.02
    assert {each for each, _ in found} <= {"agrees", "unclear", "disagrees", "untestable"}


def test_a_clear_advantage_of_one_seed_agrees():
    (clear,) = (s for s in SCENARIOS if s.name == "better above, no diverged runs")

    assert [verdict(clear, k)[0] for k in range(5)] == ["agrees"] * 5
