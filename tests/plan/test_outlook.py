"""What `mstudy plan --claim` says of a finished analysis."""

import json

import pytest
from mstudy.plan.outlook import as_sentences
from mstudy.tables.contracts import POWER
from mstudy.tables.stamp import STAGES, place_of, write_stamp
from mstudy.tables.table import RESULTS


@pytest.fixture
def analysis(tmp_path):
    row = {
        "claim": "C4",
        "verdict": "inconclusive",
        "n_seeds": 5,
        "n_units": 3,
        "replicate": "blocks",
        "note": "A note.",
    }
    row |= {"effect_80": 0.71, "unit": "correlation", "observed": 0.5, "seeds_needed": 12}
    rows = [row, {"claim": "C8", "verdict": "untestable", "note": "Train branches."}]
    POWER.write(POWER.frame(rows), tmp_path / RESULTS)
    for stage in STAGES:
        write_stamp(tmp_path, stage, {}, [place_of(POWER)] if stage == POWER.stage else [], "runs")
    return tmp_path


def test_what_would_settle_a_claim(mstudy, analysis):
    code, out, _ = mstudy("plan", "--claim", "C4", "--results", analysis)

    assert code == 0
    assert out.splitlines() == [
        "C4 is inconclusive",
        "this analysis has 3 blocks of 5 seeds",
        "it would find 0.71 with power 0.8; observed is 0.5 (correlation)",
        "seeds for power 0.8 with as many blocks: 12",
        "blocks for power 0.8 with as many seeds: not estimable",
        "A note.",
    ]


def test_what_would_lift_a_claim_to_mostly(mstudy, tmp_path):
    row = {"claim": "C2", "verdict": "inconclusive", "n_units": 9, "replicate": "cells", "note": "A note."}
    POWER.write(POWER.frame([row | {"seeds_needed": 12, "seeds_mostly": 7}]), tmp_path / RESULTS)
    for stage in STAGES:
        write_stamp(tmp_path, stage, {}, [place_of(POWER)] if stage == POWER.stage else [], "runs")

    out = mstudy("plan", "--claim", "C2", "--results", tmp_path)[1].splitlines()

    assert out[0] == "C2 is inconclusive"
    assert out[2:5] == [
        "seeds for power 0.8 with as many cells: 12",
        "cells for power 0.8 with as many seeds: not estimable",
        "seeds for power 0.8 to find it mostly so: 7",
    ]


def test_what_is_supported_needs_nothing_more():
    row = dict.fromkeys(POWER.columns) | {"claim": "C2", "verdict": "supported", "note": "A note."}

    assert as_sentences(row).splitlines()[0] == "C2 is supported: what follows is about a repetition"


def test_as_json(mstudy, analysis):
    found = json.loads(mstudy("plan", "--claim", "C8", "--results", analysis, "--json")[1])

    assert (found["schema"], found["claim"], found["seeds_needed"]) == (1, "C8", None)


def test_an_unknown_claim_is_one_sentence(mstudy, analysis):
    code, _, err = mstudy("plan", "--claim", "C9", "--results", analysis)

    assert code == 1
    assert err.strip() == "error: --claim must be one of C4, C8, found 'C9'."


def test_without_an_analysis_the_sentence_says_what_to_run(mstudy, tmp_path):
    code, _, err = mstudy("plan", "--claim", "C4", "--results", tmp_path)

    assert code == 1
    assert "run `dvc repro` or `mstudy analyze` first" in err


@pytest.mark.parametrize("arguments", [(), ("digits", "--claim", "C4")])
def test_a_study_or_a_claim(mstudy, arguments):
    code, _, err = mstudy("plan", *arguments)

    assert code == 2
    assert "give either a STUDY or --claim" in err
