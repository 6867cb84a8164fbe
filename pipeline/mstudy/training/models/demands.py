"""What each model asks of a data set. Held without torch, so a study can be refused before anything trains."""

from __future__ import annotations

from mstudy.errors import ConfigError
from mstudy.training.models.names import CNN, RESNET18, TRANSFORMER, VGG11, ModelName

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
