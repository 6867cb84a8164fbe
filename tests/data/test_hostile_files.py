"""Crafted and damaged data files: each is one sentence at once, with what was found and the limit."""

import gzip
import io
import os
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mstudy.core.errors import DataError
from mstudy.data import cifar, npz, places
from mstudy.data.catalogue import entry_of
from mstudy.data.fetch import has_right_content
from mstudy.data.load import load_dataset

ARCHIVE, PARQUET = "cifar-10-binary.tar.gz", "train.parquet"
X, Y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 2])


def array_bytes(values):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def header_bytes(text, version=1):
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode()


@pytest.fixture
def crafted(tmp_path):
    """Write an .npz of these members: crafted(x=bytes, y=bytes) -> its path as text."""

    def write(compression=zipfile.ZIP_STORED, **members):
        path = tmp_path / "mine.npz"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in ({"x": array_bytes(X), "y": array_bytes(Y)} | members).items():
                archive.writestr(f"{name}.npy", content)
        return str(path)

    return write


def refused(name, message):
    with pytest.raises(DataError, match=message) as raised:
        load_dataset(name)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    "header",
    [
        "------1",
        "{[]: 1}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2",
        "((((((((((",
        "{'descr': '<f8', 'fortran_order': False, 'shape': 7}",
        "{'descr': 5, 'fortran_order': False, 'shape': (3, 2)}",
        "{'descr': [('a',)], 'fortran_order': False, 'shape': (3, 2)}",
        "{'descr': '<f8'}",
        "-" * 9000 + "1",
        "(" * 9000,
        "'a\\N{x}'",
        "\0",
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_headers_that_are_none(crafted, header, version):
    refused(crafted(x=header_bytes(header, version)), "must be an .npz file of plain arrays, found: .|x must ")


@pytest.mark.parametrize("shape", ["(9000000000000,)", "(3000000, 3000000)", "(4, 2)", "(-3, -2)", "(-1, 2)"])
def test_a_shape_that_lies(crafted, shape):
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"

    refused(
        crafted(x=header_bytes(text) + X.tobytes()),
        r"x must hold -?[\d,]+ bytes for its shape .*, found 48 in .*npz\.$",
    )


def test_a_header_that_is_longer_than_any(crafted):
    content = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b" " * 100

    refused(crafted(x=content), "x must have a header of at most 10000 bytes, found 4294967295 in")


def test_an_array_that_grows_when_it_is_unpacked(crafted, monkeypatch):
    monkeypatch.setattr(npz, "MAX_BYTES", 8000)
    path = crafted(zipfile.ZIP_DEFLATED, x=array_bytes(np.zeros((2000, 2), np.uint8)))

    assert os.stat(path).st_size < 8000
    refused(path, r"x must take at most 8,000 bytes of memory, found 32,000 in .*npz\.$")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_byte_anywhere(crafted, compression):
    path = crafted(compression)
    whole = Path(path).read_bytes()
    good = load_dataset(path)
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        Path(path).write_bytes(damaged)
        try:
            found = load_dataset(path)
        except DataError as error:
            assert "\n" not in str(error)
        else:
            assert np.array_equal(found.inputs, good.inputs)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [(8, 99, "compression method"), (6, 1, "encrypted|password"), (6, 0x20, "patched"), (6, 0x40, "encryption")],
)
def test_methods_and_flags_that_nobody_reads(crafted, offset, value, message):
    path = crafted()
    content = bytearray(Path(path).read_bytes())
    for signature, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        place = content.find(signature)
        while place >= 0:
            content[place + offset + shift] = value
            place = content.find(signature, place + 1)
    Path(path).write_bytes(content)

    refused(path, f"must be an .npz file of plain arrays, found: .*({message})")


@pytest.mark.parametrize("name", ["~nobody-of-this-name/a.npz", "a" * 5000 + ".npz", "a\0.npz"])
def test_paths_that_are_none(name):
    refused(name, "The path of a data file must ")


def test_a_path_that_the_system_finds_too_long():
    with pytest.raises(DataError, match="must be readable, found: File name too long"):
        load_dataset("a" * 4000 + ".npz")


@pytest.mark.parametrize("ask", [load_dataset, entry_of])
def test_an_unknown_name_is_shortened(ask):
    with pytest.raises(DataError, match="must be one of digits, .*, found 'xxx") as raised:
        ask("x" * 3_000_000)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_plain_file_is_not_opened(tmp_path, data, make):
    make(tmp_path / "mine.npz")
    refused(str(tmp_path / "mine.npz"), r"mine\.npz must be a plain file, found a (pipe|device)\.$")
    (data / "cifar10").mkdir(parents=True)
    make(data / "cifar10" / ARCHIVE)
    refused("cifar10", "cifar10 must have its files")


def test_a_sparse_file_of_two_hundred_gigabytes(tmp_path, save):
    for path in (
        tmp_path / "mine.npz",
        save("cifar10", ARCHIVE, b""),
        save("mnist", "train-images-idx3-ubyte.gz", b""),
    ):
        path.touch()
        os.truncate(path, 200 << 30)
    save("mnist", "train-labels-idx1-ubyte.gz", b"")

    refused(str(tmp_path / "mine.npz"), "must be at most 8,589,934,592 bytes, found 214,748,364,800")
    refused("cifar10", "must be at most 536,870,912 bytes, found 214,748,364,800")
    refused("mnist", "must be at most 536,870,912 bytes, found 214,748,364,800")
    (remote,) = entry_of("cifar10").remotes
    assert not has_right_content(path.parents[1] / "cifar10" / ARCHIVE, remote)


