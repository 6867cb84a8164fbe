"""The names that tools and training scripts give to settings, and how one of them is found in a configuration.

Names are compared without case, and with "-", " ", "/" and "." as "_". The best comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mstudy.core.errors import LogError, shown
from mstudy.importers.source_run import Setting

# fmt: off
TOTAL_BATCH = (
    "total_train_batch_size", "total_batch_size", "global_batch_size", "effective_batch_size", "batch_size_total",
)
PLAIN_BATCH = ("batch_size", "batchsize", "train_batch_size", "bs", "mini_batch_size", "minibatch_size", "batch", "b")
BATCH_OF_A_DEVICE = (
    "per_device_train_batch_size", "per_gpu_train_batch_size", "per_device_batch_size", "per_gpu_batch_size",
    "train_micro_batch_size_per_gpu", "micro_batch_size", "batch_size_per_gpu", "batch_size_per_device",
    "device_batch_size", "local_batch_size", "samples_per_gpu",
)
ACCUMULATION = (
    "gradient_accumulation_steps", "accumulate_grad_batches", "grad_accumulation_steps", "grad_accum_steps",
    "gradient_accumulation", "grad_accum", "accumulation_steps", "accum_iter", "accum_steps", "update_freq",
    "iter_size",
)
DEVICES = ("n_gpu", "num_gpus", "n_gpus", "ngpus", "gpus", "num_gpu", "devices", "n_devices", "num_devices")
DEVICES_OF_A_NODE = ("nproc_per_node", "gpus_per_node", "ngpus_per_node", "devices_per_node")
NODES = ("num_nodes", "nnodes", "n_nodes")
PROCESSES = ("world_size", "num_processes", "n_processes")
MOMENTUM_ELSEWHERE = ("momentum_factor", "rho", "beta", "beta1", "beta_1", "m", "betas")
SCHEDULES = (
    "schedule", "scheduler", "lr_schedule", "lr_scheduler", "lr_scheduler_type", "lr_scheduler_name", "lr_policy",
    "learning_rate_schedule", "scheduler_name", "scheduler_type", "sched", "lr_sched", "lr_decay",
    "learning_rate_decay", "cos_lr", "milestones", "lr_milestones", "lr_steps", "lr_sched_epochs", "lr_sched_factors",
)
WARM_UPS = (
    "warmup", "warm_up", "warmup_steps", "warmup_epochs", "warmup_ratio", "warmup_iters", "warmup_updates",
    "num_warmup_steps", "lr_warmup_steps", "lr_warmup_epochs", "lr_warmup", "warmup_proportion",
)
CONFIG_NAMES: dict[str, tuple[str, ...]] = {
    "learning_rate": ("learning_rate", "lr", "learningrate", "base_lr", "initial_lr", "init_lr", "lr0", "eta"),
    "momentum": ("momentum", "mu", "sgd_momentum"),
    "batch_size": (*TOTAL_BATCH, *PLAIN_BATCH, *BATCH_OF_A_DEVICE),
    "seed": ("seed", "random_seed", "rng_seed", "manual_seed", "global_seed", "seed_everything", "init_seed"),
    "optimizer": (
        "optimizer", "optimiser", "optim", "opt", "optimizer_name", "optim_name", "optimizer_type", "optimizer_class",
        "optimizer__target_", "optim__target_", "optimizer_class_path", "optimizer_class_name", "optimizer_cls",
        "optimizer_optimizer_name",
    ),
    "nesterov": ("nesterov", "use_nesterov"),
    "dampening": ("dampening",),
    "study": ("study",),
    "model": ("model", "arch", "architecture", "model_name", "net", "testproblem"),
    "dataset": ("dataset", "dataset_name", "data"),
    "objective": ("objective", "criterion", "loss_function", "loss_fn"),
    "n_train": ("n_train", "train_size", "num_train_samples", "num_data", "num_train", "n_samples"),
}
_HELD_OUT = {
    "val", "valid", "validation", "eval", "evaluation", "test", "predict", "scheduler", "ema", "sam",
    "bn", "batch_norm", "batchnorm", "norm",
}
_ABOUT_OPTIMIZER = {
    "optimizer", "optimiser", "optim", "opt", "sgd", "optim_args", "optimizer_args", "optimizer_kwargs", "init_args",
    "optimizer_params", "optimizer_config", "optimizer_hyperparams", "hyperparams", "hparams", "config", "args",
    "params", "train", "training",
}
# Of a fact the names that mean the same: where two of them differ, nobody knows which was used.
_SYNONYMS = {
    "learning_rate": ("learning_rate", "lr", "learningrate"),
    "momentum": ("momentum", "mu", "sgd_momentum"),
    "batch_size": ("batch_size", "batchsize", "bs"),
}
# fmt: on
SETTING_NAMES = frozenset(
    {name for names in CONFIG_NAMES.values() for name in names}
    | {*ACCUMULATION, *DEVICES, *DEVICES_OF_A_NODE, *NODES, *PROCESSES, *MOMENTUM_ELSEWHERE, *SCHEDULES, *WARM_UPS}
)


def plain(name: str) -> str:
    """Return a name as names are compared."""
    return "".join("_" if c in "-/ ." else c for c in name.strip().lower())


def endings(name: str) -> list[str]:
    """Return what a nested name may be called: all of it, its last two parts, its last part."""
    parts = name.split(".")
    return list(dict.fromkeys(plain(".".join(parts[-n:])) for n in (len(parts), 2, 1)))


def choose_setting(wanted: Iterable[str], config: Mapping[str, Setting]) -> str | None:
    """Return the key of the best of the names; None where there is none, apart from those about held-out data.

    Raises LogError where two keys that are as good hold different values.
    """
    known = {key: endings(key) for key in config}
    apart = {key for key in config if _HELD_OUT & {plain(part) for part in key.replace("/", ".").split(".")[:-1]}}
    wanted = tuple(wanted)
    for depth in range(3):
        for name in wanted:
            if depth > 0 and len(name) == 1:  # a letter means much that is nested
                continue
            found = [key for key in known if key not in apart and known[key][depth : depth + 1] == [name]]
            if len({repr(config[key]) for key in found}) > 1:
                raise _contradiction(name, found, config)
            if found:
                return found[0]
    return None


def require_agreement(config: Mapping[str, Setting], wanted: str) -> None:
    """Raise LogError where two settings that mean the same stand side by side with different values."""
    found = {key: value for key, value in config.items() if endings(key)[0] in _SYNONYMS.get(wanted, ())}
    if len({_as_number(value) for value in found.values()}) > 1:
        raise _contradiction(wanted, list(found), config)


def _as_number(value: Setting) -> Setting:
    """Return text as a number where it is one."""
    try:
        return float(value)
    except ValueError:
        return value


def momentum_elsewhere(config: Mapping[str, Setting]) -> list[str]:
    """Return the keys that may hold a momentum under another name: at the top, or among an optimizer's own."""
    found = []
    for name in MOMENTUM_ELSEWHERE:
        for key in config:
            *around, last = key.split(".")
            if plain(last) == name and (not around or plain(around[-1]) in _ABOUT_OPTIMIZER):
                found.append(key)
    return found


def _contradiction(name: str, keys: list[str], config: Mapping[str, Setting]) -> LogError:
    first, *_ = keys
    other = next(key for key in keys if repr(config[key]) != repr(config[first]))
    return LogError(
        f"{name} must be one value, found {shown(config[first])} as {first} and {shown(config[other])} as {other}; "
        "say by --map, in config, which it is."
    )
