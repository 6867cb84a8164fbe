import itertools
from dataclasses import replace

import numpy as np
import pytest
from mstudy.core.errors import ConfigError
from mstudy.core.params import Cadence, Grid, Init, Study
from mstudy.core.quantities import BATCH_SHARPNESS, DIRECTIONAL_CURVATURE, SHARPNESS
from mstudy.data.dataset import Dataset
from mstudy.train.configs import digest, plan_runs
from mstudy.train.ensemble.minibatches import MiniBatches
from mstudy.train.ensemble.schedule import Schedule, logged_steps
from mstudy.train.stage import ensembles, study_runs

from tests.train.configs import RUN

STUDY = Study(batch_sizes=(8, "full"), eta_ef=Grid(0.1, 0.4, 3), momenta=(0.0, 0.9), seeds=2)


def plan(study=STUDY, n=100):
    return plan_runs("s", study, Dataset("digits", np.zeros((n, 64)), np.zeros(n, dtype=np.int64), 10))


@pytest.mark.parametrize(
    ("log", "steps"), [(Cadence(dense_steps=10**12), 10**13), (Cadence(growth=1e-12), 10**12), (Cadence(), 2**52)]
)
def test_rows_are_counted_before_they_are_listed(log, steps):
    study = replace(STUDY, log=log, steps=steps, dataset="nowhere.npz")
    if log == Cadence():
        assert len(logged_steps(log, steps)) < 2000
        return

    with pytest.raises(ConfigError, match=r"s\.log must ask for at most 1000000 rows a run, found more \(dense_"):
        study_runs("s", study)


def test_every_combination_once_at_equal_effective_rates():
    runs = plan()

    assert len(runs) == 2 * 3 * 2 * 2
    assert len({run.run_id for run in runs}) == len(runs)
    assert {round(r.learning_rate / (1 - r.momentum), 9) for r in runs} == {0.1, 0.2, 0.4}
    assert {r.batch_size for r in runs} == {8, 100}
    assert {r.optimizer for r in runs} == {"sgd", "heavy_ball"}


def test_sgd_runs_branch_to_every_other_momentum_at_their_effective_rate():
    study = replace(STUDY, momenta=(0.0, 0.5, 0.9), branch_steps=(10, 20), nesterov=True)

    runs, without = plan(study), plan(replace(study, branch_steps=()))

    branches = runs[len(without) :]
    assert runs[: len(without)] == without
    assert len(branches) == 2 * 3 * 2 * 2 * 2  # batch sizes, rates, seeds, steps, momenta
    assert len({run.run_id for run in runs}) == len(runs)
    assert {run.metadata()["branch_of"] for run in branches} == {run.run_id for run in without if run.momentum == 0}
    for run in branches:
        rule = run.branching.rule
        assert rule.learning_rate / (1 - rule.momentum) == pytest.approx(run.learning_rate)
        assert (run.rule_at(run.branching.step - 1).optimizer, rule.optimizer) == ("sgd", "nesterov")


def test_the_optimizer_of_the_momenta_may_be_named():
    as_before, by_name = plan(replace(STUDY, nesterov=True)), plan(replace(STUDY, optimizer="nesterov"))

    assert by_name == as_before
    assert [run.run_id for run in by_name] == [run.run_id for run in as_before]
    assert plan(replace(STUDY, optimizer="heavy_ball")) == plan()
    assert plan()[2].run_id == "d78b9ae2b348b38a"  # what an earlier version has trained is recognised


def test_run_id_follows_the_configuration_alone():
    assert [r.run_id for r in plan()] == [r.run_id for r in plan()]
    more_seeds = {r.run_id for r in plan(replace(STUDY, seeds=3))}
    assert {r.run_id for r in plan()} < more_seeds
    assert not {r.run_id for r in plan()} & {r.run_id for r in plan(replace(STUDY, steps=7))}


def test_seeds_from_another_first_one_on_are_the_later_seeds_of_a_larger_study() -> None:
    study = replace(STUDY, branch_steps=(3,))
    later = {r.run_id for r in plan(replace(study, first_seed=2))}
    assert later == {r.run_id for r in plan(replace(study, seeds=4))} - {r.run_id for r in plan(study)}


def test_the_studies_of_earlier_versions_keep_their_runs():
    # But for TRAINING_VERSION those of when the edge ratio was true or false, and three quantities had own keys.
    studies = {
        "digits": Study(),
        "digits-edge": Study(batch_sizes=("full",), eta_ef=Grid(0.05, 0.2, 9), branch_steps=(50,)),
    }
    default = [run.run_id for name, study in studies.items() for run in study_runs(name, study)]
    others = {"directional_curvature": 3, "sharpness": 5, "batch_sharpness": 7, "edge_ratio": 1}

    assert (len(default), default[0]) == (825, "e8d5ef025fe21e66")
    assert digest(sorted(default)) == "30af44bdebb41f67"
    assert plan(replace(STUDY, log=Cadence(every=others)))[0].run_id == "b31ade8356f5adc8"


