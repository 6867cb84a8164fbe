"""Context manager that makes a user's module deterministic for a measurement and restores it afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _NormBase


@contextmanager
def measuring_mode(module: nn.Module, dtype: torch.dtype, device: torch.device) -> Iterator[None]:
    """Make the module compute in `dtype`, outside autocast, and write only to copies of its buffers.

    Every part is in eval mode, so dropout is off, except normalisations that keep running statistics: they stay in the
    mode that they are in, so in training they use the statistics of the batch. Attention runs by plain matrix products,
    since the fused kernels have no second derivative. Afterwards parameters, buffers, modes and the random state of
    torch are what they were; the gradients in `.grad` are never touched.
    """
    places = [
        (tensors, name, tensor)
        for part in module.modules()
        for tensors in (part._parameters, part._buffers)
        for name, tensor in tensors.items()
        if tensor is not None
    ]
    modes = [(part, part.training) for part in module.modules()]
    copies = {id(tensor): _copied(tensor, dtype) for _, _, tensor in places}  # a tensor held twice stays one
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
        stack.enter_context(torch.autocast(device.type, enabled=False))
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.enable_grad())
        try:
            for tensors, name, tensor in places:
                tensors[name] = copies[id(tensor)]  # type: ignore[assignment]
            for part, _ in modes:
                part.training = part.training and isinstance(part, _NormBase)
            yield
        finally:
            for tensors, name, tensor in places:
                tensors[name] = tensor  # type: ignore[assignment]
            for part, mode in modes:
                part.training = mode


def reseed(device: torch.device, seed: int) -> None:
    """Draw the same each time from now on; only inside `measuring_mode`, which restores the state."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)


def _copied(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a copy; parameters share their memory where they may, since nobody writes to them."""
    wanted = dtype if tensor.is_floating_point() else tensor.dtype
    return tensor.detach().to(wanted, copy=not isinstance(tensor, nn.Parameter))
