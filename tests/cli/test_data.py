"""`mstudy data` as a user meets it."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from mstudy.data import fetch
from mstudy.data.catalogue import ENTRIES, Remote

TEXT = b"First Citizen:"


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    """The folder of data sets, empty, for this test alone; what the system has is not looked for."""
    monkeypatch.setenv("MSTUDY_DATA", str(tmp_path / "data"))
    for name, entry in ENTRIES.items():
        monkeypatch.setitem(ENTRIES, name, replace(entry, system=()))
    return tmp_path / "data"


@pytest.fixture
def served(server, monkeypatch):
    """Tiny Shakespeare comes from the loopback server."""
    server.files["/input.txt"] = TEXT
    remote = Remote("input.txt", f"{server.address}/input.txt", "sha256", hashlib.sha256(TEXT).hexdigest())
    monkeypatch.setitem(ENTRIES, "tiny-shakespeare", replace(ENTRIES["tiny-shakespeare"], remotes=(remote,)))
    return server


def test_list_says_what_there_is_and_where(mstudy, data):
    (data / "cifar10").mkdir(parents=True)
    (data / "cifar10" / "train.parquet").touch()

    code, out, _ = mstudy("data", "list")

    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert list(lines) == list(ENTRIES)
    assert lines["mnist"].split(maxsplit=1)[1] == (
        "60,000 x (1 x 28 x 28)  CC BY-SA 3.0  not here: mstudy data fetch mnist"
    )
    assert lines["cifar10"].endswith(f"none stated   {data / 'cifar10'}")
    assert lines["digits"].endswith("comes with scikit-learn")


def test_list_json_is_one_object(mstudy, data):
    found = json.loads(mstudy("data", "list", "--json")[1])

    assert found["schema"] == 1
    rows = {row["name"]: row for row in found["datasets"]}
    assert rows["mnist"] == {
        "name": "mnist",
        "samples": 60000,
        "shape": [1, 28, 28],
        "licence": "CC BY-SA 3.0",
        "present": False,
        "folder": None,
    }
    assert [rows[name]["present"] for name in ("digits", "quadratic")] == [True, True]


def test_list_sees_that_scikit_learn_is_missing(mstudy, monkeypatch):
    monkeypatch.setitem(ENTRIES, "digits", replace(ENTRIES["digits"], module="no_such_module"))

    rows = json.loads(mstudy("data", "list", "--json")[1])["datasets"]

    assert [row["present"] for row in rows if row["name"] == "digits"] == [False]


def test_list_and_path_import_nothing_heavy():
    code = (
        "import sys; from mstudy.cli.app import app; app(['data', 'list'], standalone_mode=False);"
        "print([m for m in ('numpy', 'pyarrow', 'sklearn', 'torch') if m in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.endswith("\n[]\n")


def test_path_says_where_files_lie_or_belong(mstudy, data, tmp_path, monkeypatch):
    assert mstudy("data", "path")[:2] == (0, f"{data}\n")
    assert mstudy("data", "path", "mnist")[:2] == (0, f"{data / 'mnist'}\n")
    (tmp_path / "input.txt").touch()
    there = replace(ENTRIES["tiny-shakespeare"], system=(str(tmp_path),))
    monkeypatch.setitem(ENTRIES, "tiny-shakespeare", there)
    assert mstudy("data", "path", "tiny-shakespeare")[:2] == (0, f"{tmp_path}\n")


def test_a_data_set_without_files_has_no_path(mstudy):
    assert mstudy("data", "path", "digits") == (
        1,
        "",
        "error: NAME must be a data set with files, found digits, which comes with scikit-learn.\n",
    )


@pytest.mark.parametrize("command", ["path", "fetch"])
def test_an_unknown_name_is_one_sentence(mstudy, command):
    code, out, err = mstudy("data", command, "imagenet")

    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("error: The data set must be one of digits, mnist, ")
    assert "found 'imagenet'" in err


@pytest.mark.parametrize(("name", "why"), [("digits", "comes with scikit-learn"), ("quadratic", "is computed")])
def test_nothing_to_fetch(mstudy, name, why):
    assert mstudy("data", "fetch", name)[:2] == (0, f"{name}: nothing to fetch, it {why}\n")


def test_fetch_puts_the_file_where_path_says(mstudy, served, data):
    code, out, err = mstudy("data", "fetch", "tiny-shakespeare")

    assert (code, out) == (0, f"tiny-shakespeare: in {data / 'tiny-shakespeare'}, checked\n")
    assert err.startswith("input.txt, kB: 1 of 1, ")
    assert (data / "tiny-shakespeare" / "input.txt").read_bytes() == TEXT
    assert mstudy("data", "path", "tiny-shakespeare")[1] == f"{data / 'tiny-shakespeare'}\n"


def test_fetch_without_a_network_is_one_sentence(mstudy, served, data):
    served.stop()

    code, out, err = mstudy("data", "fetch", "tiny-shakespeare")

    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"error: input.txt must be fetched, found no way to {served.address}/input.txt (")
    assert err.endswith(f"try again, or put the file into {data / 'tiny-shakespeare'} by hand.\n")


def test_an_interrupted_fetch_says_what_is_kept(mstudy, data, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "fetch_dataset", interrupt)

    code, _, err = mstudy("data", "fetch", "mnist")

    assert code == 130
    assert err == f"interrupted; what arrived is kept in {data / 'mnist'}, run the same command to go on\n"
