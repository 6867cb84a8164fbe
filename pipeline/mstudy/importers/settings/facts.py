"""What a run's settings say of its training, in the words of a log."""

from __future__ import annotations

from dataclasses import dataclass

from mstudy.core.errors import LogError, shown
from mstudy.core.optimizers import HEAVY_BALL, SGD, implied_optimizer
from mstudy.importers.mapping import Mapping
from mstudy.importers.settings.batch_size import Part, batch_size
from mstudy.importers.settings.learning_rate import change_of_rate, undampened
from mstudy.importers.settings.names import (
    ACCUMULATION,
    CONFIG_NAMES,
    DEVICES,
    DEVICES_OF_A_NODE,
    NODES,
    PROCESSES,
    SCHEDULES,
    WARM_UPS,
    choose_setting,
    momentum_elsewhere,
    plain,
    require_agreement,
)
from mstudy.importers.settings.numbers import WHOLE_NUMBERS, as_value, number, truth
from mstudy.importers.settings.optimizer_text import arguments_of, name_in
from mstudy.importers.settings.run_name import settings_in_name
from mstudy.importers.source_run import Setting, SourceRun
from mstudy.runlog.rules.together.trained_alike import CHANGES_LOSS

NUMBERS = ("learning_rate", "momentum", *WHOLE_NUMBERS)
_OF_THE_IMPORT = ("steps_per_epoch", "restarts", "changing_rate")
_OF_WANDB = ("_wandb", "wandb_version")
_TEXTS = ("optim_args", "optimizer_args", "optimizer_kwargs")
_UNDERSTOOD = {*ACCUMULATION, *DEVICES, *DEVICES_OF_A_NODE, *NODES, *PROCESSES, *SCHEDULES, *WARM_UPS, *_TEXTS}


@dataclass(frozen=True)
class Facts:
    """values: by key of a log. used: the setting that each comes from. unread: settings that nothing here understands.

    change: the setting by which the learning rate changes, if any does. notes: for the user.
    """

    values: dict[str, Setting]
    used: dict[str, str]
    unread: tuple[str, ...]
    change: str | None
    notes: tuple[str, ...]


def facts_of(run: SourceRun, mapping: Mapping) -> Facts:
    """Read the settings of a run, those in its name too; what the map gives goes first. Raises LogError where a setting
    that changes the effective learning rate is there and cannot be understood.
    """
    config = _expanded(settings_in_name(run.name) | run.config)
    for key in ("learning_rate", "momentum", "batch_size"):
        if key not in mapping.config and key not in mapping.values_for(run.name):
            require_agreement(config, key)
    given = {k: v for k, v in mapping.values_for(run.name).items() if k not in _OF_THE_IMPORT}
    sources = _sources(config, mapping, given)
    facts: dict[str, Setting] = {key: config[names[0]] for key, names in sources.items()}
    _add_batch_size(facts, sources, config, mapping, given)
    _add_momentum(facts, sources, config, given)
    facts |= given
    for key in NUMBERS:
        if key in facts:
            facts[key] = number(key, facts[key])
    facts, note = _with_optimizer(facts)
    used = {name for names in sources.values() for name in names}
    return Facts(
        facts,
        {key: " × ".join(sources[key]) for key in CONFIG_NAMES if key in sources},
        tuple(sorted(key for key in run.config if key not in used and not _is_understood(key))),
        change_of_rate(config),
        () if note is None else (note,),
    )


def other_settings(run: SourceRun, facts: Facts) -> dict[str, Setting]:
    """Return the settings of which the log format says that they change a loss, as weight decay does.

    The rules compare them between SGD and SGDM. What a source nests, `optim.weight_decay`, has its last name.
    """
    folded = {name.rpartition(".")[2] for name in facts.used.get("batch_size", "").split(" × ")[1:]}
    plain_names = {key.rpartition(".")[2]: value for key, value in sorted(run.config.items(), reverse=True)}
    values = {key: as_value(value) for key, value in plain_names.items() if key in CHANGES_LOSS - folded}
    return {key: value for key, value in values.items() if not (isinstance(value, float) and value - value != 0)}


