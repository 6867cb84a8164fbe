"""Against a server on the loopback address, which answers as told: truth is what it serves."""

import gzip
import hashlib
from dataclasses import replace

import pytest
from mstudy.core.errors import DataError
from mstudy.data.catalogue import Entry, Remote
from mstudy.data.fetch import fetch_dataset, fetch_file

CONTENT = bytes(range(256)) * 4000  # several chunks


@pytest.fixture
def remote(server):
    return Remote("file", f"{server.address}/file", "sha256", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def entry(remote):
    return Entry("set", 1, (1,), "none", layouts=(("file",),), remotes=(remote,))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_under_its_name(server, remote, tmp_path, capsys):
    server.files["/file"] = CONTENT

    path = fetch_file(remote, tmp_path / "new" / "folder")

    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["file"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("file, kB: 1024 of 1024, ")


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_download_goes_on_or_starts_anew(server, remote, tmp_path, ranges):
    server.files["/file"], server.cut_at, server.ranges = CONTENT, 300_000, ranges
    cut = r"file must arrive whole, found the connection to http://.*/file cut \(300000 of 1024000 bytes\); run the co"
    with pytest.raises(DataError, match=cut):
        fetch_file(remote, tmp_path)
    assert names(tmp_path) == ["file.part"]
    server.cut_at = None

    fetch_file(remote, tmp_path)

    assert (tmp_path / "file").read_bytes() == CONTENT
    assert names(tmp_path) == ["file"]
    assert server.asked == [None, "bytes=300000-"]
    assert server.sent == [300_000, 724_000 if ranges else 1_024_000]


def test_a_reset_connection_keeps_what_came(server, remote, tmp_path):
    server.files["/file"], server.cut_at, server.chunked = CONTENT, 300_000, True

    with pytest.raises(
        DataError, match=r"file must arrive whole, found .* cut \(.+\); .* put the file into .* by hand"
    ):
        fetch_file(remote, tmp_path)
    assert CONTENT.startswith((tmp_path / "file.part").read_bytes())


def test_without_a_length_the_checksum_alone_tells(server, remote, tmp_path, capsys):
    server.files["/file"], server.chunked = CONTENT, True

    assert fetch_file(remote, tmp_path).read_bytes() == CONTENT
    assert capsys.readouterr().err == ""


def test_a_part_that_is_whole_is_not_asked_for(server, remote, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT)

    assert fetch_file(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == []


@pytest.mark.parametrize("part", [bytes(len(CONTENT)), bytes(len(CONTENT) + 5)])
def test_a_part_that_leaves_nothing_to_send_is_fetched_anew(server, remote, tmp_path, part):
    server.files["/file"] = CONTENT
    (tmp_path / "file.part").write_bytes(part)

    assert fetch_file(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(part)}-", None]


def test_a_server_that_sends_another_part_is_asked_for_all(server, remote, tmp_path):
    server.files["/file"], server.shift = CONTENT, 7
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])

    assert fetch_file(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-", None]


def test_wrong_content_is_removed(server, remote, tmp_path):
    server.files["/file"] = b"something else"
    found = hashlib.sha256(b"something else").hexdigest()

    with pytest.raises(
        DataError, match=rf"file must have the sha256 {remote.digest}, found {found} at http.*; it was rem"
    ):
        fetch_file(remote, tmp_path)
    assert names(tmp_path) == []


def test_a_wrong_beginning_is_removed_too(server, remote, tmp_path):
    server.files["/file"] = CONTENT
    (tmp_path / "file.part").write_bytes(b"not the beginning")

    with pytest.raises(DataError, match="file must have the sha256"):
        fetch_file(remote, tmp_path)
    assert names(tmp_path) == []
    assert fetch_file(remote, tmp_path).read_bytes() == CONTENT


def test_gzip_is_undone_before_the_checksum(server, tmp_path):
    remote = Remote("a.gz", f"{server.address}/a.gz", "md5", hashlib.md5(b"text").hexdigest(), gzipped=True)
    for level in (1, 9):  # repacked, still the same
        server.files["/a.gz"] = gzip.compress(b"text", level)
        assert fetch_file(remote, tmp_path / str(level)).read_bytes() == server.files["/a.gz"]
    server.files["/a.gz"] = gzip.compress(b"text")[:-3]
    with pytest.raises(
        DataError, match=r"a\.gz must have the md5 of its content \w{32}, found no whole gzip file at http"
    ):
        fetch_file(remote, tmp_path)
    assert names(tmp_path) == ["1", "9"]


def test_a_missing_page_is_one_sentence(server, remote, tmp_path):
    message = r"file must be at http://127.*/file, found HTTP status 404 Not Found; try again, or put .* by hand\.$"
    with pytest.raises(DataError, match=message):
        fetch_file(remote, tmp_path)
    assert names(tmp_path) == []


def test_no_way_to_the_server_is_one_sentence(server, remote, tmp_path):
    server.stop()

    message = (
        rf"file must be fetched, found no way to {remote.url} \(.*refused\); try again, or put .* {tmp_path} by hand\.$"
    )
    with pytest.raises(DataError, match=message):
        fetch_file(remote, tmp_path)


def test_a_folder_that_cannot_be_written_is_one_sentence(server, remote, tmp_path):
    (tmp_path / "taken").write_text("")

    with pytest.raises(DataError, match=r"The data folder must be writable, found at .*/taken/set: Not a directory\.$"):
        fetch_file(remote, tmp_path / "taken" / "set")


def test_a_data_set_is_fetched_once(server, entry, data):
    server.files["/file"] = CONTENT

    assert fetch_dataset(entry) == fetch_dataset(entry) == data / "set"
    assert (data / "set" / "file").read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_only_what_is_missing_is_fetched(server, entry, data, save):
    second = replace(entry.remotes[0], name="second", url=f"{server.address}/second")
    server.files["/second"] = CONTENT
    save("set", "file", CONTENT)

    fetch_dataset(replace(entry, remotes=(entry.remotes[0], second)))

    assert names(data / "set") == ["file", "second"]
    assert len(server.asked) == 1


def test_a_wrong_file_is_replaced(server, entry, data, save):
    server.files["/file"] = CONTENT
    save("set", "file", b"wrong")

    fetch_dataset(entry)

    assert (data / "set" / "file").read_bytes() == CONTENT


def test_files_of_the_system_need_no_fetching(server, entry, data, tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)

    assert fetch_dataset(replace(entry, system=(str(tmp_path),))) == tmp_path
    assert (server.asked, data.exists()) == ([], False)


def test_a_file_that_cannot_be_read_is_one_sentence(entry, save, monkeypatch):
    path = save("set", "file", CONTENT)

    def refuse(self, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(DataError, match=r"set/file must be readable, found: Permission denied\.$"):
        fetch_dataset(entry)
