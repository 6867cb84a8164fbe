"""The benchmark of looks goes as `mstudy settle` does: no line has more seeds than its claim waited for."""

import numpy as np

from benchmarks.error_rates.looks import CASES, _kept, row_of


def case(claim, holds):
    return next(each for each in CASES if (each.claim, each.holds) == (claim, holds))


def test_a_claim_that_holds_is_supported_by_fewer_runs_than_all():
    course = case("C6", True).run(np.random.default_rng(1), True)

    assert course.verdicts[-1] == course.at_once == "supported"
    assert course.share == 0.7  # two of five lines stop at ten seeds or before


def test_a_claim_at_its_border_goes_on_to_the_last_look():
    course = case("C8", False).run(np.random.default_rng(1), False)

    assert (course.verdicts, course.share, course.at_once) == (("inconclusive",) * 3, 1.0, None)
    assert row_of(case("C8", False), [course]).endswith(
        "| 1 | **0.0%** (0.0%, 0.0%, 0.0%) | 0.0% | 0.0% | 100.0% | – | 100% |"
    )


def test_sgd_grows_with_the_line_that_has_most_seeds():
    from tests.estimate.tables import runs_of

    runs = runs_of(lambda b, rate, mu, seed: 1.0, (0.1,), 20, batch_sizes=(8,), momenta=(0.5, 0.9))
    kept = _kept(runs, {(8, 0.5): 5, (8, 0.9): 10})

    assert dict(kept.group_by("momentum").len().iter_rows()) == {0.0: 10, 0.5: 5, 0.9: 10}
