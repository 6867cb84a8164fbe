import io
import sys
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mstudy.core.errors import DataError
from mstudy.data.load import load_dataset
from PIL import Image

LABELS = [0, 9, 2, 3, 4]
ARCHIVE, PARQUET = "cifar-10-binary.tar.gz", "train.parquet"


def record(label, red, green, blue):
    """A record of one flat colour, but for its second pixel of the first row, which is 255 in red."""
    planes = bytearray(bytes([red]) * 1024 + bytes([green]) * 1024 + bytes([blue]) * 1024)
    planes[1] = 255
    return bytes([label]) + bytes(planes)


BATCHES = {f"data_batch_{k}": record(k, 10 * k, 0, 51) for k in (2, 1, 3, 4, 5)}


def png(pixels, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def save_parquet(save):
    def write(**columns):
        buffer = io.BytesIO()
        pq.write_table(pa.table(columns), buffer)
        return save("cifar10", PARQUET, buffer.getvalue())

    return write


def test_records_of_the_archive_in_order(save, make_archive):
    save("cifar10", ARCHIVE, make_archive(test_batch=record(9, 0, 0, 0), **BATCHES))

    data = load_dataset("cifar10")

    assert data.inputs.shape == (5, 3, 32, 32)
    assert (data.inputs.dtype, data.targets.tolist(), data.n_outputs) == (np.float32, [1, 2, 3, 4, 5], 10)
    assert data.inputs[2, 0, 0, 0] == pytest.approx((30 / 255 - 0.4914) / 0.2470)
    assert data.inputs[2, 0, 0, 1] == pytest.approx((1 - 0.4914) / 0.2470)  # row 0, column 1: rows run along columns
    assert data.inputs[2, 0, 1, 0] == pytest.approx((30 / 255 - 0.4914) / 0.2470)
    assert data.inputs[2, 1] == pytest.approx(-0.4822 / 0.2435)
    assert data.inputs[2, 2] == pytest.approx((0.2 - 0.4465) / 0.2616)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("column", ["image", "img"])
def test_parquet_gives_the_numbers_of_the_archive(save, save_parquet, make_archive, rng, wrapped, column):
    pixels = rng.integers(0, 256, (5, 3, 32, 32), np.uint8)
    pictures = [png(p.transpose(1, 2, 0)) for p in pixels]
    save_parquet(
        **{column: [{"bytes": p, "path": None} for p in pictures] if wrapped else pictures},
        label=pa.array(LABELS, pa.int8()),
    )
    from_parquet = load_dataset("cifar10")
    records = [bytes([label]) + p.tobytes() for label, p in zip(LABELS, pixels, strict=True)]
    batches = {f"data_batch_{k}": content for k, content in enumerate(records, start=1)}
    save("cifar10", ARCHIVE, make_archive(**batches))  # once there, preferred

    from_archive = load_dataset("cifar10")

    assert np.array_equal(from_parquet.inputs, from_archive.inputs)
    assert np.array_equal(from_parquet.targets, from_archive.targets)
    assert from_parquet.targets.dtype == np.int64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data_batch_3": b""}, r"data_batch_3\.bin in .* must be records of 3073 bytes, found 0 bytes\.$"),
        ({"data_batch_3": bytes(3072)}, r"data_batch_3\.bin in .* must be records of 3073 bytes, found 3072 bytes\.$"),
        ({"data_batch_3": record(10, 0, 0, 0)}, r"Labels must be 0 to 9, found 10 in .*tar\.gz"),
        ({"data_batch_3": None}, r"must hold data_batch_1\.bin to data_batch_5\.bin, found \['1', '2', '4', '5'\]"),
    ],
)
def test_a_wrong_archive_is_one_sentence(save, make_archive, changes, message):
    batches = {name: content for name, content in (BATCHES | changes).items() if content is not None}
    save("cifar10", ARCHIVE, make_archive(**batches))

    with pytest.raises(DataError, match=message):
        load_dataset("cifar10")


