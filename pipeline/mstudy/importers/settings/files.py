"""Small files beside a log that say how the run was configured. They are read only as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from mstudy.core.errors import LogError
from mstudy.core.outside import require_plain
from mstudy.core.untrusted.bounded_yaml import BoundedLoader, TooManyValuesError
from mstudy.importers.source_files import is_plain
from mstudy.importers.source_run import MAX_BYTES, MAX_SETTINGS, Setting, flatten

# PyYAML's constructors of tagged values raise what Python raises at text that is none.
_FAULTS = (OSError, ValueError, RecursionError, LookupError, AttributeError, TypeError, ArithmeticError, yaml.YAMLError)
NAMES = (
    *("hparams.yaml", "config.yaml", "params.yaml", "args.yaml"),
    *("config.json", "params.json", "hparams.json", "args.json", "training_args.json"),
)


def settings_beside(folder: Path, stem: str | None = None) -> dict[str, Setting]:
    """Return what the files of these names in the folder say, flat; `stem`: also of `<stem>.json` and `<stem>.yaml`."""
    own = () if stem is None else (f"{stem}.json", f"{stem}.yaml")
    settings: dict[str, Setting] = {}
    for name in (*NAMES, *own):
        path = folder / name
        if is_plain(path):
            settings |= read_settings(path)
    return settings


def read_settings(path: Path) -> dict[str, Setting]:
    """Return a JSON or YAML mapping, flat; a YAML value with a tag of Python's, as of a path or a device, is nothing.

    Raises LogError where it is none, or larger than a megabyte.
    """
    raw = load_small(path, any_tag=True)
    if not isinstance(raw, dict):
        raise LogError(f"A run's configuration must be a mapping, found {type(raw).__name__} in {path}.")
    return flatten({key: _unwrapped(value) for key, value in raw.items()})


def load_small(path: Path, any_tag: bool = False) -> Any:
    """Return the JSON or YAML value of a small file, by loaders that can make nothing but plain data.

    any_tag: a value of a tag that is not known is None, and no fault.
    """
    try:
        require_plain(path, 1 << 62, LogError)
        if path.stat().st_size > MAX_BYTES:
            raise LogError(f"A run's configuration must be at most a megabyte, found more in {path}.")
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".json":
            return json.loads(text)
        loader = (_AnyTagLoader if any_tag else _Loader)(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except TooManyValuesError:
        raise LogError(f"A run's configuration must have at most {MAX_SETTINGS} entries, found more.") from None
    except _FAULTS as error:
        reason = " ".join(str(error).split())[:200]
        raise LogError(f"A run's configuration must be plain JSON or YAML, found {path}: {reason}.") from None


class _Loader(BoundedLoader):
    max_values = 4 * MAX_SETTINGS  # keys and values, each as often as it stands for itself by an alias


class _AnyTagLoader(_Loader):
    """Makes None of what has a tag that is not known; a loader of its own, so that others stay strict."""


_AnyTagLoader.add_constructor(None, lambda loader, node: None)


def _unwrapped(value: Any) -> Any:
    """Return the value itself: W&B's config.yaml holds {"value": ..., "desc": ...} for each key."""
    return value["value"] if isinstance(value, dict) and set(value) <= {"value", "desc"} and "value" in value else value
