"""Truth: what was given to the real writers: torch's SummaryWriter, tensorboard's own messages and file writer."""

import math
import struct

import numpy as np
import pytest
from mstudy.core.errors import LogError
from mstudy.importers.tensorboard.event_file import read_event_file
from mstudy.importers.tensorboard.find import find_tensorboard

from tests.importers.conftest import columns

pytest.importorskip("tensorboard", reason="needs the package tensorboard, which writes event files")
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import SummaryWriter


def write_events(path, events):
    """Through tensorboard's own record writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())
        writer.flush()


def scalar(tag, step, value, wall_time=1.0):
    return Event(wall_time=wall_time, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))


def series_of(path):
    return {tag: (s.steps.tolist(), s.values.tolist()) for tag, s in read_event_file(path).series().items()}


@pytest.fixture
def events(tmp_path):
    return tmp_path / "logs" / "a" / "events.out.tfevents.1.host"


@pytest.mark.parametrize("options", [{}, {"new_style": True}, {"new_style": True, "double_precision": True}])
def test_summary_writer_in_every_encoding(tmp_path, options):
    """300 steps cross a varint's border at 128; float32 unless double_precision."""
    with SummaryWriter(tmp_path / "run") as writer:
        for step in range(300):
            writer.add_scalar("loss/train", 1 / (step + 1), step, **options)
            writer.add_scalar("kappa", -step / 7, step * 1000, **options)
            if step % 100 == 0:
                writer.add_histogram("weights", np.arange(9.0), step)
                writer.add_text("note", "hello", step)

    (path,) = (tmp_path / "run").iterdir()
    found = series_of(path)

    kind = np.float64 if "double_precision" in options else np.float32
    assert set(found) == {"loss/train", "kappa"}
    assert found["loss/train"] == (list(range(300)), [float(kind(1 / (step + 1))) for step in range(300)])
    assert found["kappa"] == ([1000 * step for step in range(300)], [float(kind(-step / 7)) for step in range(300)])


def test_hyperparameters_become_settings(tmp_path, imported):
    with SummaryWriter(tmp_path / "logs" / "a") as writer:
        for step in range(3):
            writer.add_scalar("train/loss", 1.0, step)
        writer.add_hparams(
            {"lr": 0.25, "momentum": 0.0, "bs": 16, "seed": 3, "opt": "SGD", "flag": True}, {"hp/x": 1.0}
        )

    plan = imported("tensorboard", tmp_path / "logs", values={})

    about = plan.runs["a"].metadata
    assert list(plan.runs) == ["a"]
    assert [about[k] for k in ("learning_rate", "momentum", "batch_size", "seed", "optimizer")] == [
        0.25,
        0,
        16,
        3,
        "sgd",
    ]


def test_lightnings_hparams_file_becomes_settings(tmp_path, imported, events):
    write_events(events, [scalar("train_loss", 0, 1.0)])
    (events.parent / "hparams.yaml").write_text("lr: 0.5\noptim: {momentum: 0.5}\nbatch_size: 4\nseed: 1\n")

    about = imported("tensorboard", tmp_path / "logs", values={}).runs["a"].metadata

    assert (about["learning_rate"], about["momentum"], about["optimizer"]) == (0.5, 0.5, "heavy_ball")


def test_every_kind_of_tensor_and_summary(events):
    """By hand: half, ints, packed or content, a shape of [1]; several values an event; vectors are none."""
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensors = {
        "half": TensorProto(dtype=19, half_val=[int(np.float16(1.5).view(np.uint16))]),
        "int": TensorProto(dtype=3, int_val=[-3]),
        "int64": TensorProto(dtype=9, int64_val=[2**40]),
        "content": TensorProto(dtype=2, tensor_content=struct.pack("<d", 0.1)),
        "int content": TensorProto(dtype=3, tensor_content=struct.pack("<i", -9)),
        "shape": TensorProto(dtype=1, float_val=[2.5], tensor_shape=shape),
        "vector": TensorProto(dtype=1, float_val=[2.5, 3.5]),
        "content vector": TensorProto(dtype=1, tensor_content=struct.pack("<ff", 1, 2)),
        "text": TensorProto(dtype=7, string_val=[b"x"]),
    }
    values = [Summary.Value(tag=tag, tensor=tensor) for tag, tensor in tensors.items()]
    write_events(
        events, [Event(step=2**40, summary=Summary(value=[*values, Summary.Value(tag="plain", simple_value=4)]))]
    )

    found = {tag: value for tag, ((step,), (value,)) in series_of(events).items() if step == 2**40}

    assert found == {
        "half": 1.5,
        "int": -3.0,
        "int64": 2.0**40,
        "content": 0.1,
        "int content": -9.0,
        "shape": 2.5,
        "plain": 4.0,
    }


