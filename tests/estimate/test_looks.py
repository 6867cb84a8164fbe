"""Truth: p-values divided by hand; the analysis of the same seeds at the level of the look."""

import json
import math
from dataclasses import replace

import polars as pl
import pytest
from mstudy.core.errors import ConfigError
from mstudy.core.params import Detect, Estimate, Looks, Margins
from mstudy.estimate.claims.c4_same_moment import ratio_of
from mstudy.estimate.looks import Scopes, _unless_refuted, eventful_lines, line_looks
from mstudy.estimate.stage import estimate
from mstudy.tables.contracts import ALIGNMENT, BEST, PLACEMENTS, RUNS, SHARPENINGS
from mstudy.tables.stamp import Finished, _read_stamp, check_params

from tests.estimate.tables import SETTING, runs_of
from tests.estimate.test_event_verdicts import ESTIMATE, out  # noqa: F401  (a fixture)

LOOKS = Looks((3, 6, 12), ("s",), (0,))
NO_EVENTS = SHARPENINGS.frame([])


def grown(seeds_by_size, study="s"):
    """Runs of lines with so many seeds each; SGD's loss is 1.2 times SGDM's."""
    frames = [
        runs_of(lambda b, rate, mu, seed: 1.2 if mu == 0 else 1.0, (0.1, 0.2), n, batch_sizes=(b,))
        for b, n in seeds_by_size.items()
    ]
    return pl.concat(frames).with_columns(study=pl.lit(study)).sort("run_id")


def test_each_line_is_at_the_look_of_its_own_seeds():
    runs = pl.concat([grown({8: 3, 16: 6, 32: 12}), grown({8: 5}, "other").with_columns(run_id="run_id")])
    lines = line_looks(runs, LOOKS)

    assert dict(lines.select("batch_size", "look").iter_rows()) == {8: 0, 16: 1, 32: 2}
    assert line_looks(runs, None).is_empty()


def test_seeds_are_counted_from_the_first_of_their_study():
    """The same seeds, 1,000 later."""
    early, looks = grown({8: 6, 16: 12}), Looks((3, 6, 12), ("s",), (1000,))
    late = early.with_columns(pl.col("seed") + 1000)
    scope = Scopes.of(looks, late, NO_EVENTS, Estimate()).rates

    assert line_looks(late, looks).equals(line_looks(early, LOOKS))
    assert scope.keep(late)["seed"].max() == 1005


def test_p_values_are_divided_by_the_share_of_their_own_look():
    scopes = Scopes.of(LOOKS, grown({8: 3, 16: 6, 32: 12}), NO_EVENTS, Estimate())
    setting = {"model": "m", "dataset": "d", "objective": "o", "optimizer": "heavy_ball", "momentum": 0.9}
    rows = [
        {"study": study, "batch_size": b, "equivalence_p": 1e-3, "superiority_p": None, "inferiority_p": 0.9, **setting}
        for study, b in (("s", 8), ("s", 16), ("s", 32), ("other", 8))
    ]
    enlarged = scopes.by_own_look(BEST.frame(rows)).sort("study", "batch_size")

    shares = [1.0, *(LOOKS.level(k, 0.05) / 0.05 for k in range(3))]
    assert enlarged["equivalence_p"].to_list() == pytest.approx([min(1e-3 / share, 1.0) for share in shares])
    assert enlarged["equivalence_p"][1] > 0.5  # at the first look hardly anything is decided
    assert enlarged["superiority_p"].null_count() == 4
    assert enlarged["inferiority_p"].to_list()[0] == 0.9
    assert enlarged["inferiority_p"].to_list()[1:3] == [1.0, 1.0]
    assert enlarged.columns == BEST.schema.names()


def test_sums_over_cells_do_not_speak_at_looks():
    line = SETTING | {"batch_size": 8, "optimizer": "heavy_ball", "momentum": 0.9}
    placements = PLACEMENTS.frame([line | {"eta_ef": 0.1, "side": "below", "equivalence_p": 1e-3, "doubtful": 0}])
    scopes = Scopes.of(LOOKS, grown({8: 6}), NO_EVENTS, Estimate())

    assert scopes.by_own_look(placements)["doubtful"].to_list() == [None]
    assert Scopes.of(None, grown({8: 6}), NO_EVENTS, Estimate()).by_own_look(placements)["doubtful"].to_list() == [0]


def test_one_test_of_all_lines_waits_for_the_last_of_them():
    runs = grown({8: 6, 16: 12})
    scopes = Scopes.of(LOOKS, runs, NO_EVENTS, Estimate())

    assert (scopes.rates.look, scopes.events.look) == (1, 1)
    assert scopes.rates.params == replace(Estimate(), alpha=LOOKS.level(1, 0.05))
    assert scopes.rates.keep(runs)["seed"].max() == 5
    assert scopes.rates.note == " Look of 6 of at most 12 seeds, at level 0.0055."
    assert "1 with 6 seeds at level 0.0055, 1 with 12 seeds at level 0.044" in scopes.note_of_units


def test_claims_over_events_wait_for_the_lines_that_have_any():
    runs = grown({8: 3, 16: 6})
    of_sgd = runs.filter(batch_size=16, momentum=0.0)["run_id"][0]
    events = SHARPENINGS.frame([{"run_id": of_sgd, "status": "detected", "step": 5.0}])
    scopes = Scopes.of(LOOKS, runs, events, Estimate())

    assert (scopes.rates.look, scopes.events.look) == (0, 1)
    assert eventful_lines(scopes.lines, runs, events)["batch_size"].to_list() == [16]
    assert scopes.rates.params.resamples == 45_160  # 4 / 0.0000886
    assert scopes.events.params.resamples == 2000


