"""Truth: the plan of the runs, counted by hand; the verdicts of the same runs analysed at once; the store's bytes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mstudy.core.errors import ConfigError
from mstudy.core.params import Looks, Study
from mstudy.core.params_file import load
from mstudy.data.dataset import Dataset
from mstudy.settle import look_by_look
from mstudy.settle.cost import cost_of
from mstudy.settle.look_by_look import Settling
from mstudy.settle.undecided import Analysed
from mstudy.tables.contracts import CLAIM_UNITS, INTERVENTIONS, RUNS, SHARPENINGS, THRESHOLDS
from mstudy.train.configs import plan_runs
from mstudy.train.stage import train_study
from mstudy.train.sweep.settled import Settled, read_settled, write_settled
from mstudy.train.sweep.store import Store, append_timing

from tests.estimate.tables import SETTING, runs_of

TINY = """
studies:
  s: {n_train: 48, model: mlp-tanh-4, batch_sizes: [16, 48], eta_ef: {low: 0.05, high: 0.8, points: 4}, width: 8,
    momenta: [0.0, 0.5], seeds: 3, first_seed: 90, looks: [3, 4, 5], steps: 30,
    log: {every: {sharpness: 0}, adaptive_factor: null}}
detect: {min_points: 16}
compare: {resamples: 100}
estimate: {resamples: 100}
"""
STUDY = Study(batch_sizes=(8, 16), momenta=(0.0, 0.5, 0.9), seeds=3, looks=(3, 6, 12), branch_steps=(5,))
LOOKS = Looks((3, 6, 12), ("s",), (0,))


def plan(more):
    return plan_runs("s", STUDY, Dataset("digits", np.zeros((64, 64)), np.zeros(64, dtype=np.int64), 10), more)


def test_a_line_grows_with_the_sgd_runs_that_it_shares():
    more = {(8, 0.9): 6}
    first, grown = plan({}), plan(more)
    added = {run.run_id for run in grown} - {run.run_id for run in first}
    new = [run for run in grown if run.run_id in added]

    assert {run.run_id for run in first} <= {run.run_id for run in grown}
    assert {(run.batch_size, run.seed) for run in new} == {(8, 3), (8, 4), (8, 5)}
    kinds = [(run.momentum, run.branching.rule.momentum if run.branching else None) for run in new]
    assert {kind: kinds.count(kind) for kind in kinds} == {(0.0, None): 24, (0.9, None): 24, (0.0, 0.9): 24}


def test_the_record_is_read_as_it_was_written(tmp_path):
    settled = Settled().with_look({(8, 0.9): 6}, {"undecided": ["C2"]}).with_look({(8, 0.9): 12, (16, 0.5): 6}, {})
    write_settled(tmp_path, "s", STUDY, settled)

    assert read_settled(tmp_path, "s", STUDY) == settled
    assert read_settled(tmp_path, "other", STUDY) == Settled()
    assert read_settled(tmp_path, "s", Study()) == Settled()  # without looks nothing is read
    assert json.loads((tmp_path / "s.json").read_text())["lines"] == [
        {"batch_size": 8, "momentum": 0.9, "seeds": 12},
        {"batch_size": 16, "momentum": 0.5, "seeds": 6},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"lines": 3, "history": [], "looks": [3, 6, 12]}',
        '{"lines": [{"batch_size": 8, "momentum": 0.9}], "history": [], "looks": [3, 6, 12]}',
        '{"lines": [{"batch_size": 8, "momentum": 0.9, "seeds": 7}], "history": [], "looks": [3, 6, 12]}',
        '{"lines": [{"batch_size": "b", "momentum": 0.9, "seeds": 6}], "history": [], "looks": [3, 6, 12]}',
        '{"lines": [], "history": [3], "looks": [3, 6, 12]}',
        '{"lines": [], "history": []}',
        '{"lines": [{"batch_size": Infinity, "momentum": 0.9, "seeds": 6}], "history": [], "looks": [3, 6, 12]}',
        "[" * 100_000,
    ],
)
def test_a_record_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "s.json").write_text(text)

    with pytest.raises(
        ConfigError, match=r"^The record of further seeds must have lines, .*\[3, 6, 12\], found .*s\.json"
    ):
        read_settled(tmp_path, "s", STUDY)


def test_looks_are_not_changed_after_results_were_seen(tmp_path):
    write_settled(tmp_path, "s", STUDY, Settled().with_look({(8, 0.9): 6}, {}))
    later = replace(STUDY, looks=(3, 6, 12, 24))

    with pytest.raises(
        ConfigError, match=r"^studies\.s\.looks must stay .*found \[3, 6, 12, 24\], and \[3, 6, 12\] in "
    ):
        read_settled(tmp_path, "s", later)


def test_a_look_costs_what_runs_of_its_batch_size_took(tmp_path):
    store, runs = Store(tmp_path), plan({})
    store.create()
    small, large = (next(run for run in runs if run.batch_size == b) for b in (8, 16))

    assert cost_of(runs[:7], runs, store, 2).text == "7 runs; no run of the store was timed yet, `mstudy plan` measures"
    append_timing(tmp_path, [small.run_id], 4.0)
    append_timing(tmp_path, [large.run_id], 1.0)
    (tmp_path / "timing/x.parquet").write_text("not a table")
    both = [run for run in runs if run.batch_size == 8][:3] + [run for run in runs if run.batch_size == 16][:2]
    assert cost_of(both, runs, store, 2).seconds == (3 * 4 + 2 * 1) / 2


class Result(dict):
    """What the choice of lines reads of an analysis."""

    def __init__(self, runs, units=(), thresholds=(), events=(), interventions=(), verdicts=None):
        tables = {CLAIM_UNITS: units, THRESHOLDS: thresholds, SHARPENINGS: events, INTERVENTIONS: interventions}
        super().__init__({table.name: table.frame(list(rows)) for table, rows in tables.items()} | {RUNS.name: runs})
        self.params = load(Path("params.yaml")).analysis
        self.claims = {name: type("Claim", (), {"verdict": v})() for name, v in (verdicts or {}).items()}


def chosen(claims, n_seeds=None, **tables):
    """The seeds of the next look. n_seeds: of b = 8 and b = 16."""
    import polars as pl

    frames = [
        runs_of(lambda b, rate, mu, seed: 1.0, (0.1,), n, batch_sizes=(b,))
        for b, n in (n_seeds or {8: 3, 16: 3}).items()
    ]
    return Analysed(Result(pl.concat(frames), **tables), "s", LOOKS).next_seeds(claims)


def unit(claim, b, p):
    line = {"batch_size": b, "optimizer": "heavy_ball", "momentum": 0.9}
    return {"claim": claim, **SETTING, **line, "p_holds": p, "p_contradicts": 1.0}


def test_lines_with_a_unit_that_is_not_sure_grow_by_one_look():
    units = [unit("C2", 8, 0.04), unit("C2", 16, 0.06), unit("C1", 8, 0.04), unit("C1", 16, 0.02)]

    assert chosen(["C2"], units=units) == {(16, 0.9): 6}
    assert chosen(["C2"], {8: 3, 16: 6}, units=units) == {(16, 0.9): 12}
    assert chosen(["C2"], {8: 3, 16: 12}, units=units) == {}
    assert chosen(["C1"], units=units) == {(8, 0.9): 6}  # each at three fifths of alpha
    assert chosen(["C1", "C2"], units=units) == {(8, 0.9): 6, (16, 0.9): 6}


def test_lines_that_should_have_a_unit_and_have_none_grow_too():
    line = {**SETTING, "optimizer": "heavy_ball", "momentum": 0.9}
    thresholds = [line | {"batch_size": 8, "status": "estimated"}, line | {"batch_size": 16, "status": "above_grid"}]

    assert chosen(["C2"], units=[unit("C2", 16, 0.01)], thresholds=thresholds) == {(8, 0.9): 6}
    assert chosen(["C2"], thresholds=thresholds) == {(8, 0.9): 6, (16, 0.9): 6}  # no unit at all
    assert chosen(["C6"]) == {}  # all bests at the ends of the grid


def test_events_need_all_lines_that_have_any():
    event = [{"run_id": "16-0.1-0.0-0", "status": "detected", "step": 5.0}]

    assert chosen(["C4"], events=event) == {(16, 0.9): 6}
    assert chosen(["C5"], {8: 6, 16: 12}, events=event) == {}
    assert chosen(["C5"]) == {}
    assert chosen(["C8"], events=event) == {}  # no branches: no seed would tell
    assert chosen(["C3"], {8: 3, 16: 6}, events=event) == {(8, 0.9): 6}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(TINY)
    return tmp_path


def settle(project, told, *asked, dry_run=False):
    params = load(project / "params.yaml")
    places = Store(project / "store"), project / "runs", project / "settled"
    Settling("s", params, *places, 1, "cpu", told.append).run(asked, dry_run)


def test_seeds_are_added_where_a_claim_is_undecided_and_a_killed_call_goes_on(project, monkeypatch):
    told, store, study = [], Store(project / "store"), load(project / "params.yaml").study("s")
    settle(project, told, "C2", dry_run=True)
    assert told == [
        "to train before the next verdicts: 48 runs; no run of the store was timed yet, `mstudy plan` measures"
    ]
    assert not (project / "runs").exists()

    usual = look_by_look.analyze_quietly
    looked = []

    def killed_at_the_second_look(runs, *rest):
        looked.append(sorted(path.name for path in Path(runs, "s").glob("*.parquet")))
        if len(looked) == 2:
            raise KeyboardInterrupt
        return usual(runs, *rest)

    monkeypatch.setattr(look_by_look, "analyze_quietly", killed_at_the_second_look)
    with pytest.raises(KeyboardInterrupt):
        settle(project, told, "C2")
    record = read_settled(project / "settled", "s", study)
    assert told[1] == "C2 inconclusive" or told[1] == "C2 untestable"
    assert told[2].startswith(
        "undecided: C2; next look: 4 seeds for b = 16, mu = 0.5, b = 48, mu = 0.5: 16 runs, about "
    )
    assert record.seeds == {(16, 0.5): 4, (48, 0.5): 4}
    assert len(looked[1]) == 64

    settle(project, told, "C2")
    assert len(looked[2]) == 64  # nothing was trained twice, and nothing is lost
    assert len(looked[3]) == 80
    assert told[-1] == "undecided: C2; the lines of s that would tell have all their seeds"
    assert [entry["seeds"] for entry in read_settled(project / "settled", "s", study).history] == [4, 5]

    before = {path.name: path.read_bytes() for path in (project / "runs/s").glob("*.parquet")}
    record = read_settled(project / "settled", "s", study)
    assert train_study("s", study, store, project / "runs/s", 1, "cpu", record) == 0  # as `dvc repro` does
    assert {path.name: path.read_bytes() for path in (project / "runs/s").glob("*.parquet")} == before
    assert len(before) == 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["s", "--claim", "C9"], "--claim must be one of C1, C2, C3, C4, C5, C6, C7, C8, found 'C9'."),
        (["t"], "studies.t.looks must be the numbers of seeds to stop at, such as [5, 10, 20], found none."),
    ],
)
def test_what_cannot_be_settled_is_refused_before_training(project, mstudy, arguments, message):
    (project / "params.yaml").write_text(TINY.replace("detect:", "  t: {}\ndetect:"))

    code, out, err = mstudy("settle", *arguments)
    assert (code, out, err.strip()) == (1, "", f"error: {message}")
    assert not (project / "runs").exists()
