"""What is said of a probe that nobody asked for its summary: when it dies, or when Python ends."""

from __future__ import annotations

import atexit
import gc
import sys
import threading
import weakref

from mstudy.probe.failures import Failures

_living: weakref.WeakKeyDictionary[object, Failures] = weakref.WeakKeyDictionary()
_ended = threading.Event()


def tell_at_end(probe: object, failures: Failures) -> None:
    """Let the failures be told when the probe dies, or when Python ends and somebody still holds the probe."""
    _living[probe] = failures
    weakref.finalize(probe, _tell_of_dead, failures).atexit = False


def _tell_of_dead(failures: Failures) -> None:
    if not _ended.is_set():
        failures.tell()


@atexit.register
def _tell_of_living() -> None:
    """Print the sentences that are left, each once. A probe that only garbage holds has nothing to say any more."""
    _ended.set()
    gc.collect()
    sentences = dict.fromkeys(failures.summary() for failures in list(_living.values()))
    for sentence in filter(None, sentences):
        print(f"CurvatureProbe: {sentence}", file=sys.stderr)