def test_a_later_quantity_is_in_the_run_id_only_where_it_is_asked_for():
    before = plan()[0]

    def asking(n):
        cadence = replace(before.cadence)
        object.__setattr__(cadence, "every", before.cadence.every | {"weight_norm": n})  # no quantity of today's list
        return replace(before, cadence=cadence)

    assert asking(0).run_id == before.run_id
    assert len({before.run_id, asking(1).run_id, asking(3).run_id}) == 3
    assert asking(3).metadata()["cadence"]["weight_norm_every"] == 3


@pytest.mark.parametrize(
    ("changes", "n", "message"),
    [
        ({"batch_sizes": (8, 200)}, 100, r"studies\.s\.batch_sizes must be at most n_train = 100, found 200"),
        ({"n_train": 300}, 100, r"studies\.s\.n_train must be at most the 100 samples of digits, found 300"),
        ({"probe_samples": 101}, 100, r"studies\.s\.probe_samples must be at most n_train = 100, found 101"),
        ({"batch_sizes": (100, "full")}, 100, r"studies\.s\.batch_sizes must differ, found 100 twice"),
        ({"model": "mlp-tanh-0"}, 100, r"^studies\.s\.model must be linear, .*, found 'mlp-tanh-0'\.$"),
    ],
)
def test_impossible_plans_name_key_and_value(changes, n, message):
    with pytest.raises(ConfigError, match=message):
        plan(replace(STUDY, **changes), n)


def test_ensembles_hold_each_run_once_and_one_batch_size_each():
    runs = plan(replace(STUDY, seeds=30))

    tasks = ensembles(runs, {8: 7, 100: 64})

    assert sorted(r.run_id for t in tasks for r in t) == sorted(r.run_id for r in runs)
    assert all(len({r.batch_size for r in t}) == 1 for t in tasks)


def test_gaps_after_the_dense_part_are_odd():
    steps = logged_steps(Cadence(dense_steps=10, growth=0.1), 1000)

    gaps = [b - a for a, b in itertools.pairwise(steps)]
    assert steps[:12] == list(range(12))
    assert all(gap % 2 == 1 for gap in gaps[:-1])  # the last one ends the run
    assert steps[-1] == 1000
    assert gaps == sorted(gaps[:-1]) + gaps[-1:]


def test_sharpness_is_measured_at_the_ends_too():
    cadence = Cadence(dense_steps=10, growth=0.1, every={"sharpness": 3, "batch_sharpness": 0})
    logged = logged_steps(cadence, 50)
    schedule = Schedule(cadence, logged)

    steps = {step for step in range(51) if schedule.asks(SHARPNESS, step)}

    assert steps == {*logged[::3], 50}
    assert {step for step in range(51) if schedule.asks(DIRECTIONAL_CURVATURE, step)} == set(logged)
    assert not any(schedule.asks(BATCH_SHARPNESS, step) for step in range(51))


def test_an_epoch_visits_every_sample_once():
    batches = MiniBatches(10, 3, [1])

    first_epoch = [batches.at(step)[0] for step in range(3)]

    assert len({int(i) for batch in first_epoch for i in batch}) == 9
    again, other = MiniBatches(10, 3, [1]), MiniBatches(10, 3, [2])
    again.at(7)  # the order depends on the step alone, not on what was asked before
    assert all((again.at(step)[0] == batch).all() for step, batch in enumerate(first_epoch))
    assert any((other.at(step)[0] != batch).any() for step, batch in enumerate(first_epoch))
    assert any((batches.at(step + 3)[0] != batch).any() for step, batch in enumerate(first_epoch))


@pytest.mark.parametrize(
    ("model", "chunk"),
    [("linear", 4096), ("mlp-tanh-4", 4096), ("cnn-tanh-4", 1024), ("resnet18-none-4", 128), ("transformer-1-4-1", 64)],
)
def test_a_model_is_evaluated_in_the_chunks_of_its_family_unless_the_study_says(model, chunk):
    assert {run.chunk for run in plan(replace(STUDY, model=model))} == {chunk}
    assert {run.chunk for run in plan(replace(STUDY, model=model, chunk=7))} == {7}


def test_cross_entropy_needs_labels():
    fitted = Dataset("curve", np.zeros((100, 3)), np.zeros((100, 1)), 1)

    with pytest.raises(ConfigError, match="objective must be squared_error for the real targets of curve, found"):
        plan_runs("s", replace(STUDY, objective="cross_entropy"), fitted)


def test_a_file_from_outside_has_runs_of_128_bits():
    """The same file under two names of which one is that of a file: 16 digits, and 32."""
    named, file = replace(RUN, dataset="digits"), replace(RUN, dataset="mine@" + "0" * 32)

    assert (len(named.run_id), len(file.run_id)) == (16, 32)
    assert file.run_id != replace(file, dataset="mine@" + "0" * 31 + "1").run_id


def test_a_log_says_how_its_weights_began_where_a_study_chose_it():
    chosen = plan(replace(STUDY, init=Init("xavier_normal", gain=1.9, zero_biases=True)))[0]

    assert chosen.metadata()["init"] == {"weights": "xavier_normal", "gain": 1.9, "scale": 1.0, "zero_biases": True}
    assert "init" not in plan()[0].metadata()
    assert chosen.run_id != plan()[0].run_id
