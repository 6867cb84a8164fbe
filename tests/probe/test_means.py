"""Means are means over what the user's loss averages over. Truth: one batch, by a dense Hessian in float64."""

import pytest
import torch
from mstudy.core.errors import TrainingError
from mstudy.probe.curvature_probe import CurvatureProbe
from mstudy.probe.user_data import UserData
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from tests.probe.dense import X, Y, check, cross_entropy, loss_again, measured, nothing_known, output, perceptron

VALID = torch.sort(Y).values.clone()
VALID[torch.rand(24, generator=torch.Generator().manual_seed(1)) < 0.5] = -100
VALID[8:12] = -100  # a whole piece has nothing to average over


EACH_VALID = torch.where(torch.arange(24) % 4 > torch.arange(24) // 8, -100, Y)  # each piece has some


def over_valid(module, batch):
    return functional.cross_entropy(module(batch[0]), batch[1], ignore_index=-100)


def n_valid(batch):
    return (batch[1] != -100).sum()


def of_valid(p):
    return functional.cross_entropy(output(p), VALID, ignore_index=-100)


def batches(x, y, size=4):
    return [(x[k : k + size], y[k : k + size]) for k in range(0, len(x), size)]


DIVIDED = {
    "chunk": ((X, VALID), {"chunk": 4, "weight": n_valid}),
    "list": (batches(X, VALID), {"weight": n_valid}),
    "counts": (batches(X, VALID), {"weight": [int(n_valid(b)) for b in batches(X, VALID)]}),
    "tensor of counts": (batches(X, VALID), {"weight": torch.stack([n_valid(b) for b in batches(X, VALID)])}),
    "loader": (DataLoader(TensorDataset(X, VALID), batch_size=4), {"weight": n_valid}),
    "list in chunks": (batches(X, VALID, 8), {"chunk": 4, "weight": n_valid}),
}


@pytest.mark.parametrize("name", DIVIDED)
def test_a_weight_says_what_the_loss_is_a_mean_over(name):
    data, options = DIVIDED[name]

    check(perceptron(), over_valid, data, of_valid, batch=(X, VALID), **options)


def zero_head():
    module = perceptron()
    nn.init.zeros_(module[2].weight)
    nn.init.zeros_(module[2].bias)
    return module


SUMS = {
    "tokens": (over_valid, perceptron, VALID),
    "tokens from a start where all losses are one": (over_valid, zero_head, EACH_VALID),
    "sum": (lambda m, b: functional.cross_entropy(m(b[0]), b[1], reduction="sum"), perceptron, Y),
    "class weights": (
        lambda m, b: functional.cross_entropy(m(b[0]), b[1], weight=torch.tensor([0.1, 1, 5]).to(b[0].dtype)),
        perceptron,
        Y,
    ),
    "samples that see each other": (lambda m, b: (m(b[0]) - m(b[0]).mean(0)).square().mean(), perceptron, Y),
}


@pytest.mark.parametrize("divided", ["chunk", "list"])
@pytest.mark.parametrize("name", SUMS)
def test_what_is_no_mean_over_samples_is_refused_without_a_weight(name, divided):
    loss, build, y = SUMS[name]
    data, options = ((X, y), {"chunk": 4}) if divided == "chunk" else (batches(X, y), {})

    with pytest.warns(UserWarning, match="must be the mean of their losses by numbers of samples.* give weight="):
        row, *_ = measured(build(), loss, data, batch=(X, y), **options)

    assert nothing_known(row) and row["loss"] is None


def test_pairs_that_only_together_are_no_mean_are_found():
    """Batches of equal counts beside batches of other equal counts: a comparison of neighbours two by two misses it."""
    y = Y.clone()
    y[12:][torch.arange(12) % 4 > 0] = -100

    with pytest.warns(UserWarning, match="must be the mean of their losses"):
        measured(perceptron(), over_valid, batches(X, y, 6), batch=(X, y))


def test_means_over_samples_need_no_weight():
    for data, options in (((X, Y), {"chunk": 5}), (batches(X, Y, 10), {})):
        check(perceptron(), cross_entropy, data, loss_again, batch=(X, Y), **options)


def test_batch_normalisation_by_the_chunk_is_a_mean_by_definition():
    module = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))

    row, *_ = measured(module, cross_entropy, (X, Y), chunk=12)

    assert row["directional_curvature"] is not None


def test_a_loss_that_draws_random_numbers_is_left_alone():
    row, *_ = measured(
        perceptron(), lambda m, b: cross_entropy(m, (b[0] + 0.1 * torch.randn_like(b[0]), b[1])), (X, Y), chunk=8
    )

    assert row["directional_curvature"] is not None


def test_batches_of_several_shapes_need_a_weight():
    lengths = [torch.randn(4, n, 6) for n in (3, 5)]
    data = [(x, torch.randint(3, (4,))) for x in lengths]

    def loss(m, batch):
        return functional.cross_entropy(m(batch[0].mean(1)), batch[1])

    with pytest.warns(
        UserWarning, match="of several shapes cannot be compared with that of all together .* give weight"
    ):
        row, *_ = measured(perceptron(), loss, data, batch=data[0])
    assert nothing_known(row)

    row, *_ = measured(perceptron(), loss, data, batch=data[0], weight=lambda b: len(b[1]))
    assert row["directional_curvature"] is not None


def test_mini_batches_in_chunks_are_held_to_it_too():
    options = {"mini_batches": batches(X, VALID, 12), "batch_sharpness_every": 1, "chunk": 12}
    with pytest.warns(UserWarning, match="must be the mean"):
        measured(
            perceptron(),
            over_valid,
            (X[:12], VALID[:12]),
            chunk=6,
            **{k: v for k, v in options.items() if k != "chunk"},
        )


@pytest.mark.parametrize(
    ("weight", "chunk", "message"),
    [
        ([1, 2], None, "a number for each batch, found 2 for more batches"),
        (lambda b: -1, None, "a number of at least 0 for each batch, found -1"),
        (lambda b: "many", None, "a number of at least 0 for each batch, found 'many'"),
        ([1] * 6, 2, "must be a function of the batch where chunk divides batches, found list"),
    ],
)
def test_a_weight_that_is_none_is_a_sentence(weight, chunk, message):
    module = perceptron()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    CurvatureProbe(module, cross_entropy, batches(X, Y), optimizer, weight=weight, chunk=chunk, strict=True)

    with pytest.raises(TrainingError, match=message):
        optimizer.step()


def test_a_count_for_all_batches_is_a_plain_mean_of_them():
    assert [w for w, _ in UserData(batches(X, Y), 7).pieces(None)] == [7.0] * 6
