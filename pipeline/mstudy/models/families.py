"""A model as one line of text: it stands in params.yaml and in each run's log. Read here, without torch.

A network has one text only, so numbers carry no leading zeros: the text is part of what recognises a run. The exception
is a width left out: resnet18-group is resnet18-group-64.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mstudy.core.errors import ConfigError
from mstudy.models import families as names

LINEAR, MLP, CNN = "linear", "mlp", "cnn"
RESNET18, VGG11, TRANSFORMER = "resnet18", "vgg11", "transformer"

ACTIVATIONS = ("tanh", "relu", "gelu", "silu", "sigmoid", "softplus")
NORMS = ("group", "batch", "none")
DEFAULT_WIDTH = 64  # channels of the first stage, He et al. (2015) and Simonyan & Zisserman (2014)

FORMS = (
    "linear, mlp-ACT-W-W-..., cnn-ACT-C-C-..., resnet18-NORM[-WIDTH], vgg11-NORM[-WIDTH] or "
    f"transformer-LAYERS-WIDTH-HEADS, with ACT one of {', '.join(ACTIVATIONS)}, NORM one of {', '.join(NORMS)}, "
    "and numbers of at least 1 without leading zeros"
)

_ACT, _NORM, _NUMBER = "|".join(ACTIVATIONS), "|".join(NORMS), "[1-9][0-9]*"
_PATTERN = re.compile(
    f"(?P<linear>linear)"
    f"|(?P<with_activation>mlp|cnn)-(?P<activation>{_ACT})(?P<widths>(-{_NUMBER})+)"
    f"|(?P<with_norm>resnet18|vgg11)-(?P<norm>{_NORM})(?P<width>(-{_NUMBER})?)"
    f"|(?P<transformer>transformer)(?P<shape>(-{_NUMBER}){{3}})"
)


@dataclass(frozen=True)
class ModelName:
    """A model's text, taken apart.

    text: as it was written. family: linear, mlp, cnn, resnet18, vgg11 or transformer.
    activation: of mlp and cnn, else "". norm: of resnet18 and vgg11, else "".
    sizes: hidden widths (mlp), channels (cnn), channels of the first stage (resnet18, vgg11) or layers, width and
    heads (transformer); empty for linear.
    """

    text: str
    family: str
    activation: str
    norm: str
    sizes: tuple[int, ...]


def parse(model: str) -> ModelName:
    """Take a model's text apart. Raises ConfigError when it has none of the forms."""
    match = _PATTERN.fullmatch(model)
    if match is None:
        raise ConfigError(f"model must be {FORMS}, found {model!r}.")
    part = match.groupdict(default="")
    family = part["linear"] or part["with_activation"] or part["with_norm"] or part["transformer"]
    sizes = tuple(int(n) for n in (part["widths"] or part["width"] or part["shape"]).split("-")[1:])
    if part["with_norm"] and not sizes:
        sizes = (DEFAULT_WIDTH,)
    if family == TRANSFORMER and sizes[1] % sizes[2]:
        raise ConfigError(f"model must have a WIDTH divisible by HEADS = {sizes[2]}, found {model!r}.")
    return ModelName(model, family, part["activation"], part["norm"], sizes)


# Samples that are evaluated at once, by the model's family: more fall out of a processor's cache, or of its memory.
# Fixed, not measured: under batch normalisation it decides what is normalised together.
_CHUNKS = {names.CNN: 1024, names.RESNET18: 128, names.VGG11: 128, names.TRANSFORMER: 64}


_CHUNK_OF_PERCEPTRONS = 4096


# Below these the last stage of a resnet18, after three halvings that round up, would see one pixel, of which a
# normalisation leaves nothing; and the last of a vgg11's five poolings would have nothing to pool.
SMALLEST_IMAGE = {CNN: 1, RESNET18: 9, VGG11: 32}


def check_data(name: ModelName, input_shape: tuple[int, ...], is_text: bool) -> None:
    """Hold a model against the data's sample shape. Raises ConfigError when it cannot take them."""
    shape = "x".join(str(n) for n in input_shape)
    found = f"found {'text' if is_text else 'numbers'} of shape {shape}"
    if is_text != (name.family == TRANSFORMER):
        kind, other = ("text", "another model") if name.family == TRANSFORMER else ("numbers", "a transformer")
        raise ConfigError(f"model {name.text} needs {kind}, {found}; name {other} or another data set.")
    if is_text and len(input_shape) != 1:
        raise ConfigError(f"model {name.text} needs samples of shape (length,), {found}.")
    if name.family in SMALLEST_IMAGE:
        smallest = SMALLEST_IMAGE[name.family]
        if len(input_shape) != 3:
            raise ConfigError(
                f"model {name.text} needs images of shape (channels, height, width), {found}; "
                "name an mlp or another data set."
            )
        if min(input_shape[1:]) < smallest:
            raise ConfigError(
                f"model {name.text} needs images of at least {smallest}x{smallest} pixels, {found}; "
                "name a cnn or another data set."
            )
