"""Truth: a plain loop with torch.optim.SGD; closed forms of a linear network."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mstudy.core.branching.treatments import Rule
from mstudy.core.errors import TrainingError
from mstudy.core.params import Cadence
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.data.dataset import Dataset
from mstudy.train.branching import Branching
from mstudy.train.ensemble import step as ensemble
from mstudy.train.ensemble.cuda_graph import RecordedStep
from mstudy.train.ensemble.logged_rows import Rows
from mstudy.train.ensemble.loop import Training, train_ensemble
from mstudy.train.ensemble.minibatches import MiniBatches
from mstudy.train.ensemble.schedule import Schedule

from tests.train.configs import RUN as BASE


@pytest.fixture
def data():
    generator = np.random.default_rng(5)
    return Dataset("toy", generator.normal(size=(40, 6)), generator.integers(0, 3, size=40), 3)


def plain_losses(config, data):
    """Full training losses before each step, by autograd and torch.optim.SGD."""
    network = Mlp((6, 5, 3), "tanh", OBJECTIVES[config.objective])
    w = network.initial_weights(config.seed)[None].requires_grad_()
    x, y = torch.tensor(data.inputs, dtype=torch.float32), torch.eye(3)[torch.tensor(data.targets)]

    def started(rule):
        nesterov = rule.optimizer == "nesterov"
        return torch.optim.SGD(
            [w], rule.learning_rate, rule.momentum, weight_decay=config.weight_decay, nesterov=nesterov
        )

    optimizer = started(config)
    warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: min(1, (t + 1) / max(config.warmup_steps, 1)))
    order, losses = MiniBatches(config.n_train, config.batch_size, [config.seed]), []

    def loss_of(rows):
        (w1, b1), (w2, b2) = network.layers(w)
        out = torch.tanh(x[rows] @ w1[0] + b1[0]) @ w2[0] + b2[0]
        return ((out - y[rows]) ** 2).sum(dim=1).mean() / 2

    for step in range(config.steps + 1):
        if config.branching is not None and step == config.branching.step:
            optimizer = started(config.branching.rule)
        losses.append(loss_of(slice(None)).item())
        optimizer.zero_grad()
        loss_of(order.at(step)[0]).backward()
        optimizer.step()
        warmup.step()
    return losses


@pytest.mark.parametrize(("optimizer", "momentum"), [("sgd", 0.0), ("heavy_ball", 0.9), ("nesterov", 0.5)])
@pytest.mark.parametrize("batch_size", [8, 40])
@pytest.mark.parametrize(("weight_decay", "warmup_steps"), [(0.0, 0), (0.05, 5)])
def test_losses_against_torch_optim(data, optimizer, momentum, batch_size, weight_decay, warmup_steps):
    config = replace(BASE, optimizer=optimizer, momentum=momentum, batch_size=batch_size)
    config = replace(config, weight_decay=weight_decay, warmup_steps=warmup_steps)

    log = train_ensemble([config], data)[0]

    np.testing.assert_allclose(log.columns["loss"], plain_losses(config, data), rtol=2e-5)
    assert log.columns["step"].tolist() == list(range(13))


@pytest.mark.parametrize("rule", [Rule("heavy_ball", 0.01, 0.9), Rule("nesterov", 0.05, 0.5)])
@pytest.mark.parametrize("batch_size", [8, 40])
def test_a_branch_is_its_parent_up_to_its_step_and_then_an_optimizer_that_starts_there(data, rule, batch_size):
    parent = replace(BASE, batch_size=batch_size)
    branch = replace(parent, branching=Branching(5, rule))

    logs = train_ensemble([parent, branch, replace(branch, branching=Branching(9, rule))], data)

    early = slice(0, 6)  # the loss before the sixth update is the last that they share
    for name in ("loss", "grad_norm", "sharpness"):
        np.testing.assert_array_equal(logs[1].columns[name][early], logs[0].columns[name][early], err_msg=name)
    assert logs[1].columns["update_norm"][5] != logs[0].columns["update_norm"][5]
    for log in logs:
        np.testing.assert_allclose(log.columns["loss"], plain_losses(log.config, data), rtol=2e-5)


def test_a_branch_says_what_it_left_and_for_what():
    branch = replace(BASE, branching=Branching(5, Rule("heavy_ball", 0.01, 0.9)))

    about = branch.metadata()

    assert about["branch_of"] == BASE.run_id != branch.run_id == about["run_id"]
    assert about["intervention"] == {
        "kind": "momentum 0.9",
        "step": 5,
        "optimizer": "heavy_ball",
        "learning_rate": 0.01,
        "momentum": 0.9,
    }
    assert (about["optimizer"], about["learning_rate"], about["momentum"]) == ("sgd", 0.1, 0.0)
    assert not {"branch_of", "intervention", "branching"} & BASE.metadata().keys()


def test_a_branch_by_replayed_and_by_restored_steps_is_the_branch(data, monkeypatch):
    # Recorded before it branched, a step would go on without momentum.
    cadence = Cadence(dense_steps=2, growth=0.9, adaptive_factor=1.5)
    parent = replace(BASE, steps=60, cadence=cadence)
    runs = [parent, *(replace(parent, branching=Branching(step, Rule("heavy_ball", 0.01, 0.9))) for step in (20, 31))]
    stepped = train_ensemble(runs, data)

    training = Training(runs, data, torch.device("cpu"))
    while not training.finished:
        if training.steps_done in (20, 25, 31):
            saved = training.saved()
            training = Training(runs, data, torch.device("cpu"))
            training.restore(saved)
        training.step()
    monkeypatch.setitem(ensemble._REPLAYS, "cpu", True)
    replayed = train_ensemble(runs, data)

    for other in (training.logs(), replayed):
        for a, b in zip(stepped, other, strict=True):
            for name, values in a.columns.items():
                np.testing.assert_array_equal(b.columns[name], values, err_msg=name)
    assert stepped[1].columns["loss"][-1] != stepped[2].columns["loss"][-1]


def matmul_by_mkl(lefts, rights, out):
    """Multiply one matrix after the other, as NumPy does. torch.bmm has one routine for one pair, another for many."""
    for left, right, product in zip(*map(torch.from_numpy, (lefts, rights, out)), strict=True):
        torch.mm(left, right, out=product)


@pytest.mark.parametrize("library", ["openblas", "mkl"])
def test_a_member_is_the_same_to_the_bit_in_any_company(data, monkeypatch, library):
    # Each member's rows are aligned alike in memory, so even the rounding of matrix products is its own: MKL (torch's,
    # and that of some builds of NumPy) rounds by alignment. 40 samples of 6 numbers and 5 hidden units: nothing is a
    # multiple of the alignment by itself.
    if library == "mkl":
        monkeypatch.setattr(np, "matmul", matmul_by_mkl)
    every = {"sharpness": 3, "batch_sharpness": 5, "critical_sharpness": 1, "edge_ratio": 1}
    quantities = Cadence(dense_steps=12, every=every)
    for batch_size in (8, 9, 40):
        base = replace(BASE, batch_size=batch_size, cadence=quantities)
        others = [replace(base, seed=s, learning_rate=r) for s in (0, 1, 2) for r in (0.01, 0.1, 50.0)]

        together = train_ensemble(others, data)

        for place in (1, 3, 7):  # beside members that diverge
            alone = train_ensemble([others[place]], data)[0]
            for name, values in alone.columns.items():
                np.testing.assert_array_equal(together[place].columns[name], values, err_msg=name)


@pytest.mark.parametrize(
    ("model", "shape"), [("cnn-tanh-3", (1, 6, 6)), ("resnet18-batch-2", (1, 10, 10)), ("vgg11-group-2", (1, 32, 32))]
)
def test_a_member_by_autograd_depends_on_its_company_in_rounding_alone(model, shape):
    # Alone it is a plain call of the module, in company stacked: other kernels, hence other rounding, which training
    # amplifies. Over the first steps it stays within 1e-4 of the largest loss, 0.5 % of the largest gradient and 2 % of
    # the largest curvature: of a relu's inputs one that is zero but for rounding may fall on either side.
    generator = np.random.default_rng(5)
    pictures = Dataset("toy", generator.normal(size=(24, *shape)), generator.integers(0, 3, size=24), 3)
    base = replace(BASE, model=model, objective="cross_entropy", n_train=24, probe_samples=24, learning_rate=0.01)
    base = replace(base, steps=5, cadence=Cadence(dense_steps=5, every={"sharpness": 0}))
    rules = [{}, {"optimizer": "heavy_ball", "momentum": 0.9}]
    others = [replace(base, seed=seed, **rule) for seed in (0, 1) for rule in rules]

    together = train_ensemble(others, pictures)

    for place in (0, 3):
        alone = train_ensemble([others[place]], pictures)[0]
        assert (together[place].metadata["width"], alone.metadata["width"]) == (4, 1)
        for name, tolerance in (("loss", 1e-4), ("grad_norm", 5e-3), ("directional_curvature", 2e-2)):
            values = alone.columns[name]
            np.testing.assert_allclose(
                together[place].columns[name], values, rtol=0, atol=tolerance * np.abs(values).max(), err_msg=name
            )


def test_a_pair_starts_alike(data):
    sgd, sgdm = train_ensemble([BASE, replace(BASE, momentum=0.9, optimizer="heavy_ball")], data)

    assert sgd.columns["loss"][0] == sgdm.columns["loss"][0]
    assert sgd.columns["batch_loss"][0] == sgdm.columns["batch_loss"][0]
    assert sgd.columns["loss"][5] != sgdm.columns["loss"][5]


def test_a_diverged_member_is_recorded_and_leaves(data):
    logs = train_ensemble([replace(BASE, learning_rate=500.0), BASE], data)

    assert [log.status for log in logs] == ["diverged", "completed"]
    assert logs[0].diverged_step is not None
    assert logs[0].columns["step"][-1] < logs[0].diverged_step
    assert np.isfinite(logs[0].columns["loss"]).all()
    assert logs[1].columns["step"][-1] == 12


def test_a_diverged_member_is_trained_no_further_than_to_the_next_check(data):
    """On a CPU that is every step, logged or not."""
    run = replace(BASE, learning_rate=500.0, steps=400)
    group = ensemble.Ensemble([run], data, torch.device("cpu"))
    state, rows, schedule = group.start(), Rows.empty(1), Schedule(run.cadence, [0, 400])

    while state.members:
        group.advance(state, rows, schedule)

    assert 0 < state.step == rows.diverged_step[0] < 400


def test_divergence_noticed_late_is_logged_as_if_at_once(data, monkeypatch):
    # On a GPU the members are asked now and then, between logged steps.
    runs = [replace(BASE, learning_rate=rate, seed=s) for rate in (0.1, 2.0, 5.0, 500.0) for s in (0, 1)]
    runs = [replace(run, steps=60, cadence=Cadence(dense_steps=2, growth=0.9)) for run in runs]
    at_once = train_ensemble(runs, data)
    monkeypatch.setitem(ensemble._STEPS_BETWEEN_CHECKS, "cpu", 16)

    late = train_ensemble(runs, data)

    assert len({log.diverged_step for log in at_once}) > 2
    for a, b in zip(at_once, late, strict=True):
        assert a.diverged_step == b.diverged_step
        for name, values in a.columns.items():
            np.testing.assert_array_equal(b.columns[name], values, err_msg=name)


@pytest.mark.parametrize("batch_size", [8, 40])
@pytest.mark.parametrize("model", ["mlp-tanh-5", "cnn-tanh-2"])
def test_replayed_steps_are_the_steps(data, monkeypatch, model, batch_size):
    # On a GPU the steps without a row are recorded and replayed; here their record is merely played.
    pictures = replace(data, inputs=data.inputs.reshape(40, 1, 2, 3))
    runs = [replace(BASE, learning_rate=rate, seed=s) for rate in (0.1, 2.0, 500.0) for s in (0, 1)]
    cadence = Cadence(dense_steps=2, growth=0.9, adaptive_factor=1.5)
    runs = [replace(r, model=model, batch_size=batch_size, steps=60, warmup_steps=5, cadence=cadence) for r in runs]
    stepped = train_ensemble(runs, pictures)
    monkeypatch.setitem(ensemble._REPLAYS, "cpu", True)
    monkeypatch.setitem(ensemble._STEPS_BETWEEN_CHECKS, "cpu", 7)
    played = []
    call = RecordedStep.__call__
    monkeypatch.setattr(
        RecordedStep, "__call__", lambda self, step, index: (played.append(step), call(self, step, index))
    )

    replayed = train_ensemble(runs, pictures)

    assert len(played) > 30
    assert min(played) >= 5  # the learning rate was still rising before
    assert {log.status for log in stepped} == {"completed", "diverged"}
    for a, b in zip(stepped, replayed, strict=True):
        assert a.diverged_step == b.diverged_step
        for name, values in a.columns.items():
            np.testing.assert_array_equal(b.columns[name], values, err_msg=name)


def test_a_finite_loss_beyond_the_factor_is_divergence_too(data):
    rising = replace(BASE, learning_rate=2.5, batch_size=40)

    strict, lenient = (train_ensemble([replace(rising, divergence_factor=factor)], data)[0] for factor in (1.05, 1e12))

    losses = lenient.columns["batch_loss"]
    assert np.isfinite(losses).all()
    assert strict.diverged_step == int(np.argmax(losses > 1.05 * losses[0])) > 0


def test_a_loss_that_is_infinite_from_the_start_is_one_sentence(data):
    huge = replace(data, inputs=data.inputs * 1e30)

    with pytest.raises(TrainingError, match="The loss at the initial weights must be finite, found .* linear on toy"):
        train_ensemble([replace(BASE, model="linear")], huge)


def test_an_ensemble_may_diverge_whole(data):
    logs = train_ensemble([replace(BASE, learning_rate=rate, batch_size=40) for rate in (500.0, 900.0)], data)

    assert [log.status for log in logs] == ["diverged", "diverged"]


def test_directional_curvature_and_sharpness_of_a_linear_network(data):
    # Closed form: H = A / n for each class, A = [x 1]^T [x 1]; kappa = sum_c u_c^T A u_c / n / ||u||^2.
    config = replace(BASE, model="linear", batch_size=40, steps=3, cadence=Cadence(3, every={"sharpness": 1}))
    x = np.hstack([data.inputs, np.ones((40, 1))])
    hessian = x.T @ x / 40

    log = train_ensemble([config], data)[0]

    w = Mlp((6, 3), "tanh", OBJECTIVES["squared_error"]).initial_weights(0).double().numpy()[:21]
    weights = np.vstack([w[:18].reshape(6, 3), w[18:][None]])
    gradient = x.T @ (x @ weights - np.eye(3)[data.targets]) / 40
    expected = np.einsum("ic,ij,jc->", gradient, hessian, gradient) / (gradient**2).sum()
    assert log.columns["directional_curvature"][0] == pytest.approx(expected, rel=1e-4)
    # The search stops at a residual of 1.5 %; the eigenvalue is then right to about its square.
    np.testing.assert_allclose(log.columns["sharpness"], np.linalg.eigvalsh(hessian)[-1], rtol=0.01)


def test_curvature_is_measured_along_the_real_update_with_momentum(data):
    # Quadratic loss: L(w + u) = L + g.u + u^T H u / 2 exactly, so kappa follows from two losses and the slope.
    config = replace(BASE, model="linear", batch_size=40, momentum=0.9, optimizer="heavy_ball", steps=4)
    columns = train_ensemble([config], data)[0].columns
    x = np.hstack([data.inputs, np.ones((40, 1))])
    network = Mlp((6, 3), "tanh", OBJECTIVES["squared_error"])
    w = network.initial_weights(0).double().numpy()[:21]
    w, velocity = np.vstack([w[:18].reshape(6, 3), w[18:][None]]), 0.0
    for step in range(4):
        gradient = x.T @ (x @ w - np.eye(3)[data.targets]) / 40
        velocity = 0.9 * velocity + gradient
        update = -0.1 * velocity
        rise = columns["loss"][step + 1] - columns["loss"][step]
        kappa = 2 * (rise - (gradient * update).sum()) / (update**2).sum()
        assert columns["directional_curvature"][step] == pytest.approx(kappa, rel=5e-3)
        w = w + update
