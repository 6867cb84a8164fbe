"""What changes the effective learning rate is read or refused. Truth: by hand, η(1 − d)/(1 − μ)."""

import pytest
from mstudy.core.errors import LogError
from mstudy.importers.assemble import assemble
from mstudy.importers.mapping import Mapping

from tests.importers.test_assemble import FACTS, run, series


def about(config, name="a", mapping=None, **metrics):
    return assemble(run(config, name, **metrics), mapping or Mapping(), "csv")


def without(*keys, **more):
    return {key: value for key, value in FACTS.items() if key not in keys} | more


@pytest.mark.parametrize(
    ("text", "optimizer", "momentum"),
    [
        ("<class 'torch.optim.sgd.SGD'>", "heavy_ball", 0.9),
        ("<torch.optim.sgd.SGD object at 0x7f00>", "heavy_ball", 0.9),
        ("OptimizerNames.SGD", "heavy_ball", 0.9),
        (
            "SGD (\nParameter Group 0\n    dampening: 0\n    lr: 0.1\n    momentum: 0.5\n    nesterov: True\n)",
            "nesterov",
            0.5,
        ),
        ("torch.optim.SGD(lr=0.1, momentum=0.5)", "heavy_ball", 0.5),
        ("functools.partial(<class 'torch.optim.sgd.SGD'>, lr=0.1, momentum=0.5, nesterov=False)", "heavy_ball", 0.5),
        ("SGD with momentum", "heavy_ball", 0.9),
        ("MomentumOptimizer", "heavy_ball", 0.9),
        ("sgd-nesterov", "nesterov", 0.9),
    ],
)
def test_an_optimizer_as_programs_write_it(text, optimizer, momentum):
    keys = ("momentum",) if momentum == 0.5 else ()
    found = about(without(*keys, optimizer=text)).metadata

    assert (found["optimizer"], found["momentum"], found["learning_rate"]) == (optimizer, momentum, 0.1)


@pytest.mark.parametrize(
    "config",
    [
        {"optimizer._target_": "torch.optim.SGD", "optimizer.lr": 0.1, "optimizer.momentum": 0.9},
        {
            "model.optimizer.class_path": "torch.optim.SGD",
            "model.optimizer.init_args.lr": 0.1,
            "optimizer.momentum": 0.9,
        },
        {"optim": "sgd", "optim_args": "momentum=0.9, dampening=0", "learning_rate": 0.1},
    ],
)
def test_settings_that_are_nested_or_texts(config):
    config |= {"batch_size": 8, "seed": 0, "val.batch_size": 99, "bn.momentum": 0.1}
    found = about(config).metadata

    assert [found[k] for k in ("optimizer", "learning_rate", "momentum", "batch_size")] == ["heavy_ball", 0.1, 0.9, 8]


def test_parameters_trained_unlike_are_refused():
    text = "SGD (\nParameter Group 0\n    lr: 0.1\n\nParameter Group 1\n    lr: 0.01\n)"

    with pytest.raises(LogError, match="All parameters must be trained alike, found lr 0.1 and 0.01 in"):
        about(without(optimizer=text))


@pytest.mark.parametrize(
    ("given", "momentum"),
    [
        ({"rho": 0.92}, 0.92),
        ({"optimizer.beta": "0.5"}, 0.5),
        ({"beta1": 0.8}, 0.8),
        ({"m": 0.7}, 0.7),
        ({"betas": "(0.9, 0.999)"}, 0.9),
        ({"betas": "[0.9, 0.999]", "beta1": 0.9}, 0.9),
        ({"sam.rho": 0.05}, 0.0),
    ],
)
def test_momentum_under_another_name(given, momentum):
    found = about(without("momentum", optimizer="SGD") | given)

    assert found.metadata["momentum"] == momentum


@pytest.mark.parametrize(
    ("given", "told"),
    [({"beta": 2.0}, "found beta 2.0"), ({"rho": 0.9, "m": 0.5}, "found rho 0.9, m 0.5"), ({"rho": "x"}, "rho 'x'")],
)
def test_a_momentum_that_may_be_another_is_refused(given, told):
    with pytest.raises(LogError, match=f"The momentum must be known, {told}|{told}; give it by --map, values.momentum"):
        about(without("momentum", optimizer="SGD") | given)


def test_a_name_of_momentum_beside_one_is_told():
    assert about(FACTS | {"beta1": 0.5}).unread == ("beta1",)


@pytest.mark.parametrize(
    ("dampening", "momentum", "rate"), [(0.9, 0.9, 0.01), ("0.5", 0.9, 0.05), (0.9, 0.0, 0.1), (0, 0.9, 0.1)]
)
def test_dampening_is_part_of_the_learning_rate(dampening, momentum, rate):
    found = about(FACTS | {"dampening": dampening, "momentum": momentum})

    assert found.metadata["learning_rate"] == rate
    assert "dampening" not in found.metadata
    assert any("for the dampening of" in note for note in found.notes) == (rate != 0.1)


@pytest.mark.parametrize("dampening", [1, -0.1, "much", True])
def test_dampening_that_cannot_be_meant(dampening):
    with pytest.raises(LogError, match="dampening must be"):
        about(FACTS | {"dampening": dampening})


@pytest.mark.parametrize(("text", "optimizer"), [("yes", "nesterov"), ("False", "heavy_ball"), ("off", "heavy_ball")])
def test_nesterov_as_text(text, optimizer):
    assert about(FACTS | {"nesterov": text}).metadata["optimizer"] == optimizer


