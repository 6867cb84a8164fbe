"""Compare SGD and SGDM: the advantage of each cell, the parting of each pair."""

from pathlib import Path

from mstudy.errors import exit_with_sentence
from mstudy.params import load
from mstudy.runlog.reader import read_runs
from mstudy.steps.compare import compare


def main() -> None:
    compare(read_runs(Path("runs")), Path("reports"), load(Path("params.yaml")).compare)


if __name__ == "__main__":
    with exit_with_sentence():
        main()