def test_a_broken_archive_is_one_sentence(save, make_archive):
    whole = make_archive(**BATCHES)
    for content in (b"<html>", whole[: len(whole) // 2], whole[:40] + b"\xff" * 40 + whole[80:]):
        save("cifar10", ARCHIVE, content)
        with pytest.raises(DataError, match=r"must be a whole tar\.gz archive, found a broken one \(.*\)\.$"):
            load_dataset("cifar10")


def test_an_archive_that_cannot_be_read_is_one_sentence(save, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    save("cifar10", ARCHIVE, b"")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz must be readable, found: Permission denied\.$"):
        load_dataset("cifar10")


GREY = np.zeros((32, 32), np.uint8)
GOOD = png(np.zeros((32, 32, 3), np.uint8))
_HUGE_HEADER = b"IHDR" + (65535).to_bytes(4, "big") * 2 + GOOD[24:29]  # Pillow refuses to make room for it
HUGE = GOOD[:12] + _HUGE_HEADER + zlib.crc32(_HUGE_HEADER).to_bytes(4, "big") + GOOD[33:]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (png(GREY), "image must be an RGB PNG of 32 x 32, found L 32 x 32 in row 1 of .*train.parquet"),
        (png(np.zeros((32, 31, 3), np.uint8)), "found RGB 31 x 32 in row 1"),
        (png(np.zeros((32, 32, 3), np.uint8), "JPEG"), "found cannot identify image file"),
        (GOOD[:60], "image must be an RGB PNG of 32 x 32, found .* in row 1"),
        (GOOD[:20] + b"\xff" + GOOD[21:], "image must be an RGB PNG of 32 x 32, found .* in row 1"),
        (GOOD[:11] + b"\x00" + GOOD[12:], "image must be an RGB PNG of 32 x 32, found .* in row 1"),
        (GOOD[:36] + b"\x00" + GOOD[37:], "image must be an RGB PNG of 32 x 32, found .* in row 1"),
        (HUGE, "image must be an RGB PNG of 32 x 32, found .* in row 1"),
        (None, "image must be PNG bytes, found NoneType in row 1 of"),
    ],
)
def test_a_wrong_image_is_named_by_row(save_parquet, image, message):
    save_parquet(image=[GOOD, image], label=[0, 1])

    with pytest.raises(DataError, match=message):
        load_dataset("cifar10")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"picture": [GOOD], "label": [0]}, r"must have the columns image and label, found \['picture', 'label'\]\.$"),
        ({"image": [GOOD], "label": [1.5]}, "must be a Parquet file of images and whole labels, found: .*1.5"),
        ({"image": [GOOD, GOOD], "label": [1, None]}, "must have a label in every row, found 1 without"),
        ({"image": [GOOD], "label": [-1]}, "Labels must be 0 to 9, found -1 in .*train.parquet"),
        ({"image": ["text"], "label": [1]}, "image must be PNG bytes, found str in row 0"),
    ],
)
def test_wrong_columns_are_one_sentence(save_parquet, columns, message):
    save_parquet(**columns)

    with pytest.raises(DataError, match=message):
        load_dataset("cifar10")


def test_a_torn_parquet_file_is_one_sentence(save):
    save("cifar10", PARQUET, b"PAR1")

    with pytest.raises(DataError, match=r"must be a Parquet file of images and whole labels, found: [^\n]*\.$"):
        load_dataset("cifar10")


def test_without_pillow_parquet_says_what_to_install(save_parquet, monkeypatch):
    save_parquet(image=[GOOD], label=[0])
    monkeypatch.setitem(sys.modules, "PIL", None)

    with pytest.raises(DataError, match=r"row 0 of .* needs Pillow, found none .*; install the extra `train`\.$"):
        load_dataset("cifar10")


def test_real_images_have_the_published_moments(real):
    data = real("cifar10")  # perhaps a part of the images: near, not equal

    assert data.inputs.mean(axis=(0, 2, 3), dtype=float) == pytest.approx(np.zeros(3), abs=0.02)
    assert data.inputs.std(axis=(0, 2, 3), dtype=float) == pytest.approx(np.ones(3), abs=0.02)
    # The set opens with a frog and two lorries, as its page shows.
    assert data.targets[:5].tolist() == [6, 9, 9, 4, 1]
