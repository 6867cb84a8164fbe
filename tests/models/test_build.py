"""Truth: parameter counts by hand, published or in closed form; the networks' promises, by experiment."""

import pytest
import torch
from mstudy.models.build import build

IMAGE = (3, 32, 32)


def resnet18_size(w, bias, norm):
    """`bias` and `norm` parameters a channel, after each convolution."""
    stem = 9 * 3 * w
    stage_1 = 4 * 9 * w * w
    later = sum(9 * (n // 2) * n + 3 * 9 * n * n + (n // 2) * n for n in (2 * w, 4 * w, 8 * w))
    channels = w + 4 * w + 5 * (2 + 4 + 8) * w
    return stem + stage_1 + later + (bias + norm) * channels + 8 * w * 10 + 10


def transformer_size(layers, w, length, n_symbols):
    attention = 3 * w * w + 3 * w + w * w + w
    mlp = 4 * w * w + 4 * w + 4 * w * w + w
    return n_symbols * w + length * w + layers * (attention + mlp + 4 * w) + 2 * w + w * n_symbols + n_symbols


@pytest.mark.parametrize(
    ("model", "input_shape", "n_outputs", "expected"),
    [
        ("linear", (1, 8, 8), 10, 64 * 10 + 10),
        ("mlp-tanh-64-32", (1, 8, 8), 10, 65 * 64 + 65 * 32 + 33 * 10),
        # 8x8 is pooled to 4x4, then 2x2, then 1x1, and no further.
        ("cnn-relu-4-6", (1, 8, 8), 10, (9 + 1) * 4 + (36 + 1) * 6 + (6 * 4 + 1) * 10),
        ("cnn-relu-4-4-4-4", (1, 8, 8), 10, (9 + 1) * 4 + 3 * (36 + 1) * 4 + (4 + 1) * 10),
        ("resnet18-batch", IMAGE, 10, 11_173_962),  # the CIFAR form's published count
        ("resnet18-group-8", IMAGE, 10, resnet18_size(8, 0, 2)),
        ("resnet18-none-8", IMAGE, 10, resnet18_size(8, 1, 0)),
        # 9,231,114 is published for this form with biases under the normalisation, 2,752 of them.
        ("vgg11-batch", IMAGE, 10, 9_231_114 - 2_752),
        ("vgg11-none-1", IMAGE, 10, 9 * (3 + 2 + 8 + 16 + 32 + 3 * 64) + 43 + 90),
        # 65x32 is pooled to 2x1.
        ("vgg11-none-1", (3, 65, 32), 10, 9 * (3 + 2 + 8 + 16 + 32 + 3 * 64) + 43 + 170),
    ],
)
def test_number_of_parameters(model, input_shape, n_outputs, expected):
    assert sum(p.numel() for p in build(model, input_shape, n_outputs).parameters()) == expected


def test_number_of_parameters_of_a_transformer():
    network = build("transformer-3-8-2", (12,), 27, is_text=True)

    assert sum(p.numel() for p in network.parameters()) == transformer_size(3, 8, 12, 27)


def test_the_closed_form_of_resnet18_gives_the_published_count():
    assert resnet18_size(64, 0, 2) == 11_173_962


def shapes_seen(network, kind, x):
    """Output shapes of every layer of one kind."""
    seen = []
    for module in network.modules():
        if isinstance(module, kind):
            module.register_forward_hook(lambda _module, _inputs, output: seen.append(tuple(output.shape[1:])))
    network(x)
    return seen


def test_resnet18_halves_the_image_thrice():
    seen = shapes_seen(build("resnet18-group-2", IMAGE, 10), torch.nn.Conv2d, torch.zeros(1, *IMAGE))

    assert list(dict.fromkeys(seen)) == [(2, 32, 32), (4, 16, 16), (8, 8, 8), (16, 4, 4)]


def test_vgg11_pools_after_layers_1_2_4_6_and_8():
    seen = shapes_seen(build("vgg11-none-1", IMAGE, 10), (torch.nn.Conv2d, torch.nn.MaxPool2d), torch.zeros(1, *IMAGE))

    sides = [side for _, side, _ in seen]
    assert sides == [32, 16, 16, 8, 8, 8, 4, 4, 4, 2, 2, 2, 1]


def test_pooling_of_a_cnn_is_a_mean():
    # One convolution that copies its input: the linear layer sees softplus of it, averaged over 2x2.
    network = build("cnn-softplus-1", (1, 2, 2), 1).double()
    convolution, _, _, _, linear = network
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        convolution.weight[0, 0, 1, 1] = 1
        linear.weight.fill_(1)
    x = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]], dtype=torch.float64)

    torch.testing.assert_close(network(x)[0, 0], torch.log1p(torch.exp(x)).mean())


def test_a_block_of_resnet18_adds_to_its_shortcut():
    # With the last convolution at 0 a block is its shortcut behind a relu; the shortcut of the first is the identity.
    network = build("resnet18-none-2", (1, 16, 16), 3)
    block = network[2]
    with torch.no_grad():
        for parameter in block.second.parameters():
            parameter.zero_()
    x = torch.randn(2, 2, 16, 16)

    torch.testing.assert_close(block(x), x.clamp(min=0))


ALL = [
    ("linear", (3, 4, 4), False),
    ("mlp-tanh-4", (3, 4, 4), False),
    ("cnn-tanh-2", (3, 4, 4), False),
    ("resnet18-group-2", (3, 16, 16), False),
    ("resnet18-batch-2", (3, 16, 16), False),
    ("vgg11-batch-2", (3, 32, 32), False),
    ("transformer-1-4-2", (6,), True),
]


@pytest.mark.parametrize(("model", "input_shape", "is_text"), ALL)
def test_weights_depend_on_torchs_seed_alone(model, input_shape, is_text):
    def weights(seed):
        torch.manual_seed(seed)
        return torch.nn.utils.parameters_to_vector(build(model, input_shape, 4, is_text).parameters())

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


@pytest.mark.parametrize(("model", "input_shape", "is_text"), ALL)
def test_a_network_is_a_function_of_parameters_and_batch_alone(model, input_shape, is_text):
    torch.manual_seed(0)
    network = build(model, input_shape, 4, is_text)
    x = torch.randint(4, (5, *input_shape)) if is_text else torch.randn(5, *input_shape)

    trained = [network.train()(x) for _ in range(2)]

    assert not list(network.buffers())
    assert torch.equal(trained[0], trained[1])
    assert torch.equal(network.eval()(x), trained[0])


@pytest.mark.parametrize(("model", "mixes"), [("vgg11-batch-2", True), ("vgg11-group-2", False)])
def test_a_sample_depends_on_the_others_under_batch_normalisation_only(model, mixes):
    torch.manual_seed(0)
    network, x = build(model, IMAGE, 4).double(), torch.randn(4, *IMAGE, dtype=torch.float64)

    assert torch.allclose(network(x)[:2], network(x[:2])) is not mixes
