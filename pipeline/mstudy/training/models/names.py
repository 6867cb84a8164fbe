"""A model as one line of text: it stands in params.yaml and in each run's log. Read here, without torch.

A network has one text only, so numbers carry no leading zeros: the text is part of what recognises a run. The exception
is a width left out: resnet18-group is resnet18-group-64.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mstudy.errors import ConfigError

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
