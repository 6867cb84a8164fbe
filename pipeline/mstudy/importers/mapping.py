"""Which metric is which column and which setting is which fact: by the user's map, else by guess.

[columns]             # column of the log = metric of the source
loss = "train/loss"
step = "iteration"    # a column, or a metric, that counts updates
run = "name"          # tables alone: the column that tells runs apart
[config]              # key of the log = key of the source's configuration
learning_rate = "optim.lr"
[values]              # the same for every run
dataset = "cifar10"
steps_per_epoch = 98  # where steps count epochs, or begin again in each
restarts = true       # rows that go back are restarts, however many steps they cost
changing_rate = true  # a learning rate that changes over the run is meant
[runs."name"]         # for one run
seed = 3
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mstudy.core.errors import ConfigError, LogError, shown
from mstudy.core.outside import require_plain
from mstudy.core.quantities import QUANTITIES
from mstudy.importers.settings.names import CONFIG_NAMES, plain
from mstudy.importers.source_run import MAX_BYTES, Setting
from mstudy.runlog.format.schema import COLUMNS

# Names as people write them, best first; compared without case, and with "-", " ", "/" and "." as "_".
COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    column: names for quantity in QUANTITIES for column, names in quantity.other_names.items()
}
TABLE_NAMES = {
    # Counters of updates go before W&B's `_step`, which counts calls.
    "step": (
        *("trainer_global_step", "train_global_step", "global_step", "num_updates", "step", "iteration", "iter", "it"),
        *("steps", "train_step", "updates", "_step"),
    ),
    "run": ("run", "run_id", "run_name", "run_uuid", "experiment", "name", "trial"),
    "metric": ("metric", "key", "tag", "metric_name", "variable"),
    "value": ("value", "metric_value"),
}
_EXTRA_VALUES = ("steps_per_epoch", "restarts", "changing_rate")


@dataclass(frozen=True)
class Mapping:
    """As in the TOML file; empty: all by guess. patterns: of the lines of a text, as the command line gives them."""

    columns: dict[str, str] = field(default_factory=dict)
    config: dict[str, str] = field(default_factory=dict)
    values: dict[str, Setting] = field(default_factory=dict)
    runs: dict[str, dict[str, Setting]] = field(default_factory=dict)
    patterns: tuple[str, ...] = ()

    def values_for(self, run: str) -> dict[str, Setting]:
        """Return what the map gives for a run: its own values go before those for all."""
        return self.values | self.runs.get(run, {})

    def steps_per_epoch(self, run: str) -> float | None:
        """Return the updates of an epoch by the map. Raises LogError unless they are a number above 0."""
        given = self.values_for(run).get("steps_per_epoch")
        if given is None:
            return None
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < 1e15:
            raise LogError(f"steps_per_epoch must be a number above 0, found {shown(given)} in the map.")
        return float(given)


def load_mapping(path: Path) -> Mapping:
    """Read a map. Raises ConfigError, in one sentence, for anything that cannot be meant."""
    try:
        require_plain(path, MAX_BYTES, ConfigError)
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"The map must exist, found nothing at {path}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"The map must be a readable TOML file, found {path}: {error}.") from None
    known: dict[str, tuple[str, ...]] = {
        "columns": (*COLUMNS, *TABLE_NAMES),
        "config": tuple(CONFIG_NAMES),
        "values": (*CONFIG_NAMES, *_EXTRA_VALUES),
    }
    runs = raw.pop("runs", {})
    parts = [(section, content, known.get(section)) for section, content in raw.items()]
    if not isinstance(runs, dict):
        raise ConfigError(f"runs must be a table in the map, found {runs!r} in {path}.")
    parts += [(f"runs.{name!r}", content, known["values"]) for name, content in runs.items()]
    for section, content, keys in parts:
        _check_section(section, content, keys, path)
    return Mapping(**raw, runs=runs)


def _check_section(section: str, content: Any, keys: tuple[str, ...] | None, path: Path) -> None:
    if keys is None or not isinstance(content, dict):
        raise ConfigError(f"A map has the tables columns, config, values and runs, found {section} in {path}.")
    for key, value in content.items():
        if key not in keys:
            raise ConfigError(f"{section}.{key} is not known (value {value!r}); known here: {', '.join(keys)}; {path}.")
        wanted = str if section in ("columns", "config") else str | int | float | bool
        if not isinstance(value, wanted):
            rule = "the name that the source uses" if wanted is str else "text, a number, true or false"
            raise ConfigError(f"{section}.{key} must be {rule}, found {value!r} in {path}.")


def choose(wanted: str, given: dict[str, str], names: dict[str, tuple[str, ...]], columns: Iterable[str]) -> str | None:
    """Return the name among those found that stands for `wanted`: as given, else the best guess, else None."""
    columns = list(columns)
    if wanted in given:
        return given[wanted] if given[wanted] in columns else None
    for last_part in (False, True):  # optim.lr only where nothing is called lr
        known = {plain(name.rsplit(".", 1)[-1] if last_part else name): name for name in reversed(columns)}
        for guess in names.get(wanted, ()):
            if guess in known:
                return known[guess]
    return None
