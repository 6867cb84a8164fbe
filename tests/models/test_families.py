"""Truth: the grammar, by hand."""

import subprocess
import sys

import pytest
from mstudy.core.errors import ConfigError
from mstudy.models.families import ACTIVATIONS, NORMS, ModelName, parse


@pytest.mark.parametrize(
    ("model", "family", "activation", "norm", "sizes"),
    [
        ("linear", "linear", "", "", ()),
        ("mlp-tanh-64-48-10", "mlp", "tanh", "", (64, 48, 10)),
        ("cnn-gelu-8-16", "cnn", "gelu", "", (8, 16)),
        ("resnet18-group", "resnet18", "", "group", (64,)),
        ("resnet18-none-8", "resnet18", "", "none", (8,)),
        ("vgg11-batch", "vgg11", "", "batch", (64,)),
        ("vgg11-group-16", "vgg11", "", "group", (16,)),
        ("transformer-2-64-4", "transformer", "", "", (2, 64, 4)),
    ],
)
def test_each_form(model, family, activation, norm, sizes):
    assert parse(model) == ModelName(model, family, activation, norm, sizes)


def test_every_activation_and_norm():
    assert [parse(f"mlp-{a}-1").activation for a in ACTIVATIONS] == list(ACTIVATIONS)
    assert [parse(f"vgg11-{n}").norm for n in NORMS] == list(NORMS)


@pytest.mark.parametrize(
    "model",
    [
        "",
        "linear-3",
        "mlp-tanh",  # without a hidden layer it is called linear
        "mlp-64-64",
        "mlp-tanh-64-",
        "mlp-tanh-0",
        "mlp-tanh-064",  # one text a model
        "mlp-tanh-٣",  # a digit, but not one of 0-9
        "mlp-tanh-64\n",
        "MLP-tanh-64",
        "cnn-batch-8",
        "resnet18",
        "resnet18-layer",
        "resnet18-group-64-64",
        "vgg11-tanh",
        "transformer-2-64",
    ],
)
def test_any_other_text_is_refused_with_the_forms(model):
    with pytest.raises(ConfigError) as error:
        parse(model)

    assert str(error.value) == (
        "model must be linear, mlp-ACT-W-W-..., cnn-ACT-C-C-..., resnet18-NORM[-WIDTH], vgg11-NORM[-WIDTH] or "
        "transformer-LAYERS-WIDTH-HEADS, with ACT one of tanh, relu, gelu, silu, sigmoid, softplus, "
        f"NORM one of group, batch, none, and numbers of at least 1 without leading zeros, found {model!r}."
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("mlp-tanh" + "-8" * 20000, r"model must have at most 1000 layers, found 20000 in 'mlp-tanh-8"),
        ("cnn-relu" + "-8" * 1001, r"model must have at most 1000 layers, found 1001"),
        (
            "transformer-1000000000-64-4",
            r"model must have no number above 1000000, found 'transformer-1000",
        ),
        ("transformer-1001-64-4", r"model must have at most 1000 layers, found 1001 in 'transformer-1001-64-4'"),
        ("mlp-tanh-100000000", r"model must have no number above 1000000, found 'mlp-tanh-100000000'"),
        ("resnet18-group-1" + "0" * 5000, r"model must have no number above 1000000, found 'resnet18"),
        ("x" * 3_000_000, r"model must be linear, .*, found 'x"),
    ],
)
def test_sizes_that_nothing_can_hold_are_told_before_anything_is_built(model, message):
    with pytest.raises(ConfigError, match=message) as raised:
        parse(model)

    assert len(str(raised.value)) < 1000


def test_heads_share_the_width_evenly():
    with pytest.raises(
        ConfigError, match=r"^model must have a WIDTH divisible by HEADS = 3, found 'transformer-1-8-3'\.$"
    ):
        parse("transformer-1-8-3")


def test_a_name_is_checked_without_torch():
    code = (
        "import sys\n"
        "import mstudy.models.build\n"
        "from mstudy.models.families import parse\n"
        "parse('vgg11-group')\n"
        "print('torch' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
