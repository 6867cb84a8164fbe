"""Truth: records written by tensorboard, with a byte changed."""

import io

import pytest
from mstudy.core.errors import LogError
from mstudy.importers.tensorboard import tfrecord
from mstudy.importers.tensorboard.tfrecord import read_records
from tensorboard.summary.writer.record_writer import RecordWriter


def write(path, lengths):
    """Records of these lengths, each of the letter x."""
    content = io.BytesIO()
    writer = RecordWriter(content)
    for length in lengths:
        writer.write(length * b"x")
    path.write_bytes(content.getvalue())
    return path


def changed(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    return path


def lengths_of(path):
    return [int(length) for records in read_records(path) for length in records.lengths]


@pytest.mark.parametrize("n", [1, 9])  # one by one, and all of one length at once
def test_records_of_up_to_4_kilobytes_are_checked_and_longer_ones_are_not(tmp_path, n):
    assert lengths_of(write(tmp_path / "a", n * [4096])) == n * [4096]
    with pytest.raises(LogError, match="found a wrong checksum at byte 0 of "):
        lengths_of(changed(write(tmp_path / "b", n * [4096]), 100))
    assert lengths_of(changed(write(tmp_path / "c", n * [4097]), 100)) == n * [4097]


def test_the_place_of_a_wrong_checksum_is_told(tmp_path):
    """A record has 12 bytes before its data and 4 behind it."""
    path = changed(write(tmp_path / "a", [10, 20, 30]), 26 + 36 + 12 + 5)

    with pytest.raises(LogError, match=f"found a wrong checksum at byte {26 + 36} of "):
        lengths_of(path)


@pytest.mark.parametrize("cut", [1, 5, 600])
def test_a_record_longer_than_what_is_held_at_a_time_is_passed_over_and_a_torn_one_ends_the_file(
    tmp_path, monkeypatch, cut
):
    monkeypatch.setattr(tfrecord, "WINDOW", 500)
    whole, torn = write(tmp_path / "a", [10, 1000, 20]), write(tmp_path / "b", [10, 1000])
    torn.write_bytes(torn.read_bytes()[:-cut])

    assert lengths_of(whole) == [10, 20]
    assert lengths_of(torn) == [10]