def test_gzip_that_holds_too_much(save, monkeypatch):
    monkeypatch.setattr(places, "MAX_BYTES", 100_000)
    save("mnist", "train-images-idx3-ubyte.gz", gzip.compress(bytes(100_001)))
    save("mnist", "train-labels-idx1-ubyte.gz", b"")
    save("cifar10", ARCHIVE, gzip.compress(bytes(100_001)))

    for name in ("mnist", "cifar10"):
        refused(name, r"must hold at most 100,000 bytes, found more under its gzip\.$")
    save("mnist", "train-images-idx3-ubyte.gz", gzip.compress(bytes(100_000)))
    refused("mnist", "must start with the idx header")


@pytest.mark.parametrize("shape", [(2, 0, 3), (2, 3, 0), (0, 3, 3)])
def test_images_without_pixels(save, make_idx, shape):
    save("mnist", "train-images-idx3-ubyte.gz", make_idx(shape, []))
    save("mnist", "train-labels-idx1-ubyte.gz", make_idx((shape[0],), [1] * shape[0]))

    refused("mnist", "must hold images of at least one pixel, found |one label an image, found 0 labels for 0 images")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
@pytest.mark.parametrize("target", ["data_batch_1.bin", "nowhere", "../../etc/passwd"])
def test_members_that_are_no_files(save, kind, target):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for k in range(1, 6):
            member = tarfile.TarInfo(f"data_batch_{k}.bin")
            member.type, member.linkname = kind, target
            archive.addfile(member)
    save("cifar10", ARCHIVE, buffer.getvalue())

    refused("cifar10", r"must hold data_batch_1\.bin to data_batch_5\.bin, found \[\] of them")


def test_an_archive_damaged_anywhere(save, make_archive):
    batches = {f"data_batch_{k}": bytes([k]) + bytes(range(256)) * 12 for k in range(1, 6)}
    whole = make_archive(**batches)
    save("cifar10", ARCHIVE, whole)
    good = load_dataset("cifar10")
    for place in range(0, len(whole), max(len(whole) // 150, 1)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        save("cifar10", ARCHIVE, bytes(damaged))
        try:
            found = load_dataset("cifar10")
        except DataError as error:
            assert "\n" not in str(error)
        else:  # what packs otherwise may unpack to the same
            assert np.array_equal(found.inputs, good.inputs)


def test_parquet_bombs(save, monkeypatch):
    def parquet(**columns):
        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink, compression="zstd")
        return sink.getvalue()

    save("cifar10", PARQUET, parquet(image=pa.nulls(100_001, pa.binary()), label=[1] * 100_001))
    refused("cifar10", "must hold at most 100,000 images, found 100,001 rows")
    save("cifar10", PARQUET, parquet(image=[bytes(3_000_000)] * 9, label=[1] * 9))
    refused("cifar10", "image must be an RGB PNG of 32 x 32, found .* in row 0 of")
    monkeypatch.setattr(cifar, "MAX_BYTES", 100_000)
    refused("cifar10", r"must hold at most 100,000 bytes unpacked, found 3,0\d\d,\d\d\d")
    save("cifar10", PARQUET, parquet(image=[b"a"], label=["cat"]))
    refused("cifar10", "must be a Parquet file of images and whole labels, found")
    save("cifar10", PARQUET, parquet(image=[b"a"], other=[1]))
    refused("cifar10", r"must have the columns image and label, found \['image', 'other'\]")


def test_a_picture_that_is_a_bomb(save, recwarn):
    pytest.importorskip("PIL")
    size = struct.pack(">II5B", 50_000, 50_000, 8, 2, 0, 0, 0)

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    for width in (50_000, 10_000):
        content = png.replace(struct.pack(">II", 50_000, 50_000), struct.pack(">II", width, width))
        content = png[:8] + chunk(b"IHDR", struct.pack(">II5B", width, width, 8, 2, 0, 0, 0)) + content[33:]
        sink = io.BytesIO()
        pq.write_table(pa.table({"image": [content], "label": [1]}), sink)
        save("cifar10", PARQUET, sink.getvalue())
        refused("cifar10", "image must be an RGB PNG of 32 x 32, found")
    assert len(recwarn) == 0


def test_a_home_that_nobody_has(monkeypatch):
    monkeypatch.setenv("MSTUDY_DATA", "~nobody-of-this-name/data")

    refused("mnist", "MSTUDY_DATA must name a folder, found '~nobody-of-this-name/data' .*; set it")


def test_a_closed_folder_is_said(data, save, monkeypatch):
    """Root may look into any folder, so the refusal is made by hand."""
    save("mnist", "train-images-idx3-ubyte.gz", b"")
    stat = places.Path.stat

    def refuse(self, **options):
        if "mnist" in self.parts:
            raise PermissionError(13, "Permission denied")
        return stat(self, **options)

    monkeypatch.setattr(places.Path, "stat", refuse)

    refused("mnist", r"train-images-idx3-ubyte\.gz must be readable, found: Permission denied\.$")
