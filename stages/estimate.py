"""Estimate thresholds, coincidence and deferral, and judge the claims."""

from pathlib import Path

from mstudy.errors import exit_with_sentence
from mstudy.params import load
from mstudy.steps.estimate import estimate


def main() -> None:
    params = load(Path("params.yaml"))
    estimate(Path("reports"), params.margins, params.estimate)


if __name__ == "__main__":
    with exit_with_sentence():
        main()
