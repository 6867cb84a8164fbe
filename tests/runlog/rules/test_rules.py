"""Truth: a sound folder, and for each rule one change by hand that breaks it and nothing else."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mstudy.core.analysis_params import AS_SHIPPED, Reading
from mstudy.core.errors import LogError
from mstudy.core.losses.scale import Scale
from mstudy.core.optimizers import OPTIMIZERS
from mstudy.core.statuses import Severity
from mstudy.runlog.raw import source as source_module
from mstudy.runlog.raw.source import Source
from mstudy.runlog.reading.reader import read_runs
from mstudy.runlog.recording.journal import head_line, journal_of
from mstudy.runlog.rule_tables import as_markdown, rules
from mstudy.runlog.validate import validate

from tests.runlog.folders import LOSS, SGD, SGDM, losses_of, pair, rows, sound, write

NAN, INF = float("nan"), float("inf")
BREAKS = {}
READINGS = {"loss-does-not-fall": Reading(Scale.DIFFERENCE)}  # of rules that ask for other parameters


def breaks(rule, found, column=None, row=None):
    """Declare what breaks a rule. found: part of the reason; column and row: where it must be told to be."""

    def declare(change):
        BREAKS[f"{rule}: {change.__name__}"] = (rule, change, found, column, row)
        return change

    return declare


def metadata_change(rule, found, column=None, **changes):
    """Breaks a rule by the metadata of one more SGD run; None as a value drops the key."""

    def change(folder):
        about = {key: value for key, value in (SGD | {"seed": 9} | changes).items() if value is not ...}
        write(folder / "x.parquet", rows(), about)

    change.__name__ = f"{changes}"
    breaks(rule, found, column)(change)


def rows_change(rule, found, column, row, about=None, **changes):
    """Breaks a rule by the rows of one more SGD run."""

    def change(folder):
        write(folder / "x.parquet", rows(**changes), SGD | {"seed": 9} | (about or {}))

    change.__name__ = f"{list(changes)} {found}"
    breaks(rule, found, column, row)(change)


@breaks("file-name", "found other bytes")
def latin(folder):
    Path(str(folder) + "/\udce4.parquet").write_bytes(b"PAR1")


@breaks("no-file", "it must be a file, found: a pipe, a socket or a device")
def pipe(folder):
    os.mkfifo(folder / "x.parquet")


@breaks("no-file", "found: a pipe, a socket or a device")
def pipe_as_manifest(folder):
    os.mkfifo(folder / "manifest.csv")


@breaks("no-file", "found: a link that leads nowhere")
def link_to_nothing(folder):
    (folder / "x.parquet").symlink_to("gone")


@breaks("no-file", "found: Too many levels of symbolic links")
def link_in_a_circle(folder):
    (folder / "x.parquet").symlink_to("x.parquet")


@breaks("linked-folder", "must be in its place to be read, found a link, not followed")
def linked(folder):
    sound(folder.parent / "elsewhere")
    (folder / "more").symlink_to(folder.parent / "elsewhere")


@breaks("own-output", "the output of an analysis must lie outside the runs folder")
def output(folder):
    write(folder / "out" / "results" / "runs.parquet", rows(), None)
    write(folder / "out" / "cache" / "scan" / "0.parquet", rows(), None)
    for name in ("problems.json", "cache/scan/index.json"):
        (folder / "out" / name).write_text("")


@breaks("left-over", "a file must be whole, found one that was being written")
def torn_write(folder):
    write(folder / "x.0123456789abcdef.tmp", rows(), SGD)


@breaks("under-way", "a run must be finished to be read, found its journal")
def under_way(folder):
    journal_of(folder / "x.parquet").write_bytes(head_line(SGD))


@breaks("chosen-rates", "found 3 at eta_ef 0.4 and one at 3 of 4 rates: a rate chosen on one seed", "seed")
def chosen(folder):
    for name, seed, rate in (("a", 7, 0.2), ("b", 7, 0.4), ("c", 8, 0.4), ("d", 9, 0.4), ("e", 7, 0.8), ("f", 7, 1.6)):
        own = {"loss": losses_of(name)}
        about = {"seed": seed, "batch_size": 16, "learning_rate": rate}
        write(folder / f"{name}.parquet", rows(**own), SGD | about)


@breaks("file-size", "at most 2,147,483,648 bytes are read, found 200,000,000,000")
def sparse(folder):
    (folder / "x.parquet").touch()
    os.truncate(folder / "x.parquet", 200_000_000_000)


@breaks("manifest-unreadable", "at most 268,435,456 bytes are read, found 200,000,000,000")
def sparse_manifest(folder):
    (folder / "manifest.csv").touch()
    os.truncate(folder / "manifest.csv", 200_000_000_000)


@breaks("manifest-unreadable", "each key must be given once, found 'seed' twice")
def key_twice(folder):
    (folder / "manifest.json").write_text('[{"path": "a", "seed": 1, "seed": 2}]')


@breaks("manifest-unreadable", "each key must be given once, found 'seed' twice")
def column_twice(folder):
    (folder / "manifest.csv").write_text("path,seed,seed\na,1,2\n")


@breaks("manifest-unreadable", "each key must be given once, found 'seed' twice")
def parquet_column_twice(folder):
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array([1]), pa.array([2])], ["path", "seed", "seed"])
    pq.write_table(table, folder / "manifest.parquet")


for key_text in ('{"seed": 1, "seed": 2}', '{"curvature": {"a": 1, "a": 1}}'):

    def change(folder, entry=key_text):
        write(folder / "x.parquet", rows(), entry)

    change.__name__ = key_text
    breaks("metadata-json", "the metadata entry 'mstudy' must give each key once")(change)


@breaks("metadata-json", "must have at most 1,000,000 bytes, found 20,000,")
def long_metadata(folder):
    write(folder / "x.parquet", rows(), SGD | {"notes": "a" * 20_000_000})


@breaks("torn-file", "must have at most 10000 columns, found 10004")
def wide(folder):
    write(folder / "x.parquet", rows() | {f"c{k}": [0] * 20 for k in range(10_001)}, SGD)


@breaks("renamed-file", "must be named *.parquet")
def renamed(folder):
    write(folder / "x.pq", rows(), SGD)


@breaks("empty-file", "found 0 bytes")
def empty(folder):
    (folder / "x.parquet").write_bytes(b"")


@breaks("not-parquet", "begin with b'step,los'")
def csv(folder):
    (folder / "x.parquet").write_text("step,loss\n0,1\n")


@breaks("torn-file", "not a whole Parquet file")
def torn(folder):
    path = write(folder / "x.parquet", rows(), SGD | {"seed": 9})
    path.write_bytes(path.read_bytes()[:-20])


@breaks("torn-file", "at most 20000000 rows, found 20000001")
def bomb(folder):
    columns = {"step": pa.array([0] * 20_000_001, pa.int8())}
    write(folder / "x.parquet", columns, SGD | {"seed": 9})


@breaks("missing-column", "the column loss must exist, found step", "loss")
def no_loss(folder):
    write(folder / "x.parquet", {"step": [0]}, SGD | {"seed": 9})


@breaks("repeated-column", "loss must occur once, found it 2 times", "loss")
def twice(folder):
    table = pa.Table.from_arrays([pa.array([0]), pa.array([1.0]), pa.array([2.0])], ["step", "loss", "loss"])
    write(folder / "x.parquet", table, SGD | {"seed": 9})


@breaks("column-type", "loss must hold numbers, found string", "loss")
def text(folder):
    write(folder / "x.parquet", rows(loss=["a"] * 20), SGD | {"seed": 9})


@breaks("column-type", "step must hold numbers, found bool", "step")
def truth(folder):
    write(folder / "x.parquet", rows(step=[True] * 20), SGD | {"seed": 9})


@breaks("column-type", "sharpness must hold numbers, found list", "sharpness")
def lists(folder):
    write(folder / "x.parquet", rows(sharpness=[[1.0]] * 20), SGD | {"seed": 9})


@breaks("no-metadata", "found neither")
def bare(folder):
    write(folder / "x.parquet", rows(), None)


for entry in ("{", "[1]", "null", b"\xff", "[" * 100_000, '{"seed": 1' + "0" * 5000 + "}"):

    def change(folder, entry=entry):
        write(folder / "x.parquet", rows(), entry)

    change.__name__ = str(entry[:9])
    breaks("metadata-json", "the metadata entry 'mstudy' must be")(change)

metadata_change("schema-version", "must be 1, found 9", schema=9)
metadata_change("schema-version", "must be 1, found True", schema=True)
metadata_change("branch", "found branch_of 'a' and intervention None", branch_of="a")
metadata_change("branch", "found branch_of None and", intervention={"kind": "x", "step": 3})
metadata_change("branch", "found branch_of 'a' and", branch_of="a", intervention={"kind": "x", "step": -1})
metadata_change("missing-field", "must give seed", "seed", seed=...)
metadata_change("missing-field", "must give momentum unless", "momentum", optimizer=..., momentum=...)
metadata_change("missing-field", "must give momentum unless", "momentum", optimizer="nesterov", momentum=None)
OPTIMIZER_NAMES = ", ".join(entry.name for entry in OPTIMIZERS)
metadata_change("field-value", f"optimizer must be one of {OPTIMIZER_NAMES}, found 'adam'", optimizer="adam")
metadata_change("field-value", "must be at least 0 and at most 1 - 1e-9, found 1.0", momentum=1.0, optimizer=...)
metadata_change("field-value", "learning_rate must be a finite number above 1e-300, found 0", learning_rate=0)
metadata_change("field-value", "learning_rate must be a finite number", "learning_rate", learning_rate=True)
metadata_change("field-value", "learning_rate must be a finite number above 1e-300, found inf", learning_rate=INF)
metadata_change("field-value", "learning_rate must be", learning_rate=10**400)
metadata_change(
    "field-value",
    "learning_rate must give an effective learning rate below 1e+300, found 9.9e+299 at momentum 0.999999999",
    "learning_rate",
    learning_rate=9.9e299,
    momentum=1 - 1e-9,
    optimizer="heavy_ball",
)
metadata_change("field-value", "batch_size must be a whole number above 0, found 2.5", batch_size=2.5)
metadata_change("field-value", "seed must be a whole number, found 'x'", "seed", seed="x")
metadata_change("field-value", "seed must be a whole number, found 1e+200", "seed", seed=1e200)
metadata_change("field-value", "status must be one of completed, diverged, interrupted, found 'lost'", status="lost")
metadata_change("field-value", "twin_kind must be one of rounding, order, found 'x'", twin_of="a", twin_kind="x")
metadata_change("field-value", "n_train must be a whole number above 0, or null, found 'all'", n_train="all")
metadata_change("field-value", "diverged_step must be a whole", diverged_step="4", status="diverged")
metadata_change("field-value", "run_id must be text", "run_id", run_id="")
metadata_change("field-value", "run_id must be text", "run_id", run_id="\ud800")
for run_id in ("/elsewhere/index", "../up", "a\\b", "a\x00", "a\nb", "a\x1b[2J", "a\x9b"):
    metadata_change("field-value", "run_id must be text of at least one character, without /", "run_id", run_id=run_id)
metadata_change("field-value", "study must be text of at most 1000 characters", "study", study="a" * 1001)
metadata_change("field-value", "model must be text", "model", model=["a"])
metadata_change("optimizer-momentum", "must be 0 for sgd and above 0 otherwise, found 0.5 with 'sgd'", momentum=0.5)
metadata_change("batch-too-large", "must be at most n_train, found 8 of 7", "batch_size", n_train=7)
MOMENTUM = {"momentum": 0.5, "optimizer": "heavy_ball"}
metadata_change("momentum-form", "dampening must be 0 where", "dampening", dampening=0.5, **MOMENTUM)
metadata_change("momentum-form", "found True with 'heavy_ball'", "nesterov", nesterov=True, **MOMENTUM)
metadata_change("momentum-form", "found True with None", "nesterov", nesterov=True, momentum=0.5, optimizer=...)
DIVERGED = {"status": "diverged", "diverged_step": 5}
rows_change("divergence-place", "must end at diverged_step 5, or its loss be infinite", "loss", 19, DIVERGED, loss=LOSS)
FAR = DIVERGED | {"diverged_step": 10**15}
rows_change("divergence-place", "where the log ends, at step 19, found 1000000000000000", "step", None, FAR, loss=LOSS)
metadata_change("changing-rate", "found that it changes by 'schedule cosine'", learning_rate_changes="schedule cosine")
metadata_change("divergence-contradiction", "found 7 with 'completed'", status="completed", diverged_step=7)


@breaks("curvature-check", "must be passed, or undecided, found 'failed'.", "curvature_check")
def curvature_that_failed(folder):
    pair(folder, 9, curvature_check="failed")


@breaks("curvature-check", "found 'failed', and curvatures by 'differences' instead.", "curvature_check")
def curvature_by_differences(folder):
    pair(folder, 9, curvature_check="failed", curvature_by="differences")


@breaks("divergence-step", "must be given where status is diverged", "diverged_step")
def no_divergence_step(folder):
    pair(folder, 9, status="diverged")


@breaks("divergence-gap", "must follow the last row, at step 19, found 300", "step")
def unseen_divergence(folder):
    pair(folder, 9, status="diverged", diverged_step=300)


@breaks("content-digest", "it must be as it was written, found another content (sha256 ")
def changed_since(folder):
    pq.write_table(
        pq.read_table(write(folder / "x.parquet", rows(), SGD | {"seed": 9})).replace_schema_metadata(
            {"mstudy": json.dumps(SGD | {"seed": 9}), "mstudy_sha256": "0" * 64}
        ),
        folder / "x.parquet",
    )


rows_change("unreadable-rows", "rows cannot be read (Float value 0.5", None, None, step=[0.5] * 20)
rows_change("unreadable-rows", "rows cannot be read", None, None, step=[NAN] * 20)
TOO_LARGE, NO_STEP, NO_LOSS = pa.array([2**63] * 20, pa.uint64()), pa.array([], pa.int64()), pa.array([], pa.float64())
rows_change("unreadable-rows", "rows cannot be read", None, None, step=TOO_LARGE)
rows_change("no-rows", "at least one row", None, None, step=NO_STEP, loss=NO_LOSS, directional_curvature=NO_LOSS)
rows_change("null-value", "loss must be given in every row, found 5 nulls", "loss", 3, loss=[1, 1, 1, None] * 5)
rows_change("null-value", "step must be given in every row", "step", 3, step=[0, 1, 2, None, *range(4, 20)])
rows_change("step-range", "at least 0 and below 2^53, found -1", "step", 0, step=list(range(-1, 19)))
rows_change("step-range", "found 9007199254740992", "step", 19, step=[*range(19), 2**53])
rows_change("step-order", "increase strictly, found 2 after 2.", "step", 3, step=[0, 1, 2, *range(2, 19)])
rows_change("step-order", "increase strictly, found 0 after 9.", "step", 10, step=[*range(10), *range(10)])
rows_change("loss-not-finite", "found nan at step 5", "loss", 5, loss=[1.0] * 5 + [NAN] * 15)
rows_change(
    "loss-not-finite",
    "found inf at step 5",
    "loss",
    5,
    {"status": "diverged", "diverged_step": 6},
    loss=[1.0] * 5 + [INF] * 15,
)
rows_change("loss-not-positive", "must be above 0 at the end", "loss", 18, loss=[1.0] * 18 + [-1.0] * 2)
rows_change("loss-not-positive", "found 0.0", "loss", 19, loss=[1.0] * 19 + [0.0])


@breaks("value-not-finite", "sharpness must be finite or null, found inf at step 4 (2 in all)", "sharpness", 4)
def infinite(folder):
    pair(folder, 9, sgd={"sharpness": [1.0] * 4 + [INF, NAN] + [1.0] * 14})


@breaks("critical-sharpness-not-positive", "above 0 or null, found 0.0 at step 4 (2 in all)", "critical_sharpness", 4)
def no_step_that_raises(folder):
    pair(folder, 9, sgd={"critical_sharpness": [1.0] * 4 + [0.0, -1.0] + [1.0] * 13 + [None]})


def manifest(folder, rows_, name="manifest.json"):
    (folder / name).write_text(json.dumps(rows_))


@breaks("manifest-unreadable", "a path in each row, found: Expecting value")
def no_json(folder):
    (folder / "manifest.json").write_text("")


@breaks("manifest-unreadable", "found: it must be a list of objects")
def no_list(folder):
    manifest(folder, {"path": 1})


@breaks("manifest-unreadable", "found: each row must have a path")
def no_path(folder):
    manifest(folder, [{"seed": 1}])


@breaks("manifest-unreadable", "found: line 2 must have 2 cells, found more")
def ragged(folder):
    (folder / "manifest.csv").write_text("path,seed\na,1,2\n")


@breaks("manifest-unreadable", "a path in each row, found: ")
def torn_manifest(folder):
    (folder / "manifest.parquet").write_bytes(b"PAR1PAR1")


@breaks("manifest-twice", "found manifest.csv beside it")
def two(folder):
    (folder / "manifest.csv").write_text("path\n")
    manifest(folder, [])


for path in ("../x.parquet", "/etc/x.parquet", "a/../../x.parquet", "C:\\x.parquet"):

    def change(folder, path=path):
        manifest(folder, [{"path": path}])

    change.__name__ = path
    breaks("manifest-path", f"must stay in the runs folder, found {path!r}", "path", 0)(change)


@breaks("manifest-repeats", "found it 2 times")
def again(folder):
    write(folder / "x.parquet", rows(), SGD | {"seed": 9})
    manifest(folder, [{"path": "x.parquet"}] * 2)


@breaks("manifest-missing-file", "found none at 'gone.parquet'", "path", 1)
def gone(folder):
    manifest(folder, [{"path": "sgd-0.parquet"}, {"path": "gone.parquet"}])


@breaks("manifest-contradicts", "'0.1' in the file, '0.2' in the manifest", "learning_rate")
def contradicting(folder):
    write(folder / "x.parquet", rows(), SGD | {"seed": 9})
    manifest(folder, [{"path": "x.parquet", "learning_rate": 0.2}])


@breaks("duplicate-run-id", "the same run_id as a.parquet", "run_id")
def same_id(folder):
    write(folder / "a.parquet", rows(), SGD | {"seed": 9, "run_id": "one"})
    write(folder / "a-sgdm.parquet", rows(), SGDM | {"seed": 9})
    write(folder / "b.parquet", rows(), SGD | {"seed": 10, "run_id": "one"})
    write(folder / "b-sgdm.parquet", rows(), SGDM | {"seed": 10})


@breaks("duplicate-run", "the same setting, learning rate and seed as sgd-0.parquet", "seed")
def same_run(folder):
    write(folder / "x.parquet", rows(), SGD)


@breaks("sgd-unpaired", "an SGDM run of this setting must share eta_ef 0.1 and seed 9, found none")
def alone(folder):
    write(folder / "x.parquet", rows(), SGD | {"seed": 9})


@breaks("sgdm-unpaired", "an SGD run of this setting must share eta_ef 0.1 and seed 9, found none")
def partnerless(folder):
    write(folder / "x.parquet", rows(), SGDM | {"seed": 9})


@breaks("near-rates", "found 0.1 and 0.1004 at batch size 8", "learning_rate")
def near(folder):
    for seed in (0, 1):
        write(folder / f"near-{seed}.parquet", rows(), SGD | {"seed": seed, "learning_rate": 0.1004})
        write(folder / f"nearm-{seed}.parquet", rows(), SGDM | {"seed": seed, "learning_rate": 0.0502})


@breaks("single-seed", "found one in 1 of 1 at batch size 16 and momentum 0")
def one_seed(folder):
    losses = [2 * loss for loss in losses_of("one")]
    pair(folder / "b", 0, {"loss": losses}, {"loss": [1.01 * loss for loss in losses]}, batch_size=16)


@breaks("steps-apart", "must overlap those of sgd-9.parquet, found 120 to 129 alone", "step")
def later(folder):
    # Ends a tenth apart would break another rule.
    long = {"step": list(range(120)), "loss": [1.0] * 120, "directional_curvature": [0.5, 1.0] * 60}
    pair(
        folder,
        9,
        sgd=long,
        sgdm={"step": list(range(120, 130)), "loss": [1.0] * 10, "directional_curvature": [0.5, 1.0] * 5},
    )


@breaks("horizons-differ", "must end about where its partner sgdm-9.parquet ends, at step 38, found 19", "step")
def shorter(folder):
    pair(folder, 9, sgdm={"step": [2 * k for k in range(20)]})


@breaks("curvature-missing", "must have values, found none", "directional_curvature")
def no_curvature(folder):
    pair(folder, 9, sgd={"directional_curvature": None})


@breaks("curvature-not-judged", "found sharpness alone in 2 of 6 runs at batch size 8", "directional_curvature")
def another_curvature(folder):
    """Where all runs of a pair log what is not judged, one warning says so for all."""
    other = {"directional_curvature": None, "sharpness": [0.5, 1.0] * 10}
    pair(folder, 9, sgd=other, sgdm=other)


@breaks("loss-does-not-fall", "the loss must fall in a run of its setting, found 2 after 1", "loss")
def rising(folder):
    for seed in (8, 9):
        sgd, sgdm = ([*np.linspace(1, 1.9 + own / 100, 18), 2.0, 2.0] for own in (seed, seed / 2))
        pair(folder, seed, sgd={"loss": sgd}, sgdm={"loss": sgdm}, study="rising")


@breaks("curvature-constant", "must vary, found one value", "directional_curvature")
def constant(folder):
    pair(folder, 9, sgd={"directional_curvature": [1.0] * 20})


@breaks("mixed-curvature", "found of 512 samples", "directional_curvature")
def mixed(folder):
    pair(folder, 9, curvature_samples=512, n_train=1000)


@breaks("grids-apart", "must share effective learning rates, found none at batch size 16")
def no_shared_rate(folder):
    for seed in (0, 1):
        write(folder / f"x{seed}.parquet", rows(), SGD | {"seed": seed, "batch_size": 16})
        write(folder / f"y{seed}.parquet", rows(), SGDM | {"seed": seed, "batch_size": 16, "learning_rate": 0.2})


@breaks("starts-differ", "must begin about where its partner sgd-9.parquet begins, at step 0, found 10", "step")
def half(folder):
    late = {"step": list(range(10, 20)), "loss": losses_of("half")[10:], "directional_curvature": [0.5, 1.0] * 5}
    pair(folder, 9, sgdm=late)


@breaks("same-rows", "found the steps and losses of sgd-9.parquet", "loss")
def both_sides(folder):
    pair(folder, 9, {"loss": losses_of("one log")}, {"loss": losses_of("one log")})


@breaks("same-rows", "found the steps and losses of sgd-8.parquet", "loss")
def seed_without_effect(folder):
    for seed in (8, 9):
        pair(folder, seed, {"loss": losses_of("sgd")}, {"loss": losses_of("sgdm")})


@breaks("same-rows", "found the steps and losses of a.parquet", "loss")
def same_under_another_rate(folder):
    for name, changes in (("a", {}), ("b", {"learning_rate": 0.4})):
        write(folder / f"{name}.parquet", rows(loss=losses_of("one log")), SGD | {"seed": 9} | changes)
        write(folder / f"{name}m.parquet", rows(), SGDM | {"seed": 9} | {k: v / 2 for k, v in changes.items()})
    for name, seed in (("c", 8), ("d", 7)):
        write(folder / f"{name}.parquet", rows(), SGD | {"seed": seed, "learning_rate": 0.4})
        write(folder / f"{name}m.parquet", rows(), SGDM | {"seed": seed, "learning_rate": 0.2})


@breaks("loss-units", "must be that of sgd-9.parquet, 2, found 2000", "loss", 0)
def thousandfold(folder):
    pair(folder, 9, sgdm={"loss": [1000 * loss for loss in LOSS]})


@breaks("loss-units", "must be that of sgd-7.parquet, 2, found 2.88", "loss", 0)
def bits(folder):
    for seed in (7, 8, 9):
        other = {"study": "bits"}
        pair(folder, seed, sgdm={"loss": [1.4427 * loss for loss in losses_of(str(seed))]}, **other)


@breaks("initial-loss", "a factor of up to 1.5 in 1 of 3 pairs at batch size 8", "loss")
def other_network(folder):
    pair(folder, 9, sgdm={"loss": [1.5 * loss for loss in losses_of("own")]})


TRAINING = {
    "n_train": (1000, 500),
    "weight_decay": (0, 5e-4),
    "warmup_steps": (0, 100),
    "dtype": ("float32", "bfloat16"),
    "schedule": ("constant", {"kind": "cosine", "steps": 100}),
    "max_grad_norm": (None, 1.0),
    "augmentation": (True, False),
}
for key, (one, other) in TRAINING.items():

    def change(folder, key=key, one=one, other=other):
        for seed, value in ((8, one), (9, one), (7, one)):
            about = {key: 2.0 if value is None else value, "study": "s"}
            write(folder / f"s-sgd-{seed}.parquet", rows(), SGD | {"seed": seed} | about)
            write(folder / f"s-sgdm-{seed}.parquet", rows(), SGDM | {"seed": seed} | about | {key: other})

    change.__name__ = key
    breaks("trained-alike", f"its {key} must be that of s-sgd-7.parquet", key)(change)


@breaks("trained-alike", "its weight_decay must be that of sgd-8.parquet, 0.1, found 0.2", "weight_decay")
def one_seed_trained_differently(folder):
    for seed, decay in ((7, 0.2), (8, 0.1), (9, 0.1)):
        pair(folder, seed, weight_decay=decay)


@breaks("stated-alike", '\'data_order\' must be the same in both runs of a pair, found "b" beside "a" of SGD')
def shuffled_otherwise(folder):
    for seed in (8, 9):
        write(folder / f"a{seed}.parquet", rows(), SGD | {"seed": seed, "data_order": "a"})
        write(folder / f"b{seed}.parquet", rows(), SGDM | {"seed": seed, "data_order": "b"})


IMPLIED = {
    "grids-apart": {"sgd-unpaired", "sgdm-unpaired"},
    "steps-apart": {"starts-differ"},
    "chosen-rates": {"sgd-unpaired", "single-seed"},
}


def test_what_may_differ_is_no_problem(tmp_path):
    """Machines, times, equal numbers in another form; what one side alone states; what both write as 1 and 1.0."""
    for seed in (0, 1, 2):
        side = {"torch": "2.1", "engine": "explicit", "device": "cpu", "width": 3, "weight_decay": 0, "steps": 20}
        other = {"torch": "2.2", "engine": "autograd", "device": "cuda", "width": 4, "weight_decay": 0.0, "clip": 1.0}
        started = {"nesterov": False, "started": f"08:0{seed}", "lr": 0.1}
        write(tmp_path / f"a{seed}.parquet", rows(), SGD | {"seed": seed} | side | started)
        started = {"nesterov": False, "started": f"09:0{seed}", "lr": 0.05, "dampening": 0}
        write(tmp_path / f"b{seed}.parquet", rows(), SGDM | {"seed": seed} | other | started)

    assert validate(tmp_path).problems == []


def test_runs_of_one_constant_loss_are_no_copies(tmp_path):
    """A network that never learns has the same loss whatever the seed."""
    for seed in (0, 1):
        pair(tmp_path, seed, {"loss": [2.3] * 20}, {"loss": [2.3] * 20})

    assert validate(tmp_path).problems == []


def test_a_momentum_kept_as_float32_is_in_the_cell_of_the_others(tmp_path):
    for seed, momentum in ((0, 0.9), (1, 0.8999999761581421)):
        write(tmp_path / f"a{seed}.parquet", rows(), SGD | {"seed": seed})
        write(tmp_path / f"b{seed}.parquet", rows(), SGDM | {"seed": seed, "momentum": momentum, "learning_rate": 0.01})

    assert validate(tmp_path).problems == []
    assert read_runs(tmp_path).runs["momentum"].to_list() == [0.0, 0.0, 0.9, 0.9]


def test_a_sound_folder_has_no_problem(tmp_path):
    assert validate(sound(tmp_path)).problems == []


@pytest.mark.parametrize("name", BREAKS)
def test_each_rule_is_broken_by_its_own_change_alone(tmp_path, name):
    rule, change, found, column, row = BREAKS[name]
    change(sound(tmp_path))

    reading = READINGS.get(rule, AS_SHIPPED)
    result = validate(tmp_path, reading=reading)

    first = next(problem for problem in result.problems if problem.rule == rule)
    assert {problem.rule for problem in result.problems} - IMPLIED.get(rule, set()) == {rule}
    assert found in first.reason
    assert column in (None, first.column)
    assert row in (None, first.row)
    assert first.remedy.endswith(".")
    refused = first.severity == Severity.ERROR
    assert bool(result.n_errors) == refused
    if refused:
        with pytest.raises(LogError, match="Every run must be usable"):
            read_runs(tmp_path, reading=reading)
    else:
        assert rule in {warning.rule for warning in read_runs(tmp_path, reading=reading).warnings}
    assert len(read_runs(tmp_path, skip_bad=True, reading=reading).runs) >= 4


def test_a_file_that_cannot_be_opened(tmp_path, monkeypatch):
    sound(tmp_path)
    write(tmp_path / "x.parquet", rows(), SGD | {"seed": 9})
    true_read = Source.read

    def read(self, name, n_bytes=None):
        if name == "x.parquet":
            raise PermissionError("Permission denied")
        return true_read(self, name, n_bytes)

    monkeypatch.setattr(Source, "read", read)

    assert [p.rule for p in validate(tmp_path).problems] == ["unreadable-file"]


@pytest.fixture
def closed(monkeypatch):
    """Close folders of a name for listing: to root no permission is closed."""
    true_scandir = os.scandir

    def scandir(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return true_scandir(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, closed):
    sound(tmp_path)
    write(tmp_path / "a" / "closed" / "x.parquet", rows(), SGD | {"seed": 9})

    found = validate(tmp_path)

    assert [(p.rule, p.path, p.severity) for p in found.problems] == [("unlisted-folder", "a/closed", "error")]
    assert "found: Permission denied." in found.problems[0].reason
    with pytest.raises(LogError, match="a/closed: the folder must be one that can be listed"):
        read_runs(tmp_path)
    assert len(read_runs(tmp_path, skip_bad=True).runs) == 4


def test_runs_that_cannot_be_listed_are_one_sentence(tmp_path, closed):
    (tmp_path / "closed").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(LogError, match="folder that can be listed, found at .*closed: Permission denied"):
        validate(tmp_path / "closed")
    with pytest.raises(LogError, match="folder that can be listed, found at .*: File name too long"):
        validate(tmp_path / ("a" * 300))
    with pytest.raises(LogError, match="folder that can be listed, found at .*: embedded null"):
        validate(f"{tmp_path}/\0")
    with pytest.raises(LogError, match="must exist, found none at .*file"):
        validate(tmp_path / "file")


def test_a_folder_of_links_alone_says_so(tmp_path):
    sound(tmp_path / "runs")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a").symlink_to(tmp_path / "runs")

    with pytest.raises(
        LogError, match=r"no \*.parquet file in .*links; the first of what .* \(1\): a: a folder must be"
    ):
        validate(tmp_path / "links")


def test_what_is_no_file_any_more_is_not_waited_for(tmp_path):
    """A pipe that took a file's place after the listing."""
    os.mkfifo(tmp_path / "x.parquet")

    with pytest.raises(OSError, match="a pipe, a device or a folder"):
        Source(str(tmp_path)).read("x.parquet")


