"""Find abrupt sharpening in each run."""

from pathlib import Path

from mstudy.errors import exit_with_sentence
from mstudy.params import load
from mstudy.runlog.reader import read_runs
from mstudy.steps.detect import detect


def main() -> None:
    detect(read_runs(Path("runs")), Path("reports"), load(Path("params.yaml")).detect)


if __name__ == "__main__":
    with exit_with_sentence():
        main()
