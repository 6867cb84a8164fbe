"""Truth: the whole batch at once, in float64; the mean of chunks taken by hand."""

import pytest
import torch
from mstudy.curvature.chunks import evaluate, in_groups
from mstudy.curvature.measure import Probe, sharpness_of_batches
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.module_network import ModuleNetwork
from mstudy.curvature.network import CURVATURE, GRADIENT, LOSS, Batch
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.models.build import build
from mstudy.models.normalisation import convolution
from torch import nn

from tests.curvature.measuring import measured

N_MEMBERS, N_SAMPLES, N_OUTPUTS = 3, 7, 3
CROSS_ENTROPY = OBJECTIVES["cross_entropy"]
SHAPES = {"mlp-tanh-4": (2, 3), "cnn-tanh-2": (1, 4, 4), "transformer-1-4-2": (3,), "resnet18-group-1": (1, 9, 9)}


class Watched:
    """A network that keeps what it was asked: (members, samples) of each evaluation."""

    def __init__(self, network):
        self._network, self.asked = network, []

    def __getattr__(self, name):
        return getattr(self._network, name)

    def evaluate(self, w, batch, order):
        self.asked.append((len(w), batch.n_samples))
        return self._network.evaluate(w, batch, order)


def network_of(model):
    if model.startswith("mlp"):
        return Mlp((6, 4, N_OUTPUTS), "tanh", CROSS_ENTROPY, torch.float64)
    return module_network(lambda: build(model, SHAPES[model], N_OUTPUTS, model.startswith("transformer")))


def module_network(make):
    return ModuleNetwork(make, CROSS_ENTROPY, torch.float64)


def weights(network):
    return torch.stack([network.initial_weights(seed) for seed in range(N_MEMBERS)])


def random_batch(input_shape, shared, is_text=False):
    n = (N_SAMPLES,) if shared else (N_MEMBERS, N_SAMPLES)
    if is_text:
        x, y = (torch.randint(N_OUTPUTS, (*n, *input_shape)) for _ in range(2))
        return Batch(x, y, shared)
    x = torch.randn(*n, *input_shape, dtype=torch.float64)
    return Batch(x, torch.eye(N_OUTPUTS, dtype=torch.float64)[torch.randint(N_OUTPUTS, n)], shared)


def random_directions(network, w):
    drawn = torch.randn_like(w)
    drawn[:, network.n_parameters :] = 0
    return drawn


@pytest.fixture(params=[(m, shared) for m in SHAPES for shared in (True, False)], ids=str)
def case(request):
    model, shared = request.param
    torch.manual_seed(3)
    network = network_of(model)
    w = weights(network)
    batch = random_batch(SHAPES[model], shared, model.startswith("transformer"))
    return Watched(network), w, batch, random_directions(network, w)


@pytest.mark.parametrize("chunk", [1, 3, 6])  # 7 = 3 + 3 + 1 = 6 + 1
def test_chunks_give_what_the_whole_batch_gives(case, chunk):
    network, w, batch, v = case
    whole = network.evaluate(w, batch, CURVATURE)
    product = whole.hessian_operator()
    expected = [whole.loss, whole.gradient().clone(), product(v), product(v.flip(0)), whole.curvature_along(v)]
    network.asked.clear()

    in_parts = evaluate(network, w, batch, CURVATURE, chunk)
    product = in_parts.hessian_operator()
    found = [in_parts.loss, in_parts.gradient(), product(v), product(v.flip(0)), in_parts.curvature_along(v)]

    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)
    assert max(samples for _, samples in network.asked) == chunk


