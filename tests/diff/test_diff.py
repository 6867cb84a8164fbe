"""What changed between two analyses. Truth: by hand, of made-up runs whose jumps are a hundred- and fiftyfold."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
from mstudy.analyze import analyze
from mstudy.core.params import Analysis, Detect
from mstudy.diff.change import Change, Estimate, Told, changes
from mstudy.diff.difference import Difference, Part
from mstudy.diff.events import event_changes
from mstudy.diff.reasons import ParameterChange, Reasons
from mstudy.runlog.format.writer import write_run
from mstudy.tables.contracts import RUNS, SHARPENING_EVENTS, THRESHOLDS

from tests.conftest import about

SAME = Reasons((), False, False)


@pytest.mark.parametrize(
    ("a", "b", "beyond"),
    [
        ((1.0, 0.9, 1.1), (1.05, 0.9, 1.2), False),
        ((1.0, 0.9, 1.1), (1.3, 1.2, 1.4), True),
        ((1.0, 0.9, 1.1), (1.2, 1.05, 1.4), True),  # the intervals overlap, and neither holds the other's number
        ((1.0, 0.9, 1.3), (1.2, 1.1, 1.4), False),  # the first holds the second's number
        ((1.0, 0.9, None), (5.0, 4.0, 6.0), False),  # no upper end: it may be anything above
        ((1.0, None, None), (1.0, None, None), False),
        ((1.0, None, None), (1.1, None, None), True),
        ((1.0, 0.9, 1.1), (None, None, None), True),
        ((None, None, None), (None, None, None), False),
    ],
)
def test_a_number_has_changed_where_each_is_outside_the_interval_of_the_other(a, b, beyond):
    assert Estimate(*a).is_beyond(Estimate(*b)) == Estimate(*b).is_beyond(Estimate(*a)) == beyond


def test_what_one_side_lacks_is_a_change():
    side = {"x": ({"id": 1}, Told("supported"))}

    assert changes(side, {}) == [Change({"id": 1}, "x", Told("supported"), Told(None))]
    assert str(changes({}, side)[0]) == "x: nothing → supported"


def events_of(*rows):
    names = ("run_id", "index", "kind", "step", "step_low", "step_high")
    return SHARPENING_EVENTS.frame([dict(zip(names, row, strict=True)) for row in rows])


def runs_of(*names):
    return RUNS.frame([about(run_id=name) | {"eta_ef": 0.1} for name in names])


def test_events_are_matched_by_their_times_and_the_others_in_order():
    a = events_of(("r", 0, "lasting", 100.0, 90.0, 110.0), ("r", 1, "recurring", 300.0, 290.0, 310.0))
    b = events_of(
        ("r", 0, "lasting", 20.0, 18.0, 22.0),
        ("r", 1, "lasting", 101.0, 95.0, 111.0),
        ("r", 2, "lasting", 500.0, 490.0, 510.0),
    )
    runs = runs_of("r")

    found = event_changes((runs, runs), (a, b))

    assert [(change.a.estimate.value, change.b.estimate.value) for change in found] == [(300.0, 20.0), (None, 500.0)]
    assert str(found[1]) == "tiny, m, d, o, b = 8, η_ef = 0.1, SGD, seed 0 (r): nothing → lasting, 500 [490, 510]"


def test_an_event_of_another_kind_has_changed_and_runs_of_one_side_are_left_out():
    a = events_of(("r", 0, "lasting", 100.0, 90.0, 110.0), ("alone", 0, "lasting", 5.0, 4.0, 6.0))
    b = events_of(("r", 0, "transient", 100.0, 90.0, 110.0))

    found = event_changes((runs_of("r", "alone"), runs_of("r")), (a, b))

    assert [(change.a.word, change.b.word) for change in found] == [("lasting", "transient")]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Runs, and analyses of them by jumps of at least 3 and of at least 70."""
    folder = tmp_path_factory.mktemp("diff")
    rng = np.random.default_rng(0)
    steps = np.arange(200)
    (folder / "runs").mkdir()
    for rate, factor in ((0.2, 100), (0.4, 50)):
        for mu in (0.0, 0.9):
            kappa = 0.1 * np.where((steps >= 100) & (mu == 0), factor, 1) * np.exp(0.05 * rng.normal(size=200))
            columns = {
                "step": steps,
                "loss": np.exp(-0.003 * steps) + 1e-3 * (mu + rate),
                "directional_curvature": kappa,
            }
            kind = "heavy_ball" if mu else "sgd"
            run = about(learning_rate=round(rate * (1 - mu), 9), momentum=mu, optimizer=kind)
            write_run(folder / "runs" / f"{run['run_id']}.parquet", columns, run)
    for name, factor in (("a", 3.0), ("b", 70.0)):
        analyze(folder / "runs", folder / name, Analysis(detect=Detect(jump_factor=factor)))
    return folder


