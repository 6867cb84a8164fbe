"""Find abrupt sharpening in each run."""

from pathlib import Path

from mstudy.core.boundary import exit_with_sentence
from mstudy.core.params_file import load
from mstudy.detect.stage import detect
from mstudy.runlog.reading.reader import read_runs
from mstudy.workers import Workers, available_cores


def main() -> None:
    params = load(Path("params.yaml")).detect
    with Workers(available_cores()) as workers:
        detect(read_runs("runs", workers=workers), Path("reports"), params, workers)


if __name__ == "__main__":
    with exit_with_sentence():
        main()
