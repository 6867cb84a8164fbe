"""Reading params.yaml, and checking the type of each value."""

from __future__ import annotations

import math
import stat
import types
import typing
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import yaml

from mstudy.core.errors import WHOLE_NUMBERS_END, ConfigError, is_text, require, shown
from mstudy.core.outside import RepeatedKeyError, unique_keys
from mstudy.core.params import Params
from mstudy.core.untrusted.bounded_yaml import BoundedLoader

_MAX_BYTES = 1_000_000


def load(path: Path) -> Params:
    """Read and check a parameter file. Raises ConfigError, in one sentence, for anything that cannot be meant."""
    try:
        raw = _parse_yaml(_text_of(path))
    except FileNotFoundError:
        raise ConfigError(f"The parameter file must exist, found nothing at {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The parameter file must be readable text, found at {path}: {error}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: 2020-99-99 is no date
        problem = " ".join(str(error).split())[:300]
        raise ConfigError(f"The parameter file must be valid YAML, found in {path}: {problem}.") from None
    params: Params = _build(Params, {} if raw is None else raw, "")
    require(len(params.studies) > 0, "studies", {}, "a mapping with at least one study")
    if "branches" in (raw or {}):  # those that are left out are of the studies that are left out
        for name in params.branches:
            require(name in params.studies, "branches", name, f"of a study ({', '.join(params.studies)})")
    for name in params.studies:
        require(_is_plain_name(name), "studies", name, "named in letters, digits, '-' and '_' alone (it is a folder)")
    return params


def _text_of(path: Path) -> str:
    """Return the text of a small file. Raises ConfigError for a larger one, and for a pipe, which might never end."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise ConfigError(f"The parameter file must be a file, found something else at {path}.")
    if about.st_size > _MAX_BYTES:
        raise ConfigError(f"The parameter file must have at most {_MAX_BYTES} bytes, found {about.st_size} at {path}.")
    return path.read_text(encoding="utf-8")


def _parse_yaml(text: str) -> Any:
    """Return the value of a YAML text. Raises yaml.YAMLError."""
    loader = _UniqueKeys(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


class _UniqueKeys(BoundedLoader):
    """A loader of plain values only. Raises ConfigError for a key that a mapping has twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                where = f"in lines {lines[key.value]} and {line}"
                raise ConfigError(
                    f"A mapping of the parameter file must have each key once, found {shown(key.value)} {where}."
                )
            lines[key.value] = line
        return node


_MERGE = "tag:yaml.org,2002:merge"  # `<<`, whose keys the mapping's own may replace


def _is_plain_name(name: str) -> bool:
    return name != "" and all(c.isascii() and (c.isalnum() or c in "-_") for c in name)


def _build(cls: Any, raw: object, where: str) -> Any:
    """Build an instance of the dataclass `cls` from parsed YAML, checked field by field."""
    if not isinstance(raw, dict):
        raise ConfigError(f"{where or 'The parameter file'} must be a mapping of keys to values, found {shown(raw)}.")
    known = {f.name: f for f in fields(cls)}
    unknown = [key for key in raw if key not in known]
    if unknown:
        key = f"{where}.{shown(unknown[0]) if not isinstance(unknown[0], str) else unknown[0][:80]}".lstrip(".")
        _refuse_old_name(cls, raw, unknown[0], where)
        raise ConfigError(f"{key} is not a parameter (value {shown(raw[unknown[0]])}); known here: {', '.join(known)}.")
    hints = typing.get_type_hints(cls)
    values = {key: _convert(hints[key], value, f"{where}.{key}".lstrip(".")) for key, value in raw.items()}
    missing = [f.name for f in known.values() if f.name not in raw and f.default is f.default_factory is MISSING]
    if missing:
        raise ConfigError(f"{where} must have the key {missing[0]}, found {shown(sorted(raw))}.")
    try:
        return cls(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}.{error}".lstrip(".")) from None


def _refuse_old_name(cls: Any, raw: dict[Any, Any], key: Any, where: str) -> None:
    new = getattr(cls, "RENAMED", {}).get(key)
    if new is not None:
        found = f"found its old name with the value {shown(raw[key])}"
        raise ConfigError(f"{where}.{key} must be written as {where}.{new} (every so many logged rows), {found}.")


def _convert(kind: Any, value: object, key: str) -> Any:
    """Convert `value` to the annotated type. Raises ConfigError that names key and value."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _convert_union(arguments, value, key)
    if origin is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{key} must be a list, found {shown(value)}.")
        return tuple(_convert(arguments[0], item, key) for item in value)
    if origin is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{key} must be a mapping of names to values, found {shown(value)}.")
        try:
            named = unique_keys((str(name), item) for name, item in value.items())
        except RepeatedKeyError as error:
            raise ConfigError(f"{key} must have each name once, found {shown(error.key)} twice.") from None
        return {name: _convert(arguments[1], item, f"{key}.{name}") for name, item in named.items()}
    if hasattr(kind, "__dataclass_fields__"):
        return _build(kind, value, key)
    return _convert_scalar(kind, value, key)


def _convert_union(kinds: tuple[Any, ...], value: object, key: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    for kind in kinds:
        if kind is not type(None) and isinstance(value, kind) and not isinstance(value, bool):
            return _within_range(value, key)
    names = " or ".join("null" if kind is type(None) else _NAMES[kind] for kind in kinds)
    raise ConfigError(f"{key} must be {names}, found {shown(value)}.")


_NAMES: dict[type, str] = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def _convert_scalar(kind: type, value: object, key: str) -> Any:
    value = _within_range(value, key)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        hint = " (YAML reads 1e-3 as text; write 1.0e-3)" if kind is float and isinstance(value, str) else ""
        raise ConfigError(f"{key} must be {_NAMES[kind]}, found {shown(value)}{hint}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{key} must be finite, found {shown(value)}.")
    return value


def _within_range(value: object, key: str) -> object:
    """Return the value. Raises ConfigError for a number too large to count with, and text that no file can hold."""
    if isinstance(value, int) and abs(value) >= WHOLE_NUMBERS_END:
        raise ConfigError(f"{key} must be below 2^53, found {shown(value)}.")
    if isinstance(value, str) and not is_text(value):
        raise ConfigError(f"{key} must be text that UTF-8 can hold, found {shown(value)}.")
    return value
