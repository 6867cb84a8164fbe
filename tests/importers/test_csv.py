"""Truth: the text of each table, by hand."""

import json
import math

import numpy as np
import pytest
from mstudy.core.errors import LogError
from mstudy.importers.mapping import Mapping
from mstudy.importers.tables.find_tables import find_csv

from tests.importers.conftest import columns


@pytest.fixture
def table(tmp_path):
    def save(text, name="a.csv"):
        path = tmp_path / "src" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return save


def test_wide_one_run_a_file(table, imported):
    table("step,train_loss,kappa,note\n0,2.0,,hi\n5,1.5,0.25,\n\n10,1.0,null,there\n")
    table("iteration\ttrain/loss\n0\t1e0\n1\t.5\n", "b.tsv")

    plan = imported("csv", table("step,loss\n0,1\n", "c.csv").parent)

    assert set(plan.runs) == {"a", "b", "c"}
    a = columns(plan, "a")
    assert (a["step"], a["loss"]) == ([0, 5, 10], [2.0, 1.5, 1.0])
    np.testing.assert_equal(a["directional_curvature"], [math.nan, 0.25, math.nan])
    assert columns(plan, "b") == {"step": [0, 1], "loss": [1.0, 0.5]}
    assert plan.runs["a"].used_columns == {"loss": "train_loss", "directional_curvature": "kappa"}


def test_wide_many_runs_with_their_settings_as_columns(table, imported):
    rows = [f"{run},{step},{1 / (step + 1)},{lr},0,8,1" for run, lr in (("x", 0.1), ("../y", 0.2)) for step in range(3)]

    plan = imported("csv", table("run,step,loss,lr,momentum,batch_size,seed\n" + "\n".join(rows)), values={})

    assert list(plan.runs) == ["a/x", "a/../y"]
    assert [run.metadata["learning_rate"] for run in plan.runs.values()] == [0.1, 0.2]
    assert [run.metadata["seed"] for run in plan.runs.values()] == [1, 1]


def test_long(table, imported):
    rows = [
        f"r{r},{step},{tag},{value}" for r in (1, 2) for step in (0, 1) for tag, value in (("loss", r), ("kappa", 9))
    ]

    plan = imported("csv", table("run,step,metric,value\n" + "\n".join(rows) + "\n"))

    assert columns(plan, "a/r2") == {"step": [0, 1], "loss": [2.0, 2.0], "directional_curvature": [9.0, 9.0]}


def test_json_lines_with_sparse_rows_and_a_torn_tail(table, imported):
    rows = [{"step": 0, "loss": 2}, {"step": 0, "acc": 0.5}, {"step": 4, "loss": "1.5"}, {"step": 5, "x": [1]}]
    path = table("\n".join(map(json.dumps, rows)) + '\n{"step": 6, "lo', "a.jsonl")

    found = columns(imported("csv", path), "a")

    assert (found["step"], found["loss"]) == ([0, 4], [2.0, 1.5])
    np.testing.assert_equal(found["accuracy"], [0.5, math.nan])


@pytest.mark.parametrize(("word", "name"), [("nan", "NaN"), ("inf", "inf"), ("-inf", "-Infinity")])
def test_a_loss_that_is_not_finite_is_where_the_run_diverged(table, imported, word, name):
    plan = imported("csv", table(f"step,loss\n0,1\n1,2\n2,{name}\n3,{name}\n"))

    about = plan.runs["a"].metadata
    assert (about["status"], about["diverged_step"], columns(plan, "a")["step"]) == ("diverged", 2, [0, 1])


def test_a_restart_wins_from_its_first_step_on(table, imported):
    assert columns(imported("csv", table("step,loss\n0,1\n1,1\n2,1\n1,5\n")), "a") == {
        "step": [0, 1],
        "loss": [1.0, 5.0],
    }


def test_epochs_need_the_steps_of_one(table, imported):
    path = table("epoch,loss\n1,3\n2,2\n")

    with pytest.raises(
        LogError, match="The steps must be known, found columns epoch, loss in .*values.steps_per_epoch"
    ):
        imported("csv", path)
    facts = {"learning_rate": 0.1, "momentum": 0.0, "batch_size": 8, "seed": 0, "steps_per_epoch": 10}
    plan = imported("csv", path, values=facts)
    assert columns(plan, "a")["step"] == [10, 20]
    assert "steps_per_epoch" not in plan.runs["a"].metadata