def test_what_memory_does_not_hold_is_said(tmp_path, monkeypatch):
    def read(*_):
        raise MemoryError

    monkeypatch.setattr(source_module, "read_file", read)
    with pytest.raises(OSError, match="no memory that could hold it"):
        Source(str(tmp_path)).read("x.parquet")


def test_a_file_that_the_manifest_names_twice_is_left_out(tmp_path):
    """Which of its rows is right nobody can tell."""
    write(sound(tmp_path) / "x.parquet", rows(), None)
    manifest(tmp_path, [{"path": "x.parquet"} | SGD | {"seed": 8}, {"path": "x.parquet"} | SGD | {"seed": 9}])

    assert len(read_runs(tmp_path, skip_bad=True).runs) == 4


def test_a_refusal_is_one_line_whatever_the_names(tmp_path):
    (sound(tmp_path) / "a\nb.parquet").write_bytes(b"")

    with pytest.raises(LogError) as refused:
        read_runs(tmp_path)
    assert "a\\nb.parquet" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_rule_is_broken_here():
    known = [rule.id for _, rule in rules()]

    assert len(known) == len(set(known))
    assert set(known) == {rule for rule, *_ in BREAKS.values()} | {"unreadable-file", "unlisted-folder"}


def test_the_document_has_the_table_of_the_rules():
    document = (Path(__file__).parents[3] / "docs" / "validation.md").read_text()

    assert as_markdown() in document


