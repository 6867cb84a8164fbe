"""The page of effects. Truth: the made-up tables, counted by hand."""

from types import SimpleNamespace

from mstudy.core.params import Study
from mstudy.core.params_file import load
from mstudy.tables.contracts import RUNS, SHARPENINGS, TREATMENTS

from benchmarks.effects.page import page, sharpening_counts
from benchmarks.effects.studies import PARAMS, Studied

SETTING = {"study": "tiny", "model": "m", "dataset": "d", "objective": "o"}


def run(name, seed, optimizer="sgd", **more):
    about = {"run_id": name, "batch_size": 8, "eta_ef": 0.1, "optimizer": optimizer, "seed": seed}
    return SETTING | about | {"momentum": 0.9 if optimizer != "sgd" else 0.0} | more


RUN_ROWS = [
    run("a", 0), run("b", 1), run("c", 2), run("m", 0, "heavy_ball"), run("branch", 0, branch_of="a"),
    run("other", 0, study="s"),
]  # fmt: skip


def tables():
    found = [("a", "detected", 40.0), ("b", "detected", 50.5), ("c", "none", None), ("m", "detected", 9.0)]
    found += [("branch", "detected", 8.0), ("other", "detected", 7.0)]
    row = SETTING | {"intervention": "projected", "n": 3, "unit": "seeds", "n_branches": 4}
    row |= {"n_removed": 4, "n_diverged": 0}
    row |= {"effect_sharpening": 0.3, "effect_control": 0.1, "contrast": 0.2, "contrast_low": 0.1, "contrast_high": 0.3}
    return {
        "runs": RUNS.frame(RUN_ROWS),
        "sharpenings": SHARPENINGS.frame([{"run_id": r, "status": s, "step": at} for r, s, at in found]),
        "treatments": TREATMENTS.frame([row | {"p_value": 0.01}]),
    }


def test_runs_of_sgd_that_sharpen_are_counted_without_branches_and_other_studies():
    counts = sharpening_counts(tables()["runs"], tables()["sharpenings"], "tiny")

    assert counts.rows() == [(8, 0.1, 2, 3, 40.0, 50.5)]


def test_the_page_says_what_each_treatment_does():
    claim = SimpleNamespace(verdict="supported", reason="For a reason.")
    told = tables()
    result = type("Result", (), {"claims": {"C8": claim}, "__getitem__": lambda self, name: told[name]})()

    text = page([Studied("tiny", Study(n_train=50), result)])

    assert "| projected | 0.3 | 0.1 | 0.2 [0.1, 0.3] | 0.01 | 3 seeds | 4 | 4 | 0 |\n" in text
    assert "| 8 | 0.1 | 2 | 3 | 40 | 50.5 |\n" in text
    assert "`digits`, the first 50 samples; `mlp-tanh-64-64`, squared error; b = " in text
    assert "1 of 1 treatment other than momentum take more of the gap before the sharpening" in text
    assert "**supported**. For a reason." in text


def test_the_studies_can_be_read_and_branch():
    params = load(PARAMS)

    assert {name: params.study(name).n_train for name in params.studies} == {"digits-edge": 512, "fashion": 5000}
    assert params.branches_of("fashion").rates == 2
