"""Files are whole or not there, and every refusal of the disk is one sentence."""

import json
import os
import shutil
import stat
import subprocess
import sys
import threading

import pytest
from mstudy.core.errors import LogError
from mstudy.core.files import write_first, write_json, write_whole
from mstudy.tables.contracts import TABLES

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]

# Each writer of a large file, as code that is given the folder `here`, and the sentence up to the place.
WRITERS = {
    "A checkpoint": "from mstudy.train.sweep import checkpoint; import torch\n"
    "checkpoint.save(here / 'a.pt', {'w': torch.zeros(100_000)})",
    "A run's log": "from mstudy.runlog.format.writer import write_run; import numpy as np\n"
    "write_run(here / 'a.parquet', {'step': np.arange(9999), 'loss': np.random.default_rng(0).random(9999)}, {})",
    "The output folder": "from mstudy.core.files import write_json\nwrite_json('x' * 100_000, here / 'a.json')",
    "The report": "from mstudy.core.files import write_whole\n"
    "write_whole(here / 'a.html', bytes(100_000), 'The report')",
}


refused_at = pytest.mark.parametrize("call", ["os.fsync", "os.replace"])


def refuse(*_):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("links", [True, False])
def test_of_several_first_writers_one_wins(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr("os.link", lambda *given: (_ for _ in ()).throw(OSError(95, "Operation not supported")))
    path = tmp_path / "new" / "a.txt"

    write_first(path, b"first", "A file")
    write_first(path, b"second", "A file")

    assert path.read_bytes() == (b"first" if links else b"second")
    assert [each.name for each in path.parent.iterdir()] == ["a.txt"]
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LogError, match="A file must be writable, found at .*file/a.txt: "):
        write_first(tmp_path / "file" / "a.txt", b"", "A file")


def test_the_file_and_its_folder_are_made(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"

    write_whole(path, b"first", "A file")
    write_whole(path, memoryview(b"second"), "A file")

    assert path.read_bytes() == b"second"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_a_file_may_be_read_by_all_whom_the_umask_lets(tmp_path):
    previous = os.umask(0o022)
    try:
        write_whole(tmp_path / "a", b"", "A file")
    finally:
        os.umask(previous)

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_the_longest_name_can_be_written(tmp_path):
    path = tmp_path / ("é" * 123 + ".parquet")  # 254 bytes of the 255 that file systems allow

    write_whole(path, b"x", "A file")

    assert path.read_bytes() == b"x"


@refused_at
def test_a_refused_write_keeps_the_old_file_and_leaves_nothing_beside_it(tmp_path, monkeypatch, call):
    path = tmp_path / "a.txt"
    write_whole(path, b"old", "A file")
    monkeypatch.setattr(call, refuse)

    with pytest.raises(LogError) as refused:
        write_whole(path, b"new", "A file")

    assert str(refused.value) == f"A file must be writable, found at {path}: No space left on device."
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


def test_an_interrupt_leaves_nothing_beside_the_file(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.txt", b"new", "A file")
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_place_of_the_temporary_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr("os.urandom", bytes)  # a name that a stranger can foresee
    victim = tmp_path / "victim"
    victim.write_text("precious")
    trap = tmp_path / f"a.{'00' * 8}.tmp"
    trap.symlink_to(victim)

    with pytest.raises(LogError, match="File exists"):
        write_whole(tmp_path / "a.txt", b"new", "A file")
    assert (victim.read_text(), trap.is_symlink()) == ("precious", True)


def test_content_and_name_are_on_the_disk_in_this_order(tmp_path, monkeypatch):
    calls, (fsync, replace) = [], (os.fsync, os.replace)

    def record_fsync(descriptor):
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", record_fsync)
    monkeypatch.setattr("os.replace", lambda *names: (calls.append("name"), replace(*names)))

    write_whole(tmp_path / "a.txt", b"x", "A file")

    assert calls == ["file", "name", "folder"]


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path, monkeypatch):
    open_file = os.open

    def refuse(path, flags, *more, **names):
        if path == tmp_path:  # as Windows does
            raise PermissionError(13, "Permission denied")
        return open_file(path, flags, *more, **names)

    monkeypatch.setattr("os.open", refuse)

    write_whole(tmp_path / "a.txt", b"x", "A file")

    assert (tmp_path / "a.txt").read_bytes() == b"x"


def test_of_many_writers_one_wins_whole(tmp_path):
    path, contents = tmp_path / "a", [bytes([k]) * 100_000 for k in range(8)]
    threads = [threading.Thread(target=write_whole, args=(path, content, "A file")) for content in contents]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_written_and_nan_is_refused(tmp_path):
    write_json({"η": [1.5, None]}, tmp_path / "a.json")

    assert (tmp_path / "a.json").read_text() == json.dumps({"η": [1.5, None]}, indent=2) + "\n"
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(float("nan"), tmp_path / "a.json")


@refused_at
def test_a_refused_table_keeps_the_old_one(tmp_path, monkeypatch, call):
    table = next(table for table in TABLES if table.name == "thresholds")
    table.write(table.frame([]), tmp_path)
    before = table.path(tmp_path).read_bytes()
    monkeypatch.setattr(call, refuse)

    with pytest.raises(LogError) as refused:
        table.write(table.frame([]), tmp_path)

    assert str(refused.value) == f"The output folder must be writable, found at {tmp_path}: No space left on device."
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [before]


def run_on_limited_disk(code, tmp_path, start, limit=""):
    """Standard error of a process that writes to tmp_path/here. Python's development mode hides no late fault."""
    code = (
        "from pathlib import Path; from mstudy.core.boundary import exit_with_sentence\n"
        f"{limit}\nhere = Path({str(tmp_path / 'here')!r})\n"
        f"with exit_with_sentence():\n" + "".join(f"    {line}\n" for line in code.splitlines())
    )
    (tmp_path / "here").mkdir()
    (tmp_path / "code.py").write_text(code)
    process = [sys.executable, "-X", "dev", "-W", "ignore", str(tmp_path / "code.py")]
    return subprocess.run([*start, *process], capture_output=True, text=True, timeout=120).stderr


@pytest.mark.parametrize("what", WRITERS)
def test_a_limit_on_the_size_of_files_is_one_sentence_and_nothing_more(what, tmp_path):
    pytest.importorskip("resource")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))"

    err = run_on_limited_disk(WRITERS[what], tmp_path, [], limit)

    assert err.startswith(f"error: {what} must be writable, found at {tmp_path / 'here'}")
    assert err.endswith(": File too large.\n") and err.count("\n") == 1
    assert list((tmp_path / "here").iterdir()) == []


def _may_mount():
    return shutil.which("unshare") is not None and (
        subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not _may_mount(), reason="no right to mount a small disk")
@pytest.mark.parametrize("what", WRITERS)
def test_a_full_disk_is_one_sentence_and_nothing_more(what, tmp_path):
    mount = 'mount -t tmpfs -o size=32k none "$0/here" && "$@"; ls "$0/here" >&2'

    err = run_on_limited_disk(WRITERS[what], tmp_path, [*NAMESPACE, "sh", "-c", mount, str(tmp_path)])

    assert err.startswith(f"error: {what} must be writable, found at {tmp_path / 'here'}")
    assert err.endswith(": No space left on device.\n") and err.count("\n") == 1