@pytest.mark.parametrize("order", [LOSS, GRADIENT, CURVATURE])
def test_the_loss_may_be_asked_for_first_last_or_alone(order):
    torch.manual_seed(3)
    network = network_of("cnn-tanh-2")
    w, batch = weights(network), random_batch((1, 4, 4), True)
    expected = network.evaluate(w, batch, LOSS).loss

    alone, after = (evaluate(network, w, batch, order, 3) for _ in range(2))
    gradient = after.gradient() if order > LOSS else None

    torch.testing.assert_close(alone.loss, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(after.loss, expected, rtol=1e-12, atol=0)
    assert gradient is None or gradient.shape == w.shape


def test_a_batch_that_fits_is_evaluated_once_and_whole():
    network = Watched(network_of("mlp-tanh-4"))
    w, batch = weights(network), random_batch((2, 3), True)

    evaluate(network, w, batch, GRADIENT, N_SAMPLES).gradient()

    assert network.asked == [(N_MEMBERS, N_SAMPLES)]


@pytest.mark.parametrize("shared", [True, False])
def test_under_batch_normalisation_everything_is_the_weighted_mean_of_the_chunks(shared):
    torch.manual_seed(3)
    network = module_network(
        lambda: nn.Sequential(convolution("batch", 1, 2), nn.Tanh(), nn.Flatten(), nn.Linear(2 * 3 * 3, N_OUTPUTS))
    )
    w, batch = weights(network), random_batch((1, 3, 3), shared)
    v = random_directions(network, w)
    parts = [batch.samples(slice(0, 4)), batch.samples(slice(4, 7))]

    def by_hand(quantity):
        first, second = (quantity(network.evaluate(w, part, CURVATURE)) for part in parts)
        return (4 * first + 3 * second) / 7

    at = evaluate(network, w, batch, CURVATURE, 4)

    torch.testing.assert_close(at.loss, by_hand(lambda part: part.loss))
    torch.testing.assert_close(at.gradient(), by_hand(lambda part: part.gradient()))
    torch.testing.assert_close(at.curvature_along(v), by_hand(lambda part: part.curvature_along(v)))
    torch.testing.assert_close(at.hessian_operator()(v), by_hand(lambda part: part.hessian_operator()(v)))
    assert (at.loss - network.evaluate(w, batch, LOSS).loss).abs().min() > 1e-4


@pytest.mark.parametrize("chunk", [1, 5, 7, 14, 15, 100])
def test_a_probe_holds_no_more_than_its_chunk_whatever_it_measures(chunk):
    torch.manual_seed(3)
    network = Watched(network_of("mlp-tanh-4"))
    w, batch = weights(network), random_batch((2, 3), True)
    v = random_directions(network, w)
    leading = torch.cat([v, random_directions(network, w)], dim=1)  # is overwritten
    whole = measured(Probe(network, batch, 1000), w, v, leading.clone(), v, None)
    network.asked.clear()
    probe = Probe(network, batch, chunk)

    losses, found = measured(probe, w, None, None, v).loss, measured(probe, w, v, leading.clone(), v)

    assert max(members * samples for members, samples in network.asked) <= chunk
    torch.testing.assert_close(losses, whole.loss)
    for name, expected in vars(whole).items():
        torch.testing.assert_close(getattr(found, name), expected, rtol=1e-7, atol=1e-9)


def test_drawn_batches_are_cut_into_chunks_too():
    torch.manual_seed(3)
    network = Watched(network_of("cnn-tanh-2"))
    w, batches = weights(network), [random_batch((1, 4, 4), False) for _ in range(3)]
    expected = sharpness_of_batches(evaluate(network, w, batch, CURVATURE, 100) for batch in batches)
    network.asked.clear()

    found = sharpness_of_batches(evaluate(network, w, batch, CURVATURE, 3) for batch in batches)

    assert max(samples for _, samples in network.asked) == 3
    torch.testing.assert_close(found, expected)


def test_groups_of_members_by_hand():
    groups = [[(g.start, g.stop) for g in in_groups(torch.zeros(5, 1), size)] for size in (1, 2, 14)]

    assert groups == [[(k, k + 1) for k in range(5)], [(0, 2), (2, 4), (4, 6)], [(0, 14)]]


@pytest.mark.parametrize(("members", "groups"), [(None, [2, 1]), (1, [1, 1, 1]), (9, [3])])
def test_a_probe_measures_as_many_members_at_once_as_it_may(members, groups):
    torch.manual_seed(3)
    network = Watched(network_of("mlp-tanh-4"))
    w, batch = weights(network), random_batch((2, 3), True)

    measured(Probe(network, batch, 2 * batch.n_samples, members), w, None, None, w)

    assert [n for n, _ in network.asked] == groups
