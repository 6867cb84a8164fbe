import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from mstudy.core.errors import DataError
from mstudy.data.catalogue import Entry
from mstudy.data.places import data_root, locate, own_folder, read_file, required_files

ENTRY = Entry("set", 1, (1,), "none", layouts=(("a", "b"), ("c",)))


def test_the_root_is_chosen_or_in_the_cache(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("MSTUDY_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert data_root() == Path("/home/me/.cache/mstudy/data")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert data_root() == Path("/home/me/.cache/mstudy/data")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert data_root() == Path("/cache/mstudy/data")
    monkeypatch.setenv("MSTUDY_DATA", "~/sets")
    assert data_root() == Path("/home/me/sets")
    monkeypatch.setenv("MSTUDY_DATA", "")
    assert data_root() == Path("/cache/mstudy/data")


def test_the_best_complete_list_is_found(data, save):
    assert locate(ENTRY) is None
    save("set", "c", b"")
    save("set", "a", b"")
    assert locate(ENTRY) == (data / "set" / "c",)
    save("set", "b", b"")
    assert locate(ENTRY) == (data / "set" / "a", data / "set" / "b")


def test_the_system_s_folder_comes_after_the_user_s(data, save, tmp_path):
    entry = replace(ENTRY, system=(str(tmp_path / "system"),))
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "c").touch()

    assert locate(entry) == (tmp_path / "system" / "c",)
    save("set", "c", b"")
    assert locate(entry) == (own_folder(entry) / "c",)


def test_missing_files_are_named_with_those_that_are_there(data, save):
    save("set", "a", b"")

    with pytest.raises(DataError, match=r"set must have its files \(a and b, or c\), found a in .*data/set; run `mst"):
        required_files(ENTRY)


def test_a_system_folder_is_named_too(data):
    with pytest.raises(
        DataError, match=r"\(c\), found none in .*/data/set or /usr/share/x; run `mstudy data fetch set`"
    ):
        required_files(replace(ENTRY, layouts=(("c",),), system=("/usr/share/x",)))


def test_gzip_is_undone(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"text", mtime=0))
    (tmp_path / "a").write_bytes(b"text")

    assert read_file(tmp_path / "a.gz") == read_file(tmp_path / "a") == b"text"


@pytest.mark.parametrize(
    "content",
    [
        b"plain",
        gzip.compress(b"text", mtime=0)[:-6],
        gzip.compress(b"text", mtime=0)[:-8] + bytes(8),  # another checksum
        gzip.compress(b"text", mtime=0)[:10] + b"\x07" * 9,  # a kind of block that does not exist
    ],
)
def test_broken_gzip_is_one_sentence(tmp_path, content):
    (tmp_path / "a.gz").write_bytes(content)

    with pytest.raises(
        DataError, match=r"a\.gz must be a whole gzip file, found a broken one \(.+\); fetch it again\.$"
    ):
        read_file(tmp_path / "a.gz")


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"must be readable, found: Is a directory\.$"):
        read_file(tmp_path)