def test_the_map_names_everything(table, imported):
    path = table("t,L,who,C,eta0\n0,1,p,3,0.5\n1,2,p,4,0.5\n0,7,q,5,0.25\n", "m.csv")
    names = {"step": "t", "loss": "L", "run": "who", "sharpness": "C"}
    values = {"momentum": 0.5, "batch_size": 4, "seed": 1, "optimizer": "nesterov"}

    runs = {"m/q": {"seed": 2}}

    plan = imported("csv", path, values, columns=names, config={"learning_rate": "eta0"}, runs=runs)

    assert [run.metadata["learning_rate"] for run in plan.runs.values()] == [0.5, 0.25]
    assert [run.metadata["seed"] for run in plan.runs.values()] == [1, 2]
    assert plan.runs["m/q"].metadata["optimizer"] == "nesterov"
    assert columns(plan, "m/p") == {"step": [0, 1], "loss": [1.0, 2.0], "sharpness": [3.0, 4.0]}


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("step,loss\n0,1\n1,abc\n", "a.csv", "loss must hold numbers, found 'abc' in .*a.csv, row 2; mend the cell"),
        ("step,loss\n0,1\n\n1,1.7x\n", "a.csv", "loss must hold numbers, found '1.7x' in .*a.csv, row 3"),
        ("step,loss,kappa\n0,1,\n1,2,n.a.\n", "a.csv", "kappa must hold numbers, found 'n.a.' in .*a.csv, row 2"),
        ('{"step": 0, "loss": true}\n', "a.jsonl", "loss must hold numbers, found true in .*a.jsonl, row 1"),
        ('{"step": 0, "loss": 1}\n\n{"step": 1, "loss": false}\n', "a.jsonl", "found 'false' in .*a.jsonl, row 3"),
        ('{"step": 0, "loss": 1}\n{"step": 1, "loss": [2]}\n', "a.jsonl", "found '.2.' in .*a.jsonl, row 2"),
        ('{"step": true, "loss": 1}\n', "a.jsonl", "step must hold numbers, found true in .*a.jsonl, row 1"),
        ("step,loss\n0.5,1\n", "a.csv", "step must hold whole numbers, found '0.5' in .*, row 1"),
        ("step,loss\nx,1\n", "a.csv", "step must hold numbers, found 'x' in .*, row 1"),
        ("step,loss\n-1,1\n", "a.csv", "step must be at least 0, found -1"),
        ("step,loss\n0,nan\n", "a.csv", "the loss must be finite at first, found nan at step 0"),
        ("step,loss\n1e300,1\n", "a.csv", "step must hold whole numbers"),
        ("step,loss\n0,1,2,3\n", "a.csv", "must be a whole csv table, found otherwise"),
        ("", "a.csv", "must be a whole csv table"),
        ("\x00\x01", "a.csv", "The steps must be known"),
        ('{"step": 0, "loss": 1}\n[1]\n', "a.jsonl", "Each line must be a JSON object, found b'.1..n' in .*, line 2"),
        ("[" * 100_000 + "\n", "a.jsonl", "Each line must be a JSON object"),
        ('{"step": {"a": 1}, "loss": 1}\n', "a.jsonl", "step must hold whole numbers, found None"),
        ('{"step": 1' + "0" * 400 + ', "loss": 1}\n', "a.jsonl", "step must hold whole numbers, found inf"),
    ],
)
def test_what_cannot_be_used_is_named(table, imported, text, name, message):
    with pytest.raises(LogError, match=message):
        imported("csv", table(text, name))


def test_the_row_of_a_bad_cell_is_the_file_s(table, imported):
    plan = imported("csv", table("run,step,loss\np,0,1\nq,0,1\np,1,1\nq,1,x\n"))

    assert list(plan.runs) == ["a/p"]
    assert "loss must hold numbers, found 'x' in" in plan.problems["a/q"]
    assert "row 4;" in plan.problems["a/q"]


def test_text_that_is_a_setting_is_no_measurement(table, imported):
    """`objective` is a name of the loss, and of the setting that says which loss it is."""
    plan = imported("csv", table("step,train_loss,objective\n0,1,mse\n1,2,mse\n"))

    assert plan.runs["a"].metadata["objective"] == "mse"
    with pytest.raises(LogError, match="the training loss must be among the metrics"):
        imported("csv", table("step,objective\n0,mse\n1,mse\n"))


