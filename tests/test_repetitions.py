"""Repetitions of the default study. Truth: verdicts made up, counted by hand."""

from mstudy.core.params_file import load

from benchmarks.error_rates.repetitions import FIRST_SEED, ROOT, page


def test_the_page_counts_verdicts_and_those_that_decide():
    rows = page(
        [
            {"C1": "supported", "C2": "mostly"},
            {"C1": "inconclusive", "C2": "contradicted"},
            {"C1": "untestable", "C2": "mostly"},
        ]
    ).splitlines()

    assert "| claim | supported | mostly | contradicted | inconclusive | untestable | decided |" in rows
    assert "| C1 | 1 | 0 | 0 | 1 | 1 | 1 of 3 |" in rows
    assert "| C2 | 0 | 2 | 1 | 0 | 0 | 3 of 3 |" in rows


def test_no_repetition_has_a_seed_of_the_shipped_run():
    studies = load(ROOT / "params.yaml").studies.values()

    assert all(study.first_seed + study.seeds <= FIRST_SEED for study in studies)