def test_events_that_differ_in_one_byte_are_not_taken_for_alike(events):
    """Equal lengths and tags, another plugin's letter or a value in another field; 40 tags of one length."""
    mixed = [scalar(f"tag{k % 40:02}", k, float(k)) for k in range(400)]
    for k in range(100):
        value = Summary.Value(tag="loss", tensor=TensorProto(dtype=1, float_val=[k]))
        value.metadata.plugin_data.plugin_name = "scalars" if k % 3 else "scalarz"
        mixed.append(Event(wall_time=k, step=k, summary=Summary(value=[value])))
    write_events(events, mixed)

    found = series_of(events)

    assert found["loss"] == (list(range(100)), [float(k) for k in range(100)])
    assert all(found[f"tag{k:02}"][0] == list(range(k, 400, 40)) for k in range(40))
    assert all(steps == values for steps, values in found.values())


def test_events_that_differ_behind_the_value_alone(events):
    """By hand: behind a tensor of 1.0 metadata, or as many bytes of a simple_value of 7.0: the last one counts."""
    ends = [b"J\x03\x12\x01x"] * 10 + [struct.pack("<Bf", 0x15, 7.0)] * 3
    tensor = TensorProto(dtype=1, float_val=[1.0]).SerializeToString()
    head = b"\n\x04loss" + b"B" + bytes([len(tensor)]) + tensor
    values = [b"\n" + bytes([len(head + end)]) + head + end for end in ends]
    events.parent.mkdir(parents=True)
    with events.open("wb") as file:
        writer = RecordWriter(file)
        for step, value in enumerate(values, 1):
            writer.write(struct.pack("<Bd", 9, 1.0) + b"\x10" + bytes([step]) + b"*" + bytes([len(value)]) + value)

    assert series_of(events)["loss"] == (list(range(1, 14)), [1.0] * 10 + [7.0] * 3)


def test_negative_and_huge_steps_and_values_that_are_not_finite(events):
    written = [(-5, 1.0), (2**62, math.inf), (2**63 - 1, math.nan)] * 10
    write_events(events, [scalar("x", step, value) for step, value in written])

    steps, values = series_of(events)["x"]

    assert steps == [step for step, _ in written]
    np.testing.assert_equal(values, [value for _, value in written])


def test_a_restart_wins_from_its_first_step_on(tmp_path, imported):
    """Two files of one run; the one begun later logs steps 5 to 7 again, and a rare tag not."""
    folder = tmp_path / "logs" / "a"
    first = [scalar("loss", k, 1.0, 10.0 + k) for k in range(10)] + [scalar("acc", k, 0.5, 20.0) for k in (0, 6)]
    second = [scalar("loss", k, 2.0, 30.0 + k) for k in (5, 6, 7)]
    write_events(folder / "events.out.tfevents.9.a", first)
    write_events(folder / "events.out.tfevents.8.b", second)

    found = columns(imported("tensorboard", tmp_path / "logs"), "a")

    assert found["step"] == list(range(8))
    assert found["loss"] == [1.0] * 5 + [2.0] * 3
    np.testing.assert_equal(found["accuracy"], [0.5] + [math.nan] * 7)


def test_two_writers_of_different_tags_do_not_cut_each_other(tmp_path, imported):
    folder = tmp_path / "logs" / "a"
    write_events(folder / "events.out.tfevents.1.a", [scalar("loss", k, 1.0, 10.0) for k in range(4)])
    write_events(folder / "events.out.tfevents.2.b", [scalar("kappa", k, 2.0, 20.0) for k in range(4)])

    found = columns(imported("tensorboard", tmp_path / "logs"), "a")

    assert (found["loss"], found["directional_curvature"]) == ([1.0] * 4, [2.0] * 4)


