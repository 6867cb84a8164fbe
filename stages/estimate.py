"""Estimate thresholds, coincidence and deferral, and judge the claims."""

from pathlib import Path

from mstudy.core.boundary import exit_with_sentence
from mstudy.core.params_file import load
from mstudy.estimate.stage import estimate


def main() -> None:
    params = load(Path("params.yaml"))
    scale = params.analysis.scale
    estimate(Path("reports"), params.detect, params.margins, params.estimate, params.looks, scale)


if __name__ == "__main__":
    with exit_with_sentence():
        main()