def _expanded(config: dict[str, Setting]) -> dict[str, Setting]:
    """Add the arguments that the text of an optimizer holds, where no setting of that name is there."""
    expanded = dict(config)
    keys = [key for key, value in config.items() if isinstance(value, str) and plain(key.rpartition(".")[2]) in _TEXTS]
    optimizer = choose_setting(CONFIG_NAMES["optimizer"], config)
    for key in [*keys, *([] if optimizer is None else [optimizer])]:
        text = str(config[key])
        for name, value in (arguments_of(text) if "(" in text or "=" in text else {}).items():
            expanded.setdefault(f"{key}.{name}", value)
    return expanded


def _sources(config: dict[str, Setting], mapping: Mapping, given: dict[str, Setting]) -> dict[str, list[str]]:
    sources = {}
    for key, names in CONFIG_NAMES.items():
        if key == "batch_size":
            continue
        if key in mapping.config:
            name = mapping.config[key] if mapping.config[key] in config else None
        else:
            name = _chosen(key, names, config, is_given=key in given)
        if name is not None:
            sources[key] = [name]
    return sources


def _chosen(key: str, names: tuple[str, ...], config: dict[str, Setting], is_given: bool) -> str | None:
    """Return the setting that is this fact; where the map gives it, none of several that differ."""
    try:
        return choose_setting(*_apt(key, names, config))
    except LogError:
        if is_given:
            return None
        raise


def _apt(key: str, names: tuple[str, ...], config: dict[str, Setting]) -> tuple[tuple[str, ...], dict[str, Setting]]:
    """Return the names and settings that may be this fact: a "loss" that is text says which objective it is."""
    if key != "objective":
        return names, config
    return (*names, "loss"), {name: value for name, value in config.items() if isinstance(value, str)}


def _add_batch_size(
    facts: dict[str, Setting],
    sources: dict[str, list[str]],
    config: dict[str, Setting],
    mapping: Mapping,
    given: dict[str, Setting],
) -> None:
    if "batch_size" in mapping.config:
        name = mapping.config["batch_size"]
        found: Part | None = (config[name], (name,)) if name in config else None
    else:
        try:
            found = batch_size(config)
        except LogError:
            if "batch_size" not in given:
                raise
            return
    if found is not None:
        facts["batch_size"], sources["batch_size"] = found[0], list(found[1])


def _add_momentum(
    facts: dict[str, Setting], sources: dict[str, list[str]], config: dict[str, Setting], given: dict[str, Setting]
) -> None:
    """Take a momentum that has another name, where it has none of its own. Raises LogError where two differ."""
    if "momentum" in facts or "momentum" in given:
        return
    found = {key: _first_of(config[key]) for key in momentum_elsewhere(config)}
    if not found:
        return
    key, value = next(iter(found.items()))
    is_one = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1
    if not is_one or len(set(found.values())) > 1:
        told = ", ".join(f"{key} {shown(config[key])}" for key in found)
        raise LogError(f"The momentum must be known, found {told}; give it by --map, values.momentum.")
    facts["momentum"], sources["momentum"] = value, [key]


def _first_of(value: Setting) -> Setting:
    """Return a number, or the first of a list as "[0.9, 0.999]"; text that is neither stays."""
    if not isinstance(value, str):
        return value
    first = value.strip("[]() ").split(",")[0]
    try:
        return float(first)
    except ValueError:
        return value


def _is_understood(key: str) -> bool:
    """Return whether a setting is one that is read elsewhere, or is written into the log."""
    last = key.rpartition(".")[2]
    return last in CHANGES_LOSS or plain(last) in _UNDERSTOOD or key.startswith(_OF_WANDB)


def _with_optimizer(facts: dict[str, Setting]) -> tuple[dict[str, Setting], str | None]:
    """Return the schema's word for the optimizer, and the learning rate without dampening.

    Plain "SGD" with momentum is heavy ball, or Nesterov where it says so.
    """
    nesterov = truth("nesterov", facts.pop("nesterov", False))
    named, dampening = facts.pop("optimizer", None), facts.pop("dampening", 0.0)
    optimizer = None if named is None else name_in(str(named))
    momentum = facts.get("momentum", 0.0)
    if optimizer in (None, SGD, HEAVY_BALL) and isinstance(momentum, int | float) and momentum > 0:
        optimizer = implied_optimizer(momentum, nesterov)
    if optimizer is not None:
        facts = facts | {"optimizer": optimizer}
    if "learning_rate" not in facts:
        return facts, None
    rate, note = undampened(facts["learning_rate"], momentum, dampening)
    return facts | {"learning_rate": rate}, note