def test_the_same_analysis_has_no_changes(mstudy, study):
    code, out, _ = mstudy("diff", study / "a", study / "a")

    assert code == 0
    assert out.splitlines()[:3] == [
        "made of: nothing that the stamps name",
        "runs: 4 in both, 0 in A alone, 0 in B alone",
        "verdicts: none of 8 has changed beyond its interval",
    ]


def test_what_a_parameter_changed_is_told_beside_it(mstudy, study):
    code, out, _ = mstudy("diff", study / "a", study / "b")

    assert code == 4
    assert "made of: detect.jump_factor 3.0 → 70.0" in out
    (line,) = [line for line in out.splitlines() if line.startswith("  tiny")]
    assert line.startswith("  tiny, m, d, o, b = 8, η_ef = 0.4, SGD, seed 0 (8-0.4-0.0-0): lasting, 99.5 [")
    assert line.endswith("] → nothing")
    assert "events: 1 change among 2; what differs: detect.jump_factor 3.0 → 70.0" in out
    assert "partings: none of 2 has changed" in out


def test_json_is_one_object(mstudy, study):
    code, out, _ = mstudy("diff", study / "a", study / "b", "--json")

    told = json.loads(out)
    assert (code, told["schema"], told["changed"], told["runs"]["both"]) == (4, 1, True, 4)
    (change,) = told["events"]["changes"]
    assert (change["run_id"], change["a"]["word"], change["b"]["word"]) == ("8-0.4-0.0-0", "lasting", None)
    assert told["events"]["reasons"]["parameters"] == [{"name": "detect.jump_factor", "a": 3.0, "b": 70.0}]
    assert told["partings"]["reasons"]["parameters"] == []  # what compare wrote does not rest on detect


def test_other_runs_and_other_code_are_told(study, tmp_path):
    shutil.copytree(study / "runs", tmp_path / "runs")
    next((tmp_path / "runs").glob("*-0.04-*")).unlink()
    analyze(tmp_path / "runs", tmp_path / "c")
    from mstudy.diff.difference import diff

    found = diff(study / "a", tmp_path / "c")
    assert (found.n_runs, str(found.reasons)) == ((1, 3, 0), "other runs")
    stamp = tmp_path / "c" / "stamps" / "detect.json"
    stamp.write_text(json.dumps(json.loads(stamp.read_text()) | {"code": "other"}))
    found = diff(study / "a", tmp_path / "c")
    assert (found.reasons.other_runs, str(found.reasons)) == (None, "another version of the code")


def test_an_analysis_of_a_version_with_other_columns_can_be_compared(study, tmp_path):
    """As an older version wrote it: with a column that is gone, and without one that came later."""
    old = shutil.copytree(study / "a", tmp_path / "old")
    path = old / "results" / f"{THRESHOLDS.name}.parquet"
    pl.read_parquet(path).drop("n_cells").with_columns(pl.lit(1).alias("gone")).write_parquet(path)
    from mstudy.core.files import content_digest
    from mstudy.diff.difference import diff

    stamp = old / "stamps" / "estimate.json"
    stamped = json.loads(stamp.read_text())
    stamped["written"][f"results/{THRESHOLDS.name}.parquet"] = content_digest(path.read_bytes())
    stamp.write_text(json.dumps(stamped))

    assert not diff(old, study / "a").has_changes


def test_a_table_without_the_columns_that_are_compared_is_one_sentence(mstudy, study, tmp_path):
    from mstudy.core.files import content_digest

    old = shutil.copytree(study / "a", tmp_path / "old")
    path = old / "results" / f"{THRESHOLDS.name}.parquet"
    pl.read_parquet(path).drop("status").write_parquet(path)
    stamp = old / "stamps" / "estimate.json"
    stamped = json.loads(stamp.read_text())
    stamped["written"][f"results/{THRESHOLDS.name}.parquet"] = content_digest(path.read_bytes())
    stamp.write_text(json.dumps(stamped))

    code, _, told = mstudy("diff", old, study / "a")

    assert code == 1 and told.count("\n") == 1
    assert "must be the table thresholds with study, model" in told and "status" in told


def test_a_folder_without_an_analysis_is_one_sentence(mstudy, study, tmp_path):
    code, _, told = mstudy("diff", study / "a", tmp_path)

    assert code == 1 and "detect.json must exist, found nothing there" in told


def test_a_long_list_is_cut_and_says_so():
    one = Change({"claim": "C1"}, "C1", Told("supported", Estimate(1.0, 0.5, 1.5)), Told("mostly"))
    reasons = Reasons((ParameterChange("detect.alpha", 0.05, None),), False, True)
    found = Difference((0, 1, 0), SAME, [Part("verdicts", 30, [one] * 23, reasons)])

    lines = found.as_text().splitlines()

    told = "verdicts: 23 changes among 30; what differs: detect.alpha 0.05 → not given; another version of the code"
    assert lines[2:4] == [told, "  C1: supported, 1 [0.5, 1.5] → mostly"]
    assert (len(lines), lines[-1]) == (24, "  and 3 more, which --json lists")
