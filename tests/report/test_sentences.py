"""One run, one pair, one block in words."""

import polars as pl
import pytest
from mstudy.report.charts.theme import label
from mstudy.report.page.sentences import block_sentence, pair_sentence, run_sentence


def _run(results, **where):
    (run,) = results["runs"].filter(**where).rows(named=True)
    return run, results["sharpenings"].row(by_predicate=pl.col("run_id") == run["run_id"], named=True)


@pytest.mark.parametrize(
    ("seed", "told"),
    [
        (0, "stays at its stability line from step 103: the two agree."),
        (1, "stays at its stability line from step 170: the two disagree."),
        (2, "never settles at its stability line: the two disagree."),
    ],
)
def test_a_run_that_jumps_is_told_by_both_definitions_and_whether_they_agree(results, seed, told):
    sentence = run_sentence(*_run(results, batch_size=64, eta_ef=0.2, momentum=0.0, seed=seed))

    step = 100 + 10 * seed
    assert sentence == (
        f"SGD, seed {seed}: sharpens abruptly at step {step} [{step - 5}, {step + 5}], by a factor 50 (p = 0.005); "
        f"{told}"
    )


def test_a_branch_says_what_it_went_on_with(results):
    run, found = _run(results, batch_size=64, eta_ef=0.2, momentum=0.0, seed=0)
    branch = run | {"branch_of": run["run_id"], "intervention": "momentum 0.9", "intervention_step": 50}

    sentence = run_sentence(branch, found | {"stability_status": "no_line", "stability_step": None})

    assert sentence.startswith("SGD then momentum 0.9, seed 0: sharpens abruptly at step 100")
    assert "stability line" not in sentence


def test_a_run_of_an_optimizer_without_a_line_says_so(results):
    run, found = _run(results, batch_size=64, eta_ef=0.2, momentum=0.0, seed=0)

    sentence = run_sentence(run, found | {"stability_status": "no_line", "stability_step": None})

    assert sentence.endswith("; no stability line is known for its optimizer.")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("none", "no abrupt sharpening up to step 190"),
        ("too_short", "too few points to tell of abrupt sharpening"),
        ("no_curvature", "no curvature in its log"),
    ],
)
def test_a_run_without_a_jump_says_why(results, status, told):
    run, found = _run(results, batch_size=64, eta_ef=0.4, momentum=0.0, seed=2)

    assert run_sentence(run, found | {"status": status}) == f"SGD, seed 2: {told}; diverges at step 7."


def test_the_first_of_several_events_is_said_to_be_that(results):
    run, found = _run(results, batch_size=64, eta_ef=0.2, momentum=0.0, seed=0)

    assert ", the first of 3, by a factor 50" in run_sentence(run, found | {"n_events": 3})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "SGDM μ = 0.9, seed 1 parts from SGD at step 112 [108, 116], SGDM ahead."),
        ({"ahead": "sgd"}, "SGDM μ = 0.9, seed 1 parts from SGD at step 112 [108, 116], SGD ahead."),
        ({"status": "none"}, "SGDM μ = 0.9, seed 1 does not part from SGD."),
        ({"status": "sgd_diverged"}, "SGDM μ = 0.9, seed 1: SGD diverges at step 112, and SGDM does not."),
        ({"status": "sgdm_diverged"}, "SGDM μ = 0.9, seed 1 diverges at step 112, and SGD does not."),
        ({"status": "both_diverged"}, "SGDM μ = 0.9, seed 1: both runs of the pair diverge, the first at step 112."),
        (
            {"status": "transient"},
            "SGDM μ = 0.9, seed 1 parts from SGD at step 112 [108, 116], SGDM ahead, and they come together again.",
        ),
        ({"status": "insufficient"}, "SGDM μ = 0.9, seed 1: too few seeds or points to tell of a parting from SGD."),
        (
            {"status": "no_lag"},
            "SGDM μ = 0.9, seed 1: how far it is behind SGD is not known, so no parting can be told.",
        ),
    ],
)
def test_each_fate_of_a_pair_has_its_sentence(results, change, told):
    (pair,) = results["partings"].filter(status="parted", seed=1, momentum=0.9).rows(named=True)

    assert pair_sentence(pair | change) == told


def test_a_block_counts_its_seeds(results):
    def told(rate):
        runs = results["runs"].filter(batch_size=64, eta_ef=rate).sort("momentum", "seed")
        runs = runs.with_columns(
            label=pl.Series([label(*rule) for rule in runs.select("momentum", "optimizer").rows()])
        )
        return block_sentence(runs, results["sharpenings"], results["partings"].filter(batch_size=64, eta_ef=rate))

    assert told(0.2) == (
        "Sharpens abruptly: SGD in 3 of 3 seeds (step 100 to 120), SGDM μ = 0.5 in none of 3 seeds, SGDM μ = 0.9 in "
        "none of 3 seeds. Parts from SGD: μ = 0.5 in 3 of 3 seeds (step 102 to 122), μ = 0.9 in 3 of 3 seeds (step 102 "
        "to 122)."
    )
    assert told(0.4).endswith(" Diverges: SGD in 1 seed.")


def test_a_block_says_in_how_many_pairs_a_run_diverges(results):
    runs = results["runs"].filter(batch_size=64, eta_ef=0.2).with_columns(label=pl.col("optimizer"))
    pairs = results["partings"].filter(batch_size=64, eta_ef=0.2)

    def told(**of_seed):
        status = pl.col("seed").replace_strict({int(k[1:]): v for k, v in of_seed.items()}, return_dtype=pl.String)
        return block_sentence(runs, results["sharpenings"], pairs.filter(momentum=0.9).with_columns(status=status))

    assert told(s0="parted", s1="sgd_diverged", s2="both_diverged").endswith(
        "Parts from SGD: μ = 0.9 in 1 of 3 seeds (step 102; in 2 a run diverges)."
    )
    assert told(s0="sgdm_diverged", s1="sgd_diverged", s2="none").endswith(
        "Parts from SGD: μ = 0.9 in none of 3 seeds (in 2 a run diverges)."
    )


def test_a_block_says_nothing_of_partings_that_cannot_be_told(results):
    runs = results["runs"].filter(batch_size=64, eta_ef=0.2).with_columns(label=pl.col("optimizer"))
    pairs = results["partings"].filter(batch_size=64, eta_ef=0.2)
    one = pl.when(pl.col("momentum") == 0.9).then(pl.lit("no_lag")).otherwise("status").alias("status")

    some = block_sentence(runs, results["sharpenings"], pairs.with_columns(one))
    none = block_sentence(runs, results["sharpenings"], pairs.with_columns(status=pl.lit("no_lag")))

    assert some.endswith("Parts from SGD: μ = 0.5 in 3 of 3 seeds (step 102 to 122).")
    assert "Parts from SGD" not in none