def test_what_a_probe_says_of_its_measuring_may_differ_in_a_pair(tmp_path):
    folder = sound(tmp_path)
    write(folder / "x.parquet", rows(), SGD | {"seed": 9, "curvature_check": "passed"})
    about = {"curvature_check": "undecided", "failed_measurements": 2, "failed_measurements_reason": "none"}
    write(folder / "y.parquet", rows(), SGDM | {"seed": 9} | about)

    assert validate(folder).problems == []


def test_the_curvature_that_is_judged_is_the_one_that_is_asked_for(tmp_path):
    """Truth: by hand. λ_max alone is logged, in all runs."""
    only = {"directional_curvature": None, "sharpness": [0.5, 1.0] * 10}
    for seed in (0, 1):
        pair(tmp_path, seed, sgd=only, sgdm=only)

    (problem,) = validate(tmp_path).problems
    assert (problem.rule, problem.severity) == ("curvature-not-judged", "warning")
    assert "directional_curvature, which detect.quantity names, must have values" in problem.reason
    assert "found sharpness alone in 4 of 4 runs" in problem.reason
    assert validate(tmp_path, reading=Reading(quantity="sharpness")).problems == []
    (other, *_) = validate(tmp_path, reading=Reading(quantity="batch_sharpness")).problems
    assert other.reason.startswith("batch_sharpness, which detect.quantity names")


def test_a_constant_curvature_is_told_of_the_one_that_is_judged(tmp_path):
    flat = {"sharpness": [1.0] * 20}
    for seed in (0, 1):
        pair(tmp_path, seed, sgd=flat, sgdm={"sharpness": [0.5, 1.0] * 10})

    assert validate(tmp_path).problems == []
    problems = validate(tmp_path, reading=Reading(quantity="sharpness")).problems
    assert [(p.rule, p.column, p.path) for p in problems] == [
        ("curvature-constant", "sharpness", "sgd-0.parquet"),
        ("curvature-constant", "sharpness", "sgd-1.parquet"),
    ]