@pytest.mark.parametrize("setting", ["lr", "momentum", "batch_size", "seed"])
def test_a_setting_that_changes_is_said_and_where(table, imported, setting):
    given = {"lr": 0.5, "momentum": 0.9, "batch_size": 8, "seed": 0}
    head = f"step,loss,{','.join(given)}\n"
    lines = [",".join(map(str, (10 * k, 1, *(given | {setting: 1 if k < 31 else 3}).values()))) for k in range(40)]
    path = table(head + "\n".join(lines) + "\n")
    key = "learning_rate" if setting == "lr" else setting

    message = f"{key} must be one number for a run, found {setting} changes from 1.0 to 3.0 at step 310; give it by"
    with pytest.raises(LogError, match=message):
        imported("csv", path, values={})
    plan = imported("csv", path)
    assert plan.runs["a"].notes[0].startswith(f"{setting} changes from 1.0 to 3.0 at step 310; {key} is ")


def test_one_value_in_two_spellings_is_one(table, imported):
    plan = imported("csv", table("step,loss,lr,momentum,bs,seed\n0,1,0.10,0,8,1\n1,1,0.1,0,8,1\n"), values={})

    assert plan.runs["a"].metadata["learning_rate"] == 0.1


def test_text_in_a_column_that_the_map_names_is_refused(table, imported):
    with pytest.raises(LogError, match="loss must hold numbers, found 'abc' in .*, row 2"):
        imported("csv", table("step,loss\n0,1\n1,abc\n"), columns={"loss": "loss"})


def test_settings_beside_the_table(table, imported):
    path = table("step,loss\n0,1\n")
    path.with_name("config.yaml").write_text("lr: {value: 0.5, desc: null}\nseed: 3\n")
    path.with_name("a.json").write_text('{"momentum": "0.0", "train": {"batch_size": 4.0}}')

    about = imported("csv", path, values={}).runs["a"].metadata

    assert [about[k] for k in ("learning_rate", "momentum", "batch_size", "seed")] == [0.5, 0.0, 4, 3]


def test_columns_that_hold_settings_of_no_known_name_are_told(table, imported):
    head = "step,loss,opt_kwargs,weight_decay,val_loss\n"
    run = imported("csv", table(head + "".join(f"{k},1,lookahead,0.1,{k}\n" for k in range(4)))).runs["a"]

    assert (run.unread, run.metadata["weight_decay"]) == (("opt_kwargs",), 0.1)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(LogError, match="The source must hold tables, found no"):
        find_csv(tmp_path, Mapping())


def test_of_many_columns_eight_are_told(table, imported):
    path = table(",".join(f"c{k}" for k in range(1, 12)) + "\n" + ",".join("1" * 11) + "\n")

    with pytest.raises(LogError, match="found columns c1, c2, c3, c4, c5, c6, c7, c8 in .*; name them by --map"):
        imported("csv", path)


def test_of_a_line_that_is_no_object_forty_bytes_and_its_number_are_told(table, imported):
    path = table('{"step": 0, "loss": 1}\n{"step": 1, "loss": 1}\n' + 60 * "x" + "\n", "a.jsonl")

    with pytest.raises(LogError, match=f"must be a JSON object, found b'{40 * 'x'}' in .*a.jsonl, line 3"):
        imported("csv", path)


def test_remarks_before_the_header_are_left_out_and_counted(table, imported):
    table("# written by hand\n\n#lr 0.1\nstep,loss\n0,2\n1,1\n")
    plan = imported("csv", table("# step,loss\n0,4\n1,3\n", "b.csv").parent)

    assert columns(plan, "a") == {"step": [0, 1], "loss": [2.0, 1.0]}
    assert columns(plan, "b") == {"step": [0, 1], "loss": [4.0, 3.0]}  # as numpy.savetxt writes
    assert "2 lines of remarks before the header are left out" in plan.as_text()


def test_a_file_of_remarks_alone_is_one_sentence_at_once(table, imported):
    with pytest.raises(LogError, match="must be a whole csv table"):
        imported("csv", table("#\n" * 300_000))