def test_a_restart_in_one_file_by_purge_step_or_by_going_back(tmp_path, events):
    start = Event(wall_time=5.0, step=3, session_log=SessionLog(status=SessionLog.START))
    before = [scalar("loss", k, 1.0) for k in range(6)] + [scalar("acc", 5, 1.0)]
    write_events(events, [*before, start, scalar("loss", 4, 2.0)])

    assert series_of(events) == {"loss": ([0, 1, 2, 4], [1.0, 1.0, 1.0, 2.0]), "acc": ([], [])}
    write_events(events, [scalar("loss", k, 1.0) for k in (0, 1, 2, 1, 2)])
    (run,) = find_tensorboard(events.parent)
    assert run.read().series["loss"].steps.tolist() == [0, 1, 2]


@pytest.mark.parametrize("cut", [1, 5, 11, 13, 30])
def test_a_torn_tail_ends_the_file(events, cut):
    write_events(events, [scalar("loss", k, 1.0) for k in range(50)])
    events.write_bytes(events.read_bytes()[:-cut])

    assert series_of(events)["loss"][0] == list(range(49))


@pytest.mark.parametrize("n_zeros", [7, 16, 4096])
def test_a_tail_of_zeros_ends_the_file(events, n_zeros):
    write_events(events, [scalar("loss", k, 1.0) for k in range(50)])
    events.write_bytes(events.read_bytes() + bytes(n_zeros))

    assert series_of(events)["loss"][0] == list(range(50))


@pytest.mark.parametrize("n", [3, 50])
@pytest.mark.parametrize("part", ["length", "data", "crc"])
def test_damage_before_the_tail_is_named(events, n, part):
    """In the second record; few records are checked one by one, many at once."""
    write_events(events, [scalar("loss", 1, 1.0) for _ in range(n)])
    content = bytearray(events.read_bytes())
    size = len(content) // n
    content[size + {"length": 0, "data": 20, "crc": size - 1}[part]] ^= 1
    events.write_bytes(bytes(content))

    with pytest.raises(LogError, match=f"wrong checksum at byte {size} of"):
        read_event_file(events)


def test_records_across_windows_and_larger_than_one(events, monkeypatch):
    from mstudy.importers.tensorboard import tfrecord

    monkeypatch.setattr(tfrecord, "WINDOW", 500)
    big = Event(wall_time=1.0, step=1, summary=Summary(value=[Summary.Value(tag="t" * 2000, simple_value=1)]))
    write_events(events, [*(scalar("loss", k, float(k)) for k in range(30)), big, scalar("loss", 30, 30.0)])

    assert series_of(events) == {"loss": (list(range(31)), [float(k) for k in range(31)])}


def test_what_is_no_event_is_refused(events):
    events.parent.mkdir(parents=True)
    with events.open("wb") as file:
        RecordWriter(file).write(b"\x0f\xff\xff")

    with pytest.raises(LogError, match="must hold TensorBoard events, found wire type 7 in"):
        read_event_file(events)


def test_a_folder_without_events_is_refused(tmp_path):
    with pytest.raises(LogError, match="must hold TensorBoard's event files, found no"):
        find_tensorboard(tmp_path)
    with pytest.raises(LogError, match="The source must exist, found nothing at"):
        find_tensorboard(tmp_path / "nowhere")


def test_a_link_out_of_the_source_is_followed(tmp_path, events):
    write_events(events, [scalar("loss", 0, 1.0)])
    outside = tmp_path / "elsewhere.tfevents"
    write_events(outside, [scalar("kappa", 3, 1.0)])
    (events.parent / "b.tfevents").symlink_to(outside)

    (run,) = find_tensorboard(tmp_path / "logs")

    assert run.read().series["loss"].steps.tolist() == [0]
    assert run.read().series["kappa"].steps.tolist() == [3]
    assert len([p for p in events.parent.iterdir()]) == 2
