"""The families of models: one entry each, with the text that names a model and what the model can take. Needs no torch.

A model is one line of text; it stands in params.yaml and in the log of each run. A network has one text only, so
numbers carry no leading zeros: the text is part of what recognises a run. The exception is a width that is left out:
resnet18-group is resnet18-group-64.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mstudy.core.errors import MAX_LAYER_WIDTH, MAX_LAYERS, ConfigError, shown

if TYPE_CHECKING:
    from torch import nn

ACTIVATIONS = ("tanh", "relu", "gelu", "silu", "sigmoid", "softplus")
NORMS = ("group", "batch", "none")
DEFAULT_WIDTH = 64  # channels of the first stage, He et al. (2015) and Simonyan & Zisserman (2014)

ANY_NUMBERS, IMAGES, TEXT = "any numbers", "images", "text"  # what a model takes

_NUMBER = "[1-9][0-9]*"
_ACT, _NORM = f"(?P<activation>{'|'.join(ACTIVATIONS)})", f"(?P<norm>{'|'.join(NORMS)})"
_SIZES = f"(?P<sizes>(-{_NUMBER})+)"
_MAYBE_SIZE = f"(?P<sizes>(-{_NUMBER})?)"
_THREE_SIZES = f"(?P<sizes>(-{_NUMBER}){{3}})"


@dataclass(frozen=True)
class ModelName:
    """A model's text, taken apart.

    text: as it was written. family: the name of its family. activation, norm: empty where the family has none.
    sizes: the numbers of the text, in its order; what each means, the family's `form` says.
    """

    text: str
    family: str
    activation: str
    norm: str
    sizes: tuple[int, ...]


Build = Callable[[ModelName, tuple[int, ...], int], "nn.Module"]  # (name, shape of one sample, outputs) -> network


@dataclass(frozen=True)
class Family:
    """One kind of architecture.

    form: the text of its models, for readers. pattern: the same as a regular expression, with the groups `activation`,
    `norm` and `sizes` where the text has them. takes: ANY_NUMBERS, IMAGES or TEXT.
    chunk: how many samples are evaluated at once; more would not fit into a processor's cache, or its memory. It is
    fixed, not measured, because under batch normalisation it decides what is normalised together.
    build: makes the network. It imports the network's module itself, so that this file needs no torch.
    smallest_image: its least height and width. default_sizes: where the text names none. check_sizes: raises
    ConfigError for sizes that do not go together.
    """

    name: str
    form: str
    pattern: str
    takes: str
    chunk: int
    build: Build
    smallest_image: int = 1
    default_sizes: tuple[int, ...] = ()
    check_sizes: Callable[[ModelName], None] | None = None


def _perceptron(name: ModelName, input_shape: tuple[int, ...], n_outputs: int) -> nn.Module:
    from mstudy.models.perceptron import perceptron

    return perceptron(name.activation, name.sizes, input_shape, n_outputs)


def _cnn(name: ModelName, input_shape: tuple[int, ...], n_outputs: int) -> nn.Module:
    from mstudy.models.cnn import convolutional

    return convolutional(name.activation, name.sizes, input_shape, n_outputs)


def _resnet18(name: ModelName, input_shape: tuple[int, ...], n_outputs: int) -> nn.Module:
    from mstudy.models.resnet import resnet18

    return resnet18(name.norm, name.sizes[0], input_shape[0], n_outputs)


def _vgg11(name: ModelName, input_shape: tuple[int, ...], n_outputs: int) -> nn.Module:
    from mstudy.models.vgg import vgg11

    return vgg11(name.norm, name.sizes[0], input_shape, n_outputs)


def _transformer(name: ModelName, input_shape: tuple[int, ...], n_outputs: int) -> nn.Module:
    from mstudy.models.transformer import Transformer

    n_layers, width, n_heads = name.sizes
    return Transformer(n_layers, width, n_heads, input_shape[0], n_outputs)


def _heads_share_the_width(name: ModelName) -> None:
    _, width, n_heads = name.sizes
    if width % n_heads:
        raise ConfigError(f"model must have a WIDTH divisible by HEADS = {n_heads}, found {name.text!r}.")


def _check_transformer(name: ModelName) -> None:
    n_layers, _, _ = name.sizes
    if n_layers > MAX_LAYERS:
        raise ConfigError(f"model must have at most {MAX_LAYERS} layers, found {n_layers} in {name.text!r}.")
    _heads_share_the_width(name)


LINEAR, MLP = "linear", "mlp"

# The smallest images: the last stage of a resnet18, after three halvings that round up, would see one pixel of a
# smaller one, of which a normalisation leaves nothing; the last of a vgg11's five poolings would have nothing to pool.
FAMILIES = (
    Family(LINEAR, "linear", "linear", ANY_NUMBERS, chunk=4096, build=_perceptron),
    Family(MLP, "mlp-ACT-W-W-...", f"mlp-{_ACT}{_SIZES}", ANY_NUMBERS, chunk=4096, build=_perceptron),
    Family("cnn", "cnn-ACT-C-C-...", f"cnn-{_ACT}{_SIZES}", IMAGES, chunk=1024, build=_cnn),
    Family(
        "resnet18",
        "resnet18-NORM[-WIDTH]",
        f"resnet18-{_NORM}{_MAYBE_SIZE}",
        IMAGES,
        chunk=128,
        build=_resnet18,
        smallest_image=9,
        default_sizes=(DEFAULT_WIDTH,),
    ),
    Family(
        "vgg11",
        "vgg11-NORM[-WIDTH]",
        f"vgg11-{_NORM}{_MAYBE_SIZE}",
        IMAGES,
        chunk=128,
        build=_vgg11,
        smallest_image=32,
        default_sizes=(DEFAULT_WIDTH,),
    ),
    Family(
        "transformer",
        "transformer-LAYERS-WIDTH-HEADS",
        f"transformer{_THREE_SIZES}",
        TEXT,
        chunk=64,
        build=_transformer,
        check_sizes=_check_transformer,
    ),
)
FAMILY = {family.name: family for family in FAMILIES}
FORMS = (
    f"{', '.join(family.form for family in FAMILIES[:-1])} or {FAMILIES[-1].form}, "
    f"with ACT one of {', '.join(ACTIVATIONS)}, NORM one of {', '.join(NORMS)}, "
    "and numbers of at least 1 without leading zeros"
)


def parse(model: str) -> ModelName:
    """Take a model's text apart. Raises ConfigError when it has none of the forms."""
    for family in FAMILIES:
        if match := re.fullmatch(family.pattern, model):
            return _taken_apart(family, model, match.groupdict())
    raise ConfigError(f"model must be {FORMS}, found {shown(model)}.")


