"""Truth: the published levels of O'Brien-Fleming-like spending (Lan & DeMets 1983), and each mistake by hand."""

import pytest
from mstudy.core.errors import ConfigError
from mstudy.core.params import Analysis, Looks, Params, Study
from mstudy.core.params_file import load


def test_spending_is_that_of_the_published_table():
    looks = Looks((4, 8, 12), ("s",), (0,))  # a third, two thirds, all of the seeds

    assert [round(looks.spent(k, 0.025), 4) for k in range(3)] == [0.0001, 0.0060, 0.0250]
    assert [round(looks.spent(k, 0.05), 4) for k in range(3)] == [0.0007, 0.0164, 0.0500]


@pytest.mark.parametrize("seeds", [(5, 10, 20), (3, 4), (2, 5, 8, 11, 20)])
@pytest.mark.parametrize("alpha", [0.03, 0.05])
def test_the_levels_of_all_looks_are_alpha_together_and_rise(seeds, alpha):
    looks = Looks(seeds, ("s",), (0,))
    levels = [looks.level(k, alpha) for k in range(len(seeds))]

    assert sum(levels) == pytest.approx(alpha, rel=1e-12)
    assert levels == sorted(levels)
    assert levels[0] > 0


def test_a_line_is_at_the_first_look_that_has_its_seeds():
    looks = Looks((5, 10, 20), ("s",), (0,))

    assert [looks.index(n) for n in (1, 5, 6, 10, 20)] == [0, 0, 1, 1, 2]
    with pytest.raises(
        ConfigError, match=r"^studies\.s\.looks must reach the .*found 21 seeds and looks that end at 20"
    ):
        looks.index(21)


def test_the_analysis_has_the_looks_of_the_studies(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("studies: {a: {looks: [5, 10]}, b: {}, c: {looks: [5, 10], first_seed: 7}}")

    assert load(path).analysis == Analysis(looks=Looks((5, 10), ("a", "c"), (0, 7)))
    assert Params().looks is None
    assert Study(looks=(5, 10, 20)).n_runs == 4 * Study().n_runs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{a: {looks: [4, 10]}}", r"studies\.a\.looks must be empty, or a list that begins with seeds = 5, found \[4"),
        ("{a: {looks: [5]}}", r"looks must be at least two numbers of seeds, each larger than .*, found \[5\]"),
        ("{a: {looks: [5, 10, 10]}}", r"looks must be at least two numbers of seeds, .*, found \[5, 10, 10\]"),
        ("{a: {looks: [5, 51]}}", r"looks must be such that the last is at most 10 times the first .*found \[5, 51\]"),
        ("{a: {looks: 5}}", r"looks must be a list, found 5"),
        (
            "{a: {looks: [5, 10]}, b: {looks: [5, 20]}}",
            r"^studies\.b\.looks must be empty or those of studies\.a, \[5, 10\] .*, found \[5, 20\]",
        ),
        ("{a: {eta_ef: {points: 150}, looks: [5, 50]}}", r"seeds must be such that they give at most 100000 runs, fo"),
    ],
)
def test_looks_that_cannot_be_meant_are_refused(tmp_path, text, message):
    path = tmp_path / "params.yaml"
    path.write_text(f"studies: {text}")

    with pytest.raises(ConfigError, match=message):
        load(path)
