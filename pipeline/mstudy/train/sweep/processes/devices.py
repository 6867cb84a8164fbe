"""Which devices of this machine train, and how many processes share them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from mstudy.core.errors import ConfigError
from mstudy.workers.surroundings import VISIBLE_GPUS


@dataclass(frozen=True)
class Place:
    """Where one process trains. device: as torch names it there. environment: what the process finds around it."""

    device: str
    environment: Mapping[str, str]


def places(device: torch.device, workers: int) -> list[Place]:
    """Return one place for each process: `workers` on a CPU, one on a GPU, and one on each GPU where none is named.

    Of several GPUs each process sees its own alone, as its first.
    """
    if device.type == "cpu":
        return [Place(str(device), {})] * workers
    visible: list[str] = _visible_gpus() if device.index is None else []
    if len(visible) < 2:
        return [Place(str(device), {})]
    return [Place(str(device), {VISIBLE_GPUS: name}) for name in visible]


def _visible_gpus() -> list[str]:
    """Return the GPUs that this process sees, as CUDA names them: by number or by identifier."""
    count = torch.cuda.device_count()
    named = os.environ.get(VISIBLE_GPUS)
    return [str(number) for number in range(count)] if named is None else named.split(",")[:count]


def torch_device(name: str) -> torch.device:
    """Return auto (a GPU where there is one), cpu, cuda or cuda:N.

    Raises ConfigError for any other, or a missing GPU.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.split(":")[0] not in ("cpu", "cuda"):
        raise ConfigError(f"--device must be auto, cpu, cuda or cuda:N, found {name!r}.")
    n_gpus = torch.cuda.device_count()
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"--device must be auto, cpu, cuda or cuda:N, found {name!r}.") from None
    if device.type == "cuda" and (device.index or 0) >= n_gpus:
        raise ConfigError(f"--device must be a device of this machine, which has {n_gpus} GPUs, found {name!r}.")
    return device