def _taken_apart(family: Family, model: str, parts: dict[str, str]) -> ModelName:
    _check_sizes(model, parts.get("sizes", "").split("-")[1:])
    sizes = tuple(int(n) for n in parts.get("sizes", "").split("-")[1:]) or family.default_sizes
    name = ModelName(model, family.name, parts.get("activation", ""), parts.get("norm", ""), sizes)
    if family.check_sizes is not None:
        family.check_sizes(name)
    return name


def _check_sizes(model: str, numbers: list[str]) -> None:
    """Raise ConfigError for more or larger numbers than a network can be built of, before anything is built."""
    if len(numbers) > MAX_LAYERS:
        raise ConfigError(f"model must have at most {MAX_LAYERS} layers, found {len(numbers)} in {shown(model)}.")
    for number in numbers:
        if len(number) > len(str(MAX_LAYER_WIDTH)) or int(number) > MAX_LAYER_WIDTH:
            raise ConfigError(f"model must have no number above {MAX_LAYER_WIDTH}, found {shown(model)}.")


def check_data(name: ModelName, input_shape: tuple[int, ...], is_text: bool) -> None:
    """Check that a model can take samples of this shape. Raises ConfigError when it cannot."""
    takes = FAMILY[name.family].takes
    inputs = f"found {'text' if is_text else 'numbers'} of shape {'x'.join(str(n) for n in input_shape)}"
    if is_text != (takes == TEXT):
        kind, other = ("text", "another model") if takes == TEXT else ("numbers", "a transformer")
        raise ConfigError(f"model {name.text} needs {kind}, {inputs}; name {other} or another data set.")
    if is_text and len(input_shape) != 1:
        raise ConfigError(f"model {name.text} needs samples of shape (length,), {inputs}.")
    if takes == IMAGES:
        _check_image(name, input_shape, inputs)


def _check_image(name: ModelName, input_shape: tuple[int, ...], inputs: str) -> None:
    smallest = FAMILY[name.family].smallest_image
    if len(input_shape) != 3:
        raise ConfigError(
            f"model {name.text} needs images of shape (channels, height, width), {inputs}; "
            "name an mlp or another data set."
        )
    if min(input_shape[1:]) < smallest:
        raise ConfigError(
            f"model {name.text} needs images of at least {smallest}x{smallest} pixels, {inputs}; "
            "name a cnn or another data set."
        )
