"""Run the tutorial as a reader would, in an empty folder, and write what its commands print under them.

`python docs/run_tutorial.py` rewrites the ```text blocks of docs/tutorial.md; it takes some minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs" / "tutorial.md"
WIDTH = 160  # characters of a printed line that are shown
# A file to write, or commands with what they print.
_STEP = re.compile(
    r'^```yaml title="(?P<name>[^"]+)"\n(?P<content>.*?)^```$|^```sh\n(?P<commands>.*?)^```\n\n```text\n.*?^```$',
    re.DOTALL | re.MULTILINE,
)


def run(text: str, folder: Path) -> str:
    """Return the tutorial with what its commands print in the folder."""
    (folder / "mstudy").symlink_to(ROOT)
    return _STEP.sub(lambda step: _done(step, folder), text)


def _done(step: re.Match[str], folder: Path) -> str:
    """Do one step; return its text."""
    if step["name"] is not None:
        (folder / step["name"]).write_text(step["content"], encoding="utf-8")
        return step[0]
    return f"```sh\n{step['commands']}```\n\n```text\n{_print(step['commands'], folder)}```"


def _print(commands: str, folder: Path) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-ec", commands], cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"the tutorial's commands must succeed, found exit code {done.returncode}:\n{done.stderr}")
    return "".join(f"{line[:WIDTH]} …\n" if len(line) > WIDTH else f"{line}\n" for line in done.stdout.splitlines())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        TUTORIAL.write_text(run(TUTORIAL.read_text(encoding="utf-8"), Path(empty)), encoding="utf-8")
