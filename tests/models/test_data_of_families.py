"""Truth: by hand; and what is accepted is built and run."""

import pytest
import torch
from mstudy.core.errors import ConfigError
from mstudy.models.build import build


@pytest.mark.parametrize(
    ("model", "input_shape", "is_text", "sentence"),
    [
        (
            "transformer-1-4-2",
            (1, 8, 8),
            False,
            "model transformer-1-4-2 needs text, found numbers of shape 1x8x8; name another model or another data set.",
        ),
        (
            "mlp-tanh-4",
            (12,),
            True,
            "model mlp-tanh-4 needs numbers, found text of shape 12; name a transformer or another data set.",
        ),
        (
            "transformer-1-4-2",
            (3, 12),
            True,
            "model transformer-1-4-2 needs samples of shape (length,), found text of shape 3x12.",
        ),
        *(
            (
                model,
                (64,),
                False,
                f"model {model} needs images of shape (channels, height, width), found numbers of shape 64; "
                "name an mlp or another data set.",
            )
            for model in ("cnn-tanh-4", "resnet18-group-2", "vgg11-none-2")
        ),
        (
            "resnet18-group-2",
            (3, 8, 16),
            False,
            "model resnet18-group-2 needs images of at least 9x9 pixels, found numbers of shape 3x8x16; "
            "name a cnn or another data set.",
        ),
        (
            "vgg11-none-2",
            (3, 32, 31),
            False,
            "model vgg11-none-2 needs images of at least 32x32 pixels, found numbers of shape 3x32x31; "
            "name a cnn or another data set.",
        ),
        ("mlp-tanh", (64,), False, "model must be linear, "),
    ],
)
def test_what_a_model_cannot_take_is_refused(model, input_shape, is_text, sentence):
    with pytest.raises(ConfigError) as error:
        build(model, input_shape, 10, is_text)

    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(
    ("model", "input_shape"),
    [
        ("linear", (7,)),
        ("mlp-tanh-4", (2, 5, 3)),
        ("cnn-tanh-2-2-2-2", (1, 1, 1)),
        ("cnn-tanh-2-2-2", (1, 3, 9)),
        ("resnet18-batch-2", (1, 9, 9)),
        ("resnet18-group-2", (2, 17, 28)),
        ("vgg11-batch-2", (3, 32, 32)),
        ("vgg11-group-2", (1, 40, 64)),
    ],
)
def test_what_a_model_takes_it_maps_to_its_outputs_even_one_sample(model, input_shape):
    torch.manual_seed(0)
    outputs = build(model, input_shape, 6)(torch.randn(1, *input_shape))

    assert outputs.shape == (1, 6)
    assert outputs.isfinite().all()


@pytest.mark.parametrize("norm", ["group", "batch", "none"])
@pytest.mark.parametrize(("family", "side"), [("resnet18", 9), ("vgg11", 32)])
def test_the_smallest_image_still_shows_in_the_outputs(family, side, norm):
    torch.manual_seed(0)
    network = build(f"{family}-{norm}-4", (1, side, side), 6).double()

    outputs = network(torch.randn(2, 1, side, side, dtype=torch.float64))

    assert (outputs[0] - outputs[1]).abs().max() > 1e-6


def test_a_transformer_takes_shorter_text():
    network = build("transformer-1-4-2", (9,), 5, is_text=True)

    assert network(torch.zeros(2, 7, dtype=torch.int64)).shape == (2, 7, 5)
