"""Whether a model fits into memory, counted before it is made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mstudy.core.errors import ConfigError, TrainingError
from mstudy.core.quantities import SHARPNESS
from mstudy.data.dataset import Dataset
from mstudy.models.build import build
from mstudy.models.families import LINEAR, MLP, parse
from mstudy.train.configs import RunConfig
from mstudy.train.ensemble.memory import free_bytes

# Vectors as long as the weights that a member holds at once: weights, velocity, gradient, update, eigenvector; and what
# the search for the sharpness holds after the fewest products that it makes.
_ROWS_OF_A_STEP = 5
_ROWS_OF_SHARPNESS = 5
_LAYER_OUTPUTS = 3  # of a perceptron: each layer's outputs and the two derivatives of its activation
_BYTES = torch.float32.itemsize


def check_memory(run: RunConfig, data: Dataset, device: torch.device, n_members: int) -> None:
    """Raise ConfigError where so many runs side by side take more memory than there is, by the least that they need."""
    n_parameters = count_parameters(run.model, data)
    n_rows = _ROWS_OF_A_STEP + (_ROWS_OF_SHARPNESS if run.cadence.interval(SHARPNESS) else 0)
    needed = n_members * _BYTES * (n_rows * n_parameters + _outputs(run, data))
    free = free_bytes(device)
    if needed > free:
        raise ConfigError(
            f"studies.{run.study}.model must fit into memory, found {run.model} with {n_parameters} weights, of which "
            f"{n_members} side by side take at least {needed / 1e9:.1f} GB where {free / 1e9:.1f} GB are free; "
            "choose a smaller model or width."
        )


def count_parameters(model: str, data: Dataset) -> int:
    """Return the number of weights, without making them. Raises ConfigError when the model cannot take the data."""
    with torch.device("meta"):
        network = build(model, data.input_shape, data.n_outputs, data.is_text)
    return sum(parameter.numel() for parameter in network.parameters())


def _outputs(run: RunConfig, data: Dataset) -> int:
    """Return how many numbers the layers of a perceptron hold while the training loss is measured; else 0: unknown."""
    name = parse(run.model)
    if name.family not in (LINEAR, MLP):
        return 0
    widths = math.prod(data.input_shape), *name.sizes, data.n_outputs
    return _LAYER_OUTPUTS * sum(widths) * min(run.n_train, run.chunk)


@contextmanager
def shortage_as_sentence() -> Iterator[None]:
    """Turn an allocation that was refused into a TrainingError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_shortage(error):
            raise
        raise TrainingError(
            "Training must fit into memory, found too little of it; ask for fewer --workers, or choose a smaller "
            "width, chunk or model."
        ) from None


def _is_shortage(error: Exception) -> bool:
    texts = ("can't allocate memory", "not enough memory", "out of memory")  # torch has no class of its own on a CPU
    return isinstance(error, MemoryError) or any(text in str(error) for text in texts)