def test_nesterov_that_says_neither():
    with pytest.raises(LogError, match="nesterov must be true or false, found 'maybe'"):
        about(FACTS | {"nesterov": "maybe"})


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"per_device_train_batch_size": 8, "gradient_accumulation_steps": 16, "n_gpu": 4}, 512),
        ({"per_gpu_train_batch_size": "8", "world_size": "4", "n_gpu": 1}, 32),
        ({"batch_size": 8, "accumulate_grad_batches": 4}, 32),
        ({"batch_size": 8, "devices": 1}, 8),
        ({"micro_batch_size": 2, "devices": 4, "num_nodes": 2}, 16),
        ({"train_batch_size": 8, "total_train_batch_size": 64, "gradient_accumulation_steps": 8}, 64),
        ({"batch_size": 64, "per_device_train_batch_size": 8, "n_gpu": 8}, 64),
        ({"per_device_train_batch_size": 8, "gpus": "0,1,2"}, 24),
        ({"batch": 16, "device": "cuda"}, 16),
    ],
)
def test_the_samples_of_an_update(given, size):
    assert about(without("batch_size") | given).metadata["batch_size"] == size


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"batch_size": 8, "n_gpu": 4}, "must say whether it is that of one device, found 8 as batch_size and 4"),
        ({"batch_size": 9, "per_device_train_batch_size": 8, "n_gpu": 8}, "must be one number, found 9 as batch_size"),
        ({"per_device_train_batch_size": 8, "devices": "-1"}, "devices must be a whole number above 0"),
        ({"per_device_train_batch_size": 8, "n_gpu": 1.5}, "n_gpu must be a whole number above 0"),
    ],
)
def test_a_batch_size_that_is_not_clear_is_refused_unless_the_map_gives_it(given, told):
    with pytest.raises(LogError, match=f"{told}.*; give it by --map, values.batch_size"):
        about(without("batch_size") | given)
    mapping = Mapping(values={"batch_size": 32})
    assert about(without("batch_size") | given, mapping=mapping).metadata["batch_size"] == 32


def test_two_settings_that_may_both_be_meant_are_refused():
    config = {"generator.lr": 0.1, "critic.lr": 0.2, "momentum": 0.9, "batch_size": 8, "seed": 0}

    with pytest.raises(LogError, match="lr must be one value, found 0.1 as generator.lr and 0.2 as critic.lr; say"):
        about(config)
    assert about(config, mapping=Mapping(config={"learning_rate": "critic.lr"})).metadata["learning_rate"] == 0.2


@pytest.mark.parametrize(
    ("key", "other"), [("learning_rate", {"lr": 0.01}), ("momentum", {"mu": 0.5}), ("batch_size", {"bs": "16"})]
)
def test_names_of_one_fact_that_differ_are_refused(key, other):
    config = FACTS | other

    with pytest.raises(LogError, match=f"{key} must be one value, found .* as {key} and .* as {next(iter(other))}; sa"):
        about(config)
    assert about(config, mapping=Mapping(config={key: key})).metadata[key] == FACTS[key]
    assert about(FACTS | {"lr": "0.1", "mu": 0.90, "bs": 8.0}).metadata["batch_size"] == 8


def test_a_letter_that_is_nested_is_no_setting():
    with pytest.raises(LogError, match="the metadata must give batch_size"):
        about(without("batch_size") | {"model.b": 3})


CHANGES = [
    {"lr_scheduler_type": "linear"},
    {"scheduler.name": "cosine"},
    {"lr_scheduler._target_": "torch.optim.lr_scheduler.StepLR"},
    {"warmup_steps": 100},
    {"milestones": "[30, 60]"},
    {"cos_lr": True},
    {"warmup_ratio": "0.1"},
]
NO_CHANGES = [
    {"lr_scheduler_type": "constant", "warmup_steps": 0},
    {"scheduler": "None", "warmup_ratio": 0.0},
    {"lr_scheduler_type": "SchedulerType.CONSTANT"},
    {"lr_scheduler.class_path": "torch.optim.lr_scheduler.ConstantLR", "cos_lr": False},
]


@pytest.mark.parametrize("given", CHANGES)
def test_a_learning_rate_that_changes_says_so_unless_the_map_allows_it(given):
    found = about(FACTS | given)

    assert found.metadata["learning_rate_changes"] == " ".join(str(part) for part in next(iter(given.items())))
    assert found.notes[-1].startswith("warning: its learning rate changes over the run (")
    allowed = about(FACTS | given, mapping=Mapping(values={"changing_rate": True}))
    assert "learning_rate_changes" not in allowed.metadata
    assert "changing_rate" not in allowed.metadata


@pytest.mark.parametrize("given", NO_CHANGES)
def test_a_schedule_that_changes_nothing_says_nothing(given):
    assert "learning_rate_changes" not in about(FACTS | given).metadata


def test_the_learning_rate_that_was_logged_counts():
    steps = {"loss": series((0, 1), (1, 1)), "lr": series((0, 0.1), (1, 0.1))}
    assert "learning_rate_changes" not in about(FACTS | {"lr_scheduler_type": "linear"}, **steps).metadata
    single = about(without("learning_rate"), loss=series((0, 1), (1, 1)), lr=series((0, 0.10000000149011612)))
    assert single.metadata["learning_rate"] == 0.1
    with pytest.raises(LogError, match="found 0.1 in its settings and 0.4 as its metric lr; give it by --map"):
        about(FACTS, loss=series((0, 1)), lr=series((0, 0.4)))


def test_what_is_not_understood_is_listed():
    assert about(FACTS | {"lookahead.k": 5, "git": "abc", "weight_decay": 0.1}).unread == ("git", "lookahead.k")
