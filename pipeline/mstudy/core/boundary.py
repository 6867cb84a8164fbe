"""Where the program ends: a foreseeable fault is one sentence on stderr and an exit code, never a traceback.

What is not foreseeable is a fault of the program itself and keeps its traceback.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TextIO

from mstudy.core.errors import ConfigError, MstudyError, shown

DEBUG = "MSTUDY_DEBUG"  # environment variable: anything but nothing shows the traceback of a foreseeable fault

MIN_OPEN_FILES = 32  # libraries open some twenty for themselves, and fail in their own words without them

# Packages whose own exceptions speak of the input. They are named by text, so that none of them is imported here.
_READERS = frozenset(
    ("polars", "pyarrow", "zipfile", "zlib", "lzma", "_lzma", "tarfile", "gzip", "sqlite3", "yaml", "json", "PIL")
)
# What the extra `train` installs, by the names of import: the analysis does without.
_OF_TRAINING = frozenset(("torch", "sklearn", "PIL", "threadpoolctl"))
_OF_ENGINES = {"ray": "ray", "submitit": "slurm"}  # by the extra that installs them
_REMEDIES = {
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs",
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room within the quota",
    errno.EFBIG: "raise the limit of the size of a file (ulimit -f)",
    errno.EACCES: "change its permissions",
    errno.EPERM: "change its permissions",
    errno.EROFS: "choose a folder that can be written",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EAGAIN: "raise the limit of processes (ulimit -u), or ask for fewer --workers",
    errno.ENOMEM: "ask for fewer --workers",
}


@contextmanager
def exit_with_sentence() -> Iterator[None]:
    """Turn a foreseeable fault into one line on stderr and exit code 1."""
    _prepare_streams()
    try:
        with _complete_output():
            yield
    except BrokenPipeError:
        _drop(sys.stdout)  # whoever read the output has enough of it
        sys.exit(1)
    except BaseException as error:
        if not isinstance(error, Exception) and not _is_panic(error):
            raise  # an exit, or Ctrl-C
        sentence = sentence_of(error)
        if sentence is None or os.environ.get(DEBUG):
            raise
        say(f"error: {sentence}")
        sys.exit(1)


def sentence_of(error: BaseException) -> str | None:
    """Return the sentence of a foreseeable fault; None for a fault of the program itself."""
    match error:
        case MstudyError():
            return str(error)
        case ModuleNotFoundError(name=str(name)) if name.partition(".")[0] in _OF_TRAINING:
            return f"Training must find {name}, found it not installed; pip install 'mstudy[train]'."
        case ModuleNotFoundError(name=str(name)) if name.partition(".")[0] in _OF_ENGINES:
            extra = _OF_ENGINES[name.partition(".")[0]]
            return f"--engine {extra} must find {name}, found it not installed; pip install 'mstudy[{extra}]'."
        case OSError():
            return f"{_fault_of_system(error)} `mstudy --debug` shows where."
        case MemoryError():
            return "The work must fit into memory, found too little of it; ask for fewer --workers or a smaller study."
        case RecursionError():
            return "The input must not be nested as deeply as this, found more levels than Python can follow."
        case _ if _is_panic(error):
            reason = shown(str(error).partition("\n")[0])
            return f"A library gave up, found {reason}. `mstudy --debug` shows where."
        case _ if _READERS & {cls.__module__.partition(".")[0] for cls in type(error).__mro__}:
            reason = shown(str(error).partition("\n")[0])
            return f"The input must be readable, found {type(error).__name__}: {reason}. `mstudy --debug` shows where."
    return None


def exit_interrupted(sentence: str = "") -> NoReturn:
    """Print how to go on after an interrupt, and exit with 130.

    From here on Ctrl-C is ignored: there is nothing left to interrupt, and Python would end in a traceback.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sentence:
        say(sentence)
    sys.exit(130)


def require_open_files() -> None:
    """Raise ConfigError where the system allows too few open files for the work, after asking it for more."""
    try:
        import resource
    except ImportError:  # not a Unix
        return
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = {limit for limit in (allowed, most) if limit == resource.RLIM_INFINITY or limit >= MIN_OPEN_FILES}
    if not enough:
        raise ConfigError(
            f"At least {MIN_OPEN_FILES} open files must be allowed, found a limit of {most}; raise it with ulimit -n."
        )
    if allowed not in enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def say(sentence: str) -> None:
    """Print a sentence on stderr. Where stderr takes nothing, nothing is said and the work goes on."""
    if sys.stderr is not None:
        print_or_drop(sentence, "\n", sys.stderr)


def print_or_drop(text: str, end: str, stream: TextIO) -> bool:
    """Print text; return whether the stream took it. A stream that did not is led to the null device from then on."""
    try:
        print(text, end=end, file=stream, flush=True)
    except (OSError, ValueError):
        _drop(stream)
        return False
    return True


def _is_panic(error: BaseException) -> bool:
    """Return whether a library that is written in Rust gave up. Its exception is no `Exception`."""
    return type(error).__module__ == "pyo3_runtime"


def _fault_of_system(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    remedy = f"; {_REMEDIES[error.errno]}" if error.errno in _REMEDIES else ""
    if error.filename is not None:
        return f"The operating system must grant what is needed, found at {shown(error.filename)}: {reason}{remedy}."
    return f"The operating system must grant what is needed, found: {reason}{remedy}."


def _prepare_streams() -> None:
    """Open the null device for each closed standard stream. Make no stream fail on a letter that it cannot encode."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # else the next opened file would take its number, and output would go into that file
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _complete_output() -> Iterator[None]:
    """Write what is left of the output at the end, however the body ends, while a refusal can still be reported."""
    try:
        yield
    finally:
        if sys.stdout is not None:
            try:
                sys.stdout.flush()
            except OSError:
                _drop(sys.stdout)
                raise


def _drop(stream: TextIO) -> None:
    """Let a stream lead to the null device, so that Python does not try again when it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())
        finally:
            os.close(null)
