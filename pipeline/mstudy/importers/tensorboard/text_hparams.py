"""Hyperparameters that were logged as text: an object of JSON, as Hugging Face's Trainer does it, or a table."""

from __future__ import annotations

import json

from mstudy.core.errors import LogError
from mstudy.importers.source_run import MAX_BYTES, Setting, flatten

_TAGS = {"args", "hparams", "hyperparameters", "hyperparams", "hyper_parameters", "config", "params"}
_ENDING = "/text_summary"


def is_of_settings(tag: str) -> bool:
    """Return whether a text of that tag holds settings."""
    return tag.removesuffix(_ENDING).lower() in _TAGS


def settings_in_text(text: str) -> dict[str, Setting]:
    """Return the settings that a text holds; none where it is neither JSON nor a table of two columns."""
    if len(text) > MAX_BYTES:
        return {}
    try:
        found = json.loads(text)
        return flatten(found) if isinstance(found, dict) else {}
    except (ValueError, RecursionError, LogError):
        pass  # a table, perhaps
    rows = [line.strip().strip("|").split("|") for line in text.splitlines() if line.strip().startswith("|")]
    pairs = [(row[0].strip(), row[1].strip()) for row in rows[1:] if len(row) == 2]
    return {key: value for key, value in pairs if key.strip("-: ")}
