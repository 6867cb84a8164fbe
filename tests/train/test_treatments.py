"""Truth: each treatment written out in float64, with the dense Hessian where a treatment needs one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mstudy.core.branching.treatments import TREATMENT, TREATMENTS, Dose, Velocity
from mstudy.core.params import Cadence
from mstudy.core.statuses import BranchTime
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.curvature.sharp_directions import sharp_directions
from mstudy.data.dataset import Dataset
from mstudy.train.branching import branching_of
from mstudy.train.ensemble import step as ensemble
from mstudy.train.ensemble.loop import Training, train_ensemble
from mstudy.train.ensemble.minibatches import MiniBatches

from tests.train.configs import RUN

STEP, WINDOW = 2, 8
DOSE = Dose(share_of_line=0.25, every=2, rate_share=0.5, momentum=0.9, optimizer="heavy_ball")
CADENCE = Cadence(dense_steps=40, growth=0.05, every={"sharpness": 0}, adaptive_factor=None)
SGD = replace(RUN, learning_rate=0.4, steps=20, cadence=CADENCE)
SGDM = replace(SGD, optimizer="heavy_ball", momentum=0.9, learning_rate=0.04)


@pytest.fixture
def data():
    generator = np.random.default_rng(5)
    return Dataset("toy", generator.normal(size=(40, 6)), generator.integers(0, 3, size=40), 3)


def branched(name, parent=None, dose=DOSE, **changes):
    treatment = TREATMENT[name]
    parent = replace(parent or (SGDM if treatment.of_sgdm else SGD), **changes)
    how = branching_of(treatment, parent.own_rule, dose, BranchTime.SHARPENING, STEP, WINDOW)
    return replace(parent, branching=how)


def written_out(run, data, name=None):
    """Full training losses before each update, of w <- w - eta v, v <- mu v + g, in float64."""
    x, y = torch.tensor(data.inputs), torch.eye(3, dtype=torch.float64)[torch.tensor(data.targets)]
    w = Mlp((6, 5, 3), "tanh", OBJECTIVES[run.objective]).initial_weights(run.seed)[:53].double()
    order = MiniBatches(run.n_train, run.batch_size, [run.seed])

    def loss_of(w, rows):
        w1, b1, w2, b2 = w[:30].view(6, 5), w[30:35], w[35:50].view(5, 3), w[50:53]
        out = torch.tanh(x[rows] @ w1 + b1) @ w2 + b2
        return ((out - y[rows]) ** 2).sum(dim=1).mean() / 2

    everything, velocity, past, sharp, losses = slice(None), torch.zeros(53).double(), 0.0, [], []
    stretched = STEP + (2 * WINDOW if name == "lower_rate" else WINDOW)
    for step in range(run.steps + 1 + (stretched - STEP - WINDOW)):
        losses.append(float(loss_of(w, everything)))
        treated = name is not None and STEP <= step < stretched
        g = torch.autograd.functional.jacobian(lambda w, step=step: loss_of(w, order.at(step)[0]), w)
        past = 0.9 * past + g
        eta, mu = run.learning_rate, run.momentum
        if treated and name == "lower_rate":
            eta = eta / 2
        if treated and name in ("momentum", "momentum_of_history"):
            eta, mu = eta / 10, 0.9
            if step == STEP:
                velocity = past - g if name == "momentum_of_history" else torch.zeros_like(w)
                velocity = velocity / 0.9 if name == "momentum_of_history" else velocity
        if treated and name == "raised_rate":
            eta = 1.9 * 0.4
        velocity = mu * velocity + g
        if treated and name == "projected":
            if (step - STEP) % 2 == 0:
                values, vectors = torch.linalg.eigh(
                    torch.autograd.functional.hessian(lambda w: loss_of(w, everything), w)
                )
                sharp = [v for value, v in zip(values, vectors.T, strict=True) if value > 0.25 * 2 / eta][-4:]
            velocity = velocity - sum(v * (v @ velocity) for v in sharp)
        w = w - eta * velocity
    return losses, sharp


@pytest.mark.parametrize("batch_size", [8, 40])
@pytest.mark.parametrize("treatment", TREATMENTS, ids=lambda each: each.name)
def test_a_treatment_is_what_it_says(data, treatment, batch_size):
    run = branched(treatment.name, batch_size=batch_size)
    parent = replace(run, branching=None)

    ours = train_ensemble([run], data)[0].columns["loss"]
    losses, sharp = written_out(run, data, treatment.name)

    tolerance = 2e-4 if treatment.projects else 2e-5  # of the search for eigenvectors, or of float32
    np.testing.assert_allclose(ours, losses, rtol=tolerance)
    assert treatment.projects == (len(sharp) >= 2)  # several directions, of which one search alone would miss some
    before, _ = written_out(parent, data)
    changed = not np.allclose(losses[: len(before)], before, rtol=4 * tolerance)
    assert changed == (treatment.name != "unchanged")
    np.testing.assert_allclose(losses[: STEP + 1], before[: STEP + 1], rtol=1e-12)


def test_unchanged_repeats_its_parent_to_the_bit_in_any_company(data):
    runs = [branched(each.name) for each in TREATMENTS if not each.stretches and each.name != "unchanged"]
    unchanged = branched("unchanged")

    alone = train_ensemble([replace(unchanged, branching=None)], data)[0]
    among = train_ensemble([*runs, unchanged], data)[-1]

    for name, values in alone.columns.items():
        np.testing.assert_array_equal(among.columns[name], values, err_msg=name)


def test_each_treatment_is_the_same_alone_replayed_and_resumed(data, monkeypatch):
    cadence = Cadence(dense_steps=2, growth=0.9, adaptive_factor=1.5)
    runs = [branched(each.name, cadence=cadence, steps=30) for each in TREATMENTS if not each.stretches]
    together = train_ensemble(runs, data)

    training = Training(runs, data, torch.device("cpu"))
    while not training.finished:
        if training.steps_done in (STEP, STEP + 1, STEP + WINDOW):
            saved = training.saved()
            training = Training(runs, data, torch.device("cpu"))
            training.restore(saved)
        training.step()
    alone = [train_ensemble([run], data)[0] for run in runs]
    monkeypatch.setitem(ensemble._REPLAYS, "cpu", True)
    replayed = train_ensemble(runs, data)

    for others in (training.logs(), alone, replayed):
        for log, other in zip(together, others, strict=True):
            for name, values in log.columns.items():
                np.testing.assert_array_equal(
                    other.columns[name], values, err_msg=f"{log.config.branching.kind} {name}"
                )


def test_a_lower_rate_covers_the_distance_of_its_parent():
    run = branched("lower_rate")

    rates = [run.rule_at(step).learning_rate for step in range(run.n_updates)]

    assert sum(rates) == pytest.approx(sum([SGD.learning_rate] * SGD.steps))
    assert sum(rates[: run.branching.end]) == pytest.approx(SGD.learning_rate * run.branching.parent_end)
    assert (rates[STEP - 1], rates[STEP], rates[run.branching.end]) == (0.4, 0.2, 0.4)


def test_a_raised_rate_brings_the_line_of_sgdm_to_that_of_sgd():
    run = branched("raised_rate")

    assert run.rule_at(STEP).learning_rate == pytest.approx((1 + 0.9) * 0.4)  # 2(1 + mu)/eta = 2/0.4
    assert run.branching.velocity == Velocity.OWN


def test_a_log_says_what_was_done_and_whose_it_is():
    run = branched("lower_rate")

    about = run.metadata()

    assert about["branch_of"] == SGD.run_id != about["run_id"]
    assert about["intervention"] == {
        "kind": "lower rate",
        "step": 2,
        "end": 18,
        "parent_end": 10,
        "at": "sharpening",
        "learning_rate": 0.2,
    }
    assert about["steps"] == SGD.steps
    kinds = [branched(each.name).metadata()["intervention"] for each in TREATMENTS]
    assert len({what["kind"] for what in kinds}) == len(TREATMENTS)
    assert len({branched(each.name).run_id for each in TREATMENTS}) == len(TREATMENTS)
    assert [what["kind"] for what in kinds if "momentum" in what] == [
        "momentum 0.9 from rest",
        "momentum 0.9 with history",
    ]


def test_sharp_directions_are_those_above_the_bound(rng):
    basis = torch.linalg.qr(torch.tensor(rng.normal(size=(2, 48, 48))))[0]
    values = torch.full((2, 48), 0.1, dtype=torch.float64)
    values[0, :3], values[1, :1] = torch.tensor([9.0, 7.0, 2.0]), torch.tensor([9.0])
    hessian = basis @ torch.diag_embed(values) @ basis.mT
    start = [torch.zeros(2, 48, dtype=torch.float64) for _ in range(4)]
    beside, chance = torch.tensor(rng.normal(size=(2, 2, 48)))

    found, starts = sharp_directions(
        lambda v: (hessian @ v[..., None])[..., 0], start, beside, chance, torch.tensor([3.0, 3.0]).double()
    )

    shares = [[float((basis[m, :, k] @ found[k][m]) ** 2) for k in range(2)] for m in range(2)]
    np.testing.assert_allclose(shares, [[1, 1], [1, 0]], atol=1e-4)
    assert [float(row[0].norm()) for row in found[2:]] == [0, 0]  # 2 is below the bound
    assert float(starts[2][1].norm()) == 0  # the second member had no third search of its own
