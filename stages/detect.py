"""Find abrupt sharpening in each run."""

from pathlib import Path

from mstudy.core.boundary import exit_with_sentence
from mstudy.core.params_file import load
from mstudy.detect.stage import detect
from mstudy.runlog.reading.reader import read_runs
from mstudy.workers.ordered import Workers
from mstudy.workers.surroundings import available_cores


def main() -> None:
    analysis = load(Path("params.yaml")).analysis
    with Workers(available_cores()) as workers:
        folder = read_runs("runs", workers=workers, reading=analysis.reading)
        detect(folder, Path("reports"), analysis.detect, workers)


if __name__ == "__main__":
    with exit_with_sentence():
        main()
