"""Truth: what the operating system says; exit codes and output of a process of its own, by hand."""

import errno
import json
import lzma
import os
import subprocess
import sys
import zipfile
import zlib

import polars as pl
import pyarrow as pa
import pytest
import yaml
from mstudy.core.boundary import sentence_of
from mstudy.core.errors import LogError

PROGRAM = "from mstudy.core.boundary import exit_with_sentence, say\nwith exit_with_sentence():\n    "
MSTUDY = [sys.executable, "-m", "mstudy.cli.app"]


def run(body, shell='exec "$@"', **environment):
    """A program with this body within the boundary, started by a shell that closes or leads away its streams."""
    command = ["sh", "-c", shell, "sh", sys.executable, "-c", PROGRAM + body]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=os.environ | {"PYTHONUNBUFFERED": ""} | environment
    )


def test_a_signal_that_comes_while_an_interrupted_program_ends_is_ignored():
    """As the second of two quick Ctrl-C, which meets Python at its clean-up."""
    code = (
        "import atexit, os, signal\n"
        "from mstudy.core.boundary import exit_interrupted\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "exit_interrupted('interrupted; go on')\n"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted; go on\n")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (LogError("A log must hold rows, found none."), "A log must hold rows, found none."),
        (
            PermissionError(errno.EACCES, "Permission denied", "/data/a.parquet"),
            "The operating system must grant what is needed, found at '/data/a.parquet': Permission denied; change its "
            "permissions. `mstudy --debug` shows where.",
        ),
        (
            OSError(errno.EMFILE, "Too many open files"),
            "The operating system must grant what is needed, found: Too many open files; raise the limit of open files "
            "(ulimit -n). `mstudy --debug` shows where.",
        ),
        (
            ModuleNotFoundError("No module named 'sklearn.datasets'", name="sklearn.datasets"),
            "Training must find sklearn.datasets, found it not installed; pip install 'mstudy[train]'.",
        ),
        (
            ModuleNotFoundError("No module named 'submitit'", name="submitit"),
            "--engine slurm must find submitit, found it not installed; pip install 'mstudy[slurm]'.",
        ),
        (
            OSError("no reason"),
            "The operating system must grant what is needed, found: no reason. `mstudy --debug` shows where.",
        ),
        (
            MemoryError(),
            "The work must fit into memory, found too little of it; ask for fewer --workers or a smaller study.",
        ),
        (
            RecursionError(),
            "The input must not be nested as deeply as this, found more levels than Python can follow.",
        ),
        (
            pl.exceptions.ComputeError("bad page\nstack of the engine"),
            "The input must be readable, found ComputeError: 'bad page'. `mstudy --debug` shows where.",
        ),
    ],
)
def test_a_foreseeable_fault_has_a_sentence(error, sentence):
    assert sentence_of(error) == sentence


@pytest.mark.parametrize(
    "error",
    [
        pa.ArrowInvalid("x"),
        zipfile.BadZipFile("x"),
        zlib.error("x"),
        lzma.LZMAError("x"),
        yaml.YAMLError("x"),
        json.JSONDecodeError("x", "y", 0),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_reader_raises_speaks_of_the_input(error):
    assert sentence_of(error).startswith(f"The input must be readable, found {type(error).__name__}: 'x")


@pytest.mark.parametrize(
    "error",
    [
        *(KeyError("x"), ValueError("x"), TypeError("x"), AssertionError()),
        *(ModuleNotFoundError("x", name="mstudy.nothing"), ModuleNotFoundError("x")),
    ],
)
def test_a_fault_of_the_program_itself_keeps_its_traceback(error):
    assert sentence_of(error) is None


def test_a_fault_is_one_line_and_a_traceback_for_who_asks():
    quiet = run("open('/nowhere/at/all')")
    loud = run("open('/nowhere/at/all')", MSTUDY_DEBUG="1")

    assert (quiet.returncode, quiet.stdout, quiet.stderr.count("\n")) == (1, "", 1)
    assert quiet.stderr.startswith("error: The operating system must grant what is needed, found at '/nowhere/at/all'")
    assert loud.returncode == 1
    assert "Traceback" in loud.stderr


@pytest.mark.parametrize("place", [["--debug", "train", "x"], ["train", "x", "--debug"]])
def test_debug_may_stand_anywhere(place, tmp_path):
    ended = subprocess.run([*MSTUDY, *place], capture_output=True, text=True, cwd=tmp_path)

    assert ended.returncode == 1
    assert "ConfigError" in ended.stderr


def test_after_two_dashes_debug_is_a_name(tmp_path):
    ended = subprocess.run([*MSTUDY, "validate", "--", "--debug"], capture_output=True, text=True, cwd=tmp_path)

    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert "--debug" in ended.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("body", ["print('x')", "print('x' * 100_000)"])
def test_output_that_cannot_be_written_is_a_sentence(body):
    ended = run(body, 'exec "$@" > /dev/full')

    assert ended.returncode == 1
    assert ended.stderr == (
        "error: The operating system must grant what is needed, found: No space left on device; make room on the disk. "
        "`mstudy --debug` shows where.\n"
    )


def test_a_reader_that_has_enough_of_the_output_ends_the_program_in_silence():
    ended = run("[print(n) for n in range(100_000)]", '"$@" | head -1')

    assert (ended.stdout, ended.stderr) == ("0\n", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("shell", ['exec "$@" 2>&-', 'exec "$@" 2>/dev/full'])
def test_where_stderr_takes_nothing_the_work_goes_on(shell):
    ended = run("say('half way'); print('done')", shell)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


def test_no_opened_file_takes_the_place_of_a_closed_stream(tmp_path):
    place = tmp_path / "file"
    ended = run(f"print(open({str(place)!r}, 'w').fileno(), file=open({str(place)!r}, 'w'))", 'exec "$@" <&- >&- 2>&-')

    assert ended.returncode == 0
    assert int(place.read_text()) > 2


def test_too_few_open_files_are_a_sentence_before_the_work(tmp_path):
    command = ["sh", "-c", 'ulimit -n 16; exec "$@"', "sh", *MSTUDY, "validate", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert ended.returncode == 1
    assert ended.stderr == (
        "error: At least 32 open files must be allowed, found a limit of 16; raise it with ulimit -n.\n"
    )


def test_a_limit_of_open_files_that_may_be_raised_is_raised():
    ended = run(
        "import resource; from mstudy.core.boundary import require_open_files; require_open_files(); "
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))",
        'ulimit -S -n 16; ulimit -H -n 100; exec "$@"',
    )

    assert (ended.stdout, ended.stderr) == ("(100, 100)\n", "")


def test_a_library_that_gives_up_is_a_sentence():
    class PanicException(BaseException):
        __module__ = "pyo3_runtime"

    assert sentence_of(PanicException("unwrap on None\nstack")) == (
        "A library gave up, found 'unwrap on None'. `mstudy --debug` shows where."
    )


@pytest.mark.parametrize("stream", ["sys.stdout", "sys.stderr"])
def test_a_letter_that_the_terminal_lacks_is_written_by_its_number(stream):
    ended = run(f"import sys; print('η', '\\udcff', file={stream})", PYTHONIOENCODING="ascii")

    assert ended.returncode == 0
    assert ended.stdout + ended.stderr == "\\u03b7 \\udcff\n"


def test_a_name_cannot_write_on_the_terminal():
    assert str(LogError("found \x1b[31mred\nerror: \udcff")) == r"found \x1b[31mred\nerror: \udcff"
