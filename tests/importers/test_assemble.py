"""Truth: by hand."""

import numpy as np
import pytest
from mstudy.core.errors import LogError
from mstudy.importers.assemble import assemble, run_id_of
from mstudy.importers.mapping import Mapping
from mstudy.importers.source_run import Series, SourceRun, later_wins

FACTS = {"learning_rate": 0.1, "momentum": 0.9, "batch_size": 8, "seed": 0}


def series(*points):
    return Series(np.array([p[0] for p in points]), np.array([float(p[1]) for p in points]))


def run(config=None, name="a", **metrics):
    return SourceRun(name, metrics or {"loss": series((0, 1))}, FACTS if config is None else config)


def test_rows_are_those_of_the_loss():
    found = assemble(run(loss=series((0, 2), (4, 1)), kappa=series((2, 5), (4, 6), (9, 7))), Mapping(), "csv")

    np.testing.assert_equal(found.columns["directional_curvature"], [np.nan, 6.0])
    assert found.notes == ("1 values of kappa at steps without a loss are left out",)


@pytest.mark.parametrize(
    ("config", "optimizer"),
    [
        ({"optimizer": "SGD"}, "heavy_ball"),
        ({"optimizer": "torch.optim.SGD", "nesterov": "True"}, "nesterov"),
        ({"optimizer": "sgd", "nesterov": 1.0}, "nesterov"),
        ({"optimizer": "sgd", "momentum": "0"}, "sgd"),
        ({"optimizer": "NAG"}, "nesterov"),
        ({"optimizer": "heavy-ball"}, "heavy_ball"),
        ({"nesterov": False}, "heavy_ball"),
    ],
)
def test_optimizers_as_people_name_them(config, optimizer):
    assert assemble(run(FACTS | config), Mapping(), "csv").metadata["optimizer"] == optimizer


def test_a_step_that_validate_would_refuse_is_none_that_an_import_writes():
    assert assemble(run(loss=series((0, 2), (2**53 - 1, 1))), Mapping(), "csv").columns["step"][-1] == 2**53 - 1
    with pytest.raises(LogError, match="step must be at most 9007199254740991, found 9007199254740992"):
        assemble(run(loss=series((0, 2), (2**53, 1))), Mapping(), "csv")


def test_another_optimizer_is_refused():
    with pytest.raises(
        LogError, match="optimizer must be one of .* found 'Adam', .* its settings are batch_size, learning"
    ):
        assemble(run(FACTS | {"optimizer": "Adam"}), Mapping(), "csv")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lr=0.2_momentum=0.5_batch_size=16_seed=3", (0.2, 0.5, 16, 3)),
        ("sweep/mlp_lr=0.2,momentum=0.5/bs=16-seed=3", (0.2, 0.5, 16, 3)),
        ("x lr=2e-1 mu=.5 b_bs=16 seed=3", (0.2, 0.5, 16, 3)),
    ],
)
def test_settings_in_the_runs_name(name, expected):
    about = assemble(run({}, name), Mapping(), "csv").metadata

    assert tuple(about[k] for k in ("learning_rate", "momentum", "batch_size", "seed")) == expected


def test_a_name_of_a_megabyte_takes_no_time():
    with pytest.raises(LogError, match="the metadata must give learning_rate, found"):
        assemble(run({}, "a=" + "_a" * 500_000), Mapping(), "csv")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"learning_rate": "fast"}, "learning_rate must be a number, found 'fast'"),
        ({"batch_size": 8.5}, "batch_size must be a whole number above 0, found 8.5"),
        ({"seed": "nan"}, "seed must be text, a finite number, true or false, found nan"),
    ],
)
def test_settings_that_cannot_be_meant(config, message):
    with pytest.raises(LogError, match=message):
        assemble(run(FACTS | config), Mapping(), "csv")


def test_the_map_overrides_settings_and_names_the_loss():
    mapping = Mapping({"loss": "L"}, {}, {"seed": 7, "dataset": "d"}, {"a": {"seed": 8}})

    found = assemble(run(L=series((0, 1)), loss=series((0, 2))), mapping, "csv")

    assert (found.columns["loss"].tolist(), found.metadata["seed"], found.metadata["dataset"]) == ([1.0], 8, "d")
    with pytest.raises(LogError, match="L must be among the metrics, found loss; name it by --map, columns.loss"):
        assemble(run(loss=series((0, 2))), mapping, "csv")


def test_names_cannot_leave_a_folder_nor_meet():
    names = [
        "../../etc/passwd",
        "/abs",
        "..",
        "a/b",
        "a\\b",
        "a\x00b",
        "a\nb",
        "",
        "CON",
        "x" * 500,
        "\udc80",
        "ü",
        "a-b",
    ]

    ids = [run_id_of(name) for name in names]

    assert len(set(ids)) == len(names)
    assert all(set(i) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._=-") for i in ids)
    assert all(not i.startswith((".", "-")) and len(i) < 100 for i in ids)


def test_later_rows_win():
    assert later_wins(np.array([0, 5, 9, 3, 4, 4])).tolist() == [True, False, False, True, False, True]
    assert later_wins(np.array([], dtype=np.int64)).tolist() == []


def test_settings_that_change_a_loss_stand_in_the_log():
    config = FACTS | {"optim.weight_decay": 5e-4, "warmup_steps": 100, "amp": True, "gpu": 3, "l2": float("nan")}
    about = assemble(run(config), Mapping(), "csv").metadata

    assert {key: about.get(key) for key in ("weight_decay", "warmup_steps", "amp", "gpu", "l2")} == {
        "weight_decay": 5e-4,
        "warmup_steps": 100,
        "amp": True,
        "gpu": None,
        "l2": None,
    }
