"""Settings in a run's name, as in "mlp_lr=0.1_momentum=0.9_batch_size=64"."""

from __future__ import annotations

import re

from mstudy.importers.settings.names import SETTING_NAMES
from mstudy.importers.source_run import Setting

_PAIR = re.compile(r"([A-Za-z][A-Za-z_]*)=([^=,/\s]*?)(?=$|[,/\s]|[_-][A-Za-z][A-Za-z_]*=)")
_MAX_NAME_LENGTH = 1000


def settings_in_name(name: str) -> dict[str, Setting]:
    """Return `key=value` pairs of known keys."""
    settings: dict[str, Setting] = {}
    for key, value in _PAIR.findall(name[:_MAX_NAME_LENGTH]):
        words = key.lower().split("_")
        of_words = ["_".join(words[k:]) for k in range(len(words))]  # of mlp_batch_size the longest that is known
        known = [ending for ending in of_words if ending in SETTING_NAMES]
        settings |= {known[0]: value} if known else {}
    return settings
