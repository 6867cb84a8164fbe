"""Small data files, made by hand."""

import gzip
import io
import tarfile

import pytest
from mstudy.data.catalogue import entry_of
from mstudy.data.load import load_dataset
from mstudy.data.places import locate


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The folder of data sets, empty, for this test alone."""
    monkeypatch.setenv("MSTUDY_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def save(data):
    """Write bytes into a data set's folder: save("mnist", "name", b"...") -> path."""

    def write(name, file, content):
        path = data / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def real():
    """A real data set, where this machine has it."""

    def load(name):
        if locate(entry_of(name)) is None:
            pytest.skip(f"the files of {name} are not here: MSTUDY_DATA names no folder that has them")
        return load_dataset(name)

    return load


def idx(shape, content):
    """A gzipped idx file of bytes."""
    sizes = b"".join(size.to_bytes(4, "big") for size in shape)
    return gzip.compress(bytes([0, 0, 8, len(shape)]) + sizes + bytes(content), 1)


def archive(**members):
    """A tar.gz archive laid out as CIFAR-10's: archive(data_batch_1=b"...")."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def make_idx():
    return idx


@pytest.fixture
def make_archive():
    return archive