def test_without_looks_nothing_is_cut_and_nothing_is_said():
    runs = grown({8: 3})
    for looks in (None, Looks((3, 6), ("other",), (0,))):
        scopes = Scopes.of(looks, runs, NO_EVENTS, Estimate())
        assert scopes.rates.params is scopes.params
        assert scopes.rates.keep(runs) is runs
        assert scopes.by_own_look(runs) is runs
        assert scopes.rates.note == scopes.note_of_units == ""


def test_what_alpha_itself_contradicts_is_not_supported_at_a_smaller_level():
    at_level = [{"id": "C7", "verdict": "supported"}, {"id": "C3", "verdict": "supported"}]
    at_alpha = [{"id": "C7", "verdict": "contradicted"}, {"id": "C3", "verdict": "inconclusive"}]

    assert [entry["verdict"] for entry in _unless_refuted(at_level, at_alpha)] == ["inconclusive", "supported"]


def claims_of(folder, params, looks=None):
    estimate(folder, Detect(), Margins(), params, looks)
    return {claim["id"]: claim for claim in json.loads((folder / "claims.json").read_text())}


def with_copies(folder, chosen, **changes):
    """Add copies of the runs chosen and of what became of them, with these values of their own."""
    runs, sharpenings = RUNS.read(folder / "results"), SHARPENINGS.read(folder / "results")
    mark = "-" + "-".join(map(str, changes.values()))
    copies = runs.filter(chosen)
    fates = sharpenings.join(copies.select("run_id"), on="run_id", how="semi")
    copies = copies.with_columns(pl.lit(value, pl.Int64()).alias(key) for key, value in changes.items())
    named = pl.col("run_id") + mark
    RUNS.write(pl.concat([runs, copies.with_columns(run_id=named)]), folder / "results")
    SHARPENINGS.write(pl.concat([sharpenings, fates.with_columns(run_id=named)]), folder / "results")


def test_events_are_judged_by_the_seeds_and_at_the_level_of_the_look(out):  # noqa: F811
    """One line has five seeds and the other six: the verdict is that of five seeds in both."""
    looks = Looks((5, 9), ("s",), (0,))
    with_copies(out, pl.col("seed") == 4, batch_size=16)
    params = replace(ESTIMATE, alpha=looks.level(0, 0.05), resamples=468)  # 4 / 0.00855
    of_five = claims_of(out, params)["C5"]
    shown = claims_of(out, replace(ESTIMATE, resamples=468))["C5"]
    with_copies(out, (pl.col("seed") == 4) & (pl.col("batch_size") == 8), seed=5)
    at_look = claims_of(out, ESTIMATE, looks)["C5"]

    note = " Look of 5 of at most 9 seeds, at level 0.0085."
    assert at_look == of_five | {"reason": of_five["reason"] + note, "ci": shown["ci"]}  # intervals are at alpha
    assert (at_look["verdict"], at_look["n"]) == ("supported", 36)
    assert claims_of(out, ESTIMATE)["C5"]["n"] == 42


def test_the_stamp_names_the_looks(out):  # noqa: F811
    claims_of(out, ESTIMATE)
    without = json.loads((out / "stamps/estimate.json").read_text())["params"]
    claims_of(out, ESTIMATE, LOOKS)
    with_looks = json.loads((out / "stamps/estimate.json").read_text())["params"]

    assert with_looks == without | {"looks": {"seeds": [3, 6, 12], "studies": ["s"], "first_seeds": [0]}}
    sections = {"detect": Detect(), "margins": Margins(), "estimate": ESTIMATE, "looks": LOOKS}
    finished = Finished(out, {}, (_read_stamp(out / "stamps/estimate.json"),))
    check_params(finished, sections)
    with pytest.raises(ConfigError, match=r"found looks.seeds = None, which was \[3, 6, 12\] then"):
        check_params(finished, sections | {"looks": None})
    claims_of(out, ESTIMATE)
    with pytest.raises(ConfigError, match=r"^The parameters must be those .*, found looks of seeds, which it did not"):
        check_params(Finished(out, {}, (_read_stamp(out / "stamps/estimate.json"),)), sections)


def test_the_interval_that_decides_is_at_the_level_and_the_one_that_is_shown_at_alpha(out):  # noqa: F811
    looks = Looks((5, 9), ("s",), (0,))
    claims_of(out, ESTIMATE)
    at_alpha = ALIGNMENT.read(out / "results")
    wider = claims_of(out, replace(ESTIMATE, alpha=looks.level(0, 0.05)))["C4"]["ci"]
    judged = claims_of(out, ESTIMATE, looks)["C4"]

    assert ALIGNMENT.read(out / "results")["lag_low"].to_list() == at_alpha["lag_low"].to_list()
    assert judged["ci"] == wider
    assert judged["reason"].endswith("at level 0.0085.")


def test_an_interval_beyond_any_number_ends_at_a_number():
    assert [ratio_of(log) for log in (0.0, 1e4, -1e4)] == [1.0, math.exp(20), math.exp(-20)]
