"""Vega, Vega-Lite and Vega-Embed in one script, for pages; and whether this machine lets pictures be drawn at all."""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache

from mstudy.core.errors import LogError

VL_VERSION = "6.4"
# Without the current folder on the path, whose modules are nobody's wish.
_PRINT_BUNDLE = (
    "import sys; sys.path[:] = [place for place in sys.path if place]; import vl_convert; "
    f"sys.stdout.buffer.write(vl_convert.javascript_bundle(vl_version='{VL_VERSION}').encode())"
)


class V8LogError(LogError):
    """V8 cannot start on this machine."""


@lru_cache(maxsize=1)
def bundle() -> str:
    """Return the script, from vl-convert: no download. Raises V8LogError where V8, which makes it, cannot start.

    V8 reserves tens of gigabytes of address space and ends its process where it may not, so it is a child's.
    """
    child = _child()
    made, _ = child.communicate()
    _child.cache_clear()
    if child.returncode != 0:
        raise V8LogError(
            f"The page and its pictures need the JavaScript engine V8, found that it ended with {child.returncode}; "
            f"raise the limit of address space (ulimit -v unlimited), or go where there is none."
        )
    return made.decode()


def start_bundle() -> None:
    """Begin to make the script, unless it is made: it takes two seconds, in which a page can be drawn."""
    if not bundle.cache_info().currsize:
        _child()


@lru_cache(maxsize=1)
def _child() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _PRINT_BUNDLE],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def require_v8() -> None:
    """Raise V8LogError where V8 cannot start: what draws pictures would end this process without a word."""
    bundle()
