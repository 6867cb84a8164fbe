"""The samples of one update: those of a device, times accumulated batches, times devices."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mstudy.core.errors import LogError, shown
from mstudy.importers.settings.names import (
    ACCUMULATION,
    BATCH_OF_A_DEVICE,
    DEVICES,
    DEVICES_OF_A_NODE,
    NODES,
    PLAIN_BATCH,
    PROCESSES,
    TOTAL_BATCH,
    choose_setting,
)
from mstudy.importers.settings.numbers import number
from mstudy.importers.source_run import Setting

_NOTHING, _AUTO = ("", "none", "null"), "auto"
_ADVICE = "give it by --map, values.batch_size"
Part = tuple[Setting, tuple[str, ...]]  # a value, and the keys that it comes from


def batch_size(config: Mapping[str, Setting]) -> Part | None:
    """Return the samples of an update and the keys they come from; None where no key says them.

    Raises LogError where keys contradict each other, or do not say how many devices share a batch.
    """
    total, plain, own = (_value(names, config) for names in (TOTAL_BATCH, PLAIN_BATCH, BATCH_OF_A_DEVICE))
    accumulated = _value(ACCUMULATION, config)
    devices = _devices(config)
    if total is not None:
        return total
    if own is not None:
        product = _product(own, accumulated, devices)
        if plain is not None and plain[0] not in (own[0], product[0]):
            raise LogError(
                f"The batch size must be one number, found {plain[0]} as {plain[1][0]}, and {product[0]} as "
                f"{' × '.join(product[1])}; {_ADVICE}."
            )
        return product
    if plain is None:
        return None
    if devices is not None and devices[0] != 1:
        raise LogError(
            f"The batch size must say whether it is that of one device, found {plain[0]} as {plain[1][0]} and "
            f"{shown(devices[0])} as {devices[1][0]}; {_ADVICE}, the samples of one update."
        )
    return _product(plain, accumulated, None)


def _value(names: tuple[str, ...], config: Mapping[str, Setting]) -> Part | None:
    key = choose_setting(names, config)
    return None if key is None or str(config[key]).lower() in _NOTHING else (number("batch_size", config[key]), (key,))


def _product(own: Part, accumulated: Part | None, devices: Part | None) -> Part:
    value, keys = own
    for part in (accumulated, devices):
        if part is None or part[0] == 1:
            continue
        if not _is_count(part[0]) or not isinstance(value, int | float):
            raise LogError(f"{part[1][0]} must be a whole number above 0, found {shown(part[0])}; {_ADVICE}.")
        value, keys = value * float(part[0]), (*keys, *part[1])
    return number("batch_size", value) if isinstance(value, float) and math.isfinite(value) else value, keys


def _is_count(value: Setting) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 1 and value == int(value)


def _devices(config: Mapping[str, Setting]) -> Part | None:
    """Return how many devices share an update: the processes, or the devices of a node times nodes, which is more."""
    found = [_count(DEVICES, config), _count(DEVICES_OF_A_NODE, config), _count(PROCESSES, config)]
    nodes = _count(NODES, config)
    if nodes is not None and _is_count(nodes[0]) and nodes[0] != 1:
        found[:2] = [_times(part, nodes) for part in found[:2]]
    parts = [part for part in found if part is not None]
    unclear = [part for part in parts if not _is_count(part[0])]
    clear = [part for part in parts if _is_count(part[0])]
    if clear and (not unclear or max(float(part[0]) for part in clear) > 1):
        return max(clear, key=lambda part: float(part[0]))
    return unclear[0] if unclear and unclear[0][0] != _AUTO else None


def _times(part: Part | None, nodes: Part) -> Part | None:
    if part is None or not _is_count(part[0]):
        return part
    return float(part[0]) * float(nodes[0]), (*part[1], *nodes[1])


def _count(names: tuple[str, ...], config: Mapping[str, Setting]) -> Part | None:
    """Return a number of devices; a list as "0,1" counts its entries."""
    key = choose_setting(names, config)
    if key is None:
        return None
    value = config[key]
    if isinstance(value, str):
        text = value.strip("[]() ")
        if "," in text:
            return len([part for part in text.split(",") if part.strip()]), (key,)
        value = text
        if text.lower() in (*_NOTHING, _AUTO):
            return (_AUTO, (key,)) if text.lower() == _AUTO else None
        try:
            value = float(text)
        except ValueError:
            return None if text.lower() in ("cpu", "cuda", "gpu", "mps") else (text, (key,))
    if isinstance(value, bool) or value == 0:  # no GPU: one process on the processor
        return None
    return value, (key,)
