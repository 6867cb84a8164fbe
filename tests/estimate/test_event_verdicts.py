"""Truth: a study whose runs cross their line where their pairs part, and rise abruptly twice as late."""

import json

import numpy as np
import polars as pl
import pytest
from mstudy.core.errors import ConfigError
from mstudy.core.params import Analysis, Detect, Estimate, Margins
from mstudy.estimate.stage import estimate
from mstudy.tables.contracts import (
    ADVANTAGE,
    ALIGNMENT,
    BRANCH_GAPS,
    EVENT_VERDICTS,
    FINAL_LOSSES,
    HORIZON_LOSSES,
    OPENINGS,
    PARTINGS,
    RUNS,
    SHARPENING_EVENTS,
    SHARPENINGS,
)
from mstudy.tables.stamp import check_params, place_of, read_finished, write_stamp

SETTING = {"study": "s", "model": "m", "dataset": "d", "objective": "o"}
ESTIMATE = Estimate(resamples=200)


def tables(rng):
    """Six blocks of five pairs: parting within 1 % of the crossing, the jump twice as late.

    SGDM runs do neither.
    """
    runs, sharpenings, partings = [], [], []
    for block in range(6):
        for seed in range(5):
            crossing, jump = 50 * 2.0**block * np.exp(rng.normal(0, 0.2, 2)) * (1, 2)
            parting = crossing * np.exp(rng.normal(0.01, 0.01))
            keys = {**SETTING, "batch_size": 8, "eta_ef": 0.1 * (block + 1), "seed": seed}
            for name, momentum in (("sgd", 0.0), ("heavy_ball", 0.9)):
                run = {"run_id": f"{block}-{seed}-{name}", "optimizer": name, "momentum": momentum}
                run |= {"status": "completed", "last_step": 9000, "final_loss": 1.0, "n_points": 900}
                runs.append({**keys, **run})
                found = {"run_id": run["run_id"], "status": "none", "crossing_status": "none", "followup_step": 9000.0}
                found |= {"crossing_followup_step": 9000.0}
                if momentum == 0:
                    found |= {"status": "detected", "step": jump, "step_low": jump * 0.99, "step_high": jump * 1.01}
                    found |= {"crossing_status": "crossed", "crossing_step": crossing}
                    found |= {"crossing_step_low": crossing * 0.99, "crossing_step_high": crossing * 1.01}
                sharpenings.append(found)
            pair = {"optimizer": "heavy_ball", "momentum": 0.9, "status": "parted", "step": parting}
            pair |= {"step_low": parting * 0.99, "step_high": parting * 1.01}
            names = {"sgd_run_id": f"{block}-{seed}-sgd", "sgdm_run_id": f"{block}-{seed}-heavy_ball"}
            partings.append({**keys, **pair, **names})
    return RUNS.frame(runs), SHARPENINGS.frame(sharpenings), PARTINGS.frame(partings)


@pytest.fixture
def out(rng, tmp_path):
    runs, sharpenings, partings = tables(rng)
    rises = sharpenings.filter(status="detected").with_columns(pl.lit("lasting").alias("kind"))
    for table, frame in zip((RUNS, SHARPENINGS, PARTINGS), (runs, sharpenings, partings), strict=True):
        table.write(frame, tmp_path / "results")
    # Each run rises once, and each pair opens once, to stay.
    for table, frame in ((SHARPENING_EVENTS, rises), (OPENINGS, partings)):
        rows = [{k: v for k, v in row.items() if k in table.schema} | {"index": 0} for row in frame.rows(named=True)]
        table.write(table.frame(rows), tmp_path / "results")
    for table in (HORIZON_LOSSES, ADVANTAGE, FINAL_LOSSES, BRANCH_GAPS):
        table.write(table.frame([]), tmp_path / "results")
    return tmp_path


def judged(out, decides):
    estimate(out, Detect(decides=decides), Margins(), ESTIMATE)
    claims = {claim["id"]: claim for claim in json.loads((out / "claims.json").read_text())}
    verdicts = EVENT_VERDICTS.read(out / "results")
    return claims, {(row["claim"], row["definition"]): row for row in verdicts.iter_rows(named=True)}


def test_the_definition_that_decides_is_the_one_that_was_chosen(out):
    by_jump, verdicts_by_jump = judged(out, "sharpening")
    n_pairs = ALIGNMENT.read(out / "results")["n_pairs"][0]
    by_crossing, verdicts = judged(out, "crossing")

    assert n_pairs == 30
    assert (by_jump["C4"]["verdict"], by_crossing["C4"]["verdict"]) == ("contradicted", "supported")
    assert by_crossing["C4"]["estimate"] == pytest.approx(1.01, abs=0.01)
    assert by_crossing["C4"]["reason"].startswith(
        "Here a run sharpens where it crosses its stability line. The gap opens"
    )
    assert by_jump["C4"]["reason"].startswith("The gap opens at")
    for claim in ("C4", "C5"):
        for definition, chosen in (("sharpening", by_jump), ("crossing", by_crossing)):
            assert verdicts[claim, definition]["verdict"] == chosen[claim]["verdict"]
            assert verdicts[claim, definition]["decides"] == (definition == "crossing")
            assert verdicts_by_jump[claim, definition]["decides"] == (definition == "sharpening")
            assert verdicts[claim, definition]["p_value"] == verdicts_by_jump[claim, definition]["p_value"]


def test_whether_both_agree_is_told(out):
    _, verdicts = judged(out, "sharpening")

    assert [verdicts["C4", name]["agrees"] for name in ("sharpening", "crossing")] == [False, False]
    assert [verdicts["C5", name]["agrees"] for name in ("sharpening", "crossing")] == [True, True]
    assert verdicts["C5", "crossing"]["verdict"] == "supported"


def test_runs_without_a_line_leave_nothing_to_judge_by_crossing(out):
    known = SHARPENINGS.read(out / "results")
    steps = [pl.lit(None, pl.Float64).alias(f"crossing_{name}") for name in ("step", "step_low", "step_high")]
    SHARPENINGS.write(known.with_columns(pl.lit("no_line").alias("crossing_status"), *steps), out / "results")

    claims, verdicts = judged(out, "crossing")

    assert (claims["C4"]["verdict"], claims["C5"]["verdict"]) == ("untestable", "untestable")
    assert verdicts["C5", "sharpening"]["verdict"] == "supported"


def test_another_choice_than_that_of_the_estimate_is_refused(out):
    judged(out, "crossing")
    written = [place_of(table) for table in (RUNS, SHARPENINGS, SHARPENING_EVENTS)]
    write_stamp(out, "detect", {"detect": Detect()}, written)
    compared = (PARTINGS, OPENINGS, HORIZON_LOSSES, ADVANTAGE, FINAL_LOSSES, BRANCH_GAPS)
    write_stamp(out, "compare", {}, [place_of(table) for table in compared])
    analysis = Analysis(estimate=ESTIMATE)

    with pytest.raises(ConfigError, match=r"found detect\.decides = 'sharpening', which was 'crossing' then"):
        check_params(read_finished(out), {"detect": analysis.detect, "margins": Margins(), "estimate": ESTIMATE})
