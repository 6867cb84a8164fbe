"""Leaving after an interrupt. The rest of errors.py is tested where the errors arise."""

import subprocess
import sys


def test_a_signal_that_comes_while_an_interrupted_program_ends_is_ignored():
    """As the second of two quick Ctrl-C, which meets Python at its clean-up."""
    code = (
        "import atexit, os, signal\n"
        "from mstudy.core.errors import exit_interrupted\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "exit_interrupted('interrupted; go on')\n"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted; go on\n")
