"""Find abrupt sharpening in each run."""

from pathlib import Path

from mstudy.core.boundary import exit_with_sentence
from mstudy.core.params_file import load
from mstudy.detect.stage import detect
from mstudy.runlog.reading.reader import read_runs
from mstudy.workers.engine import workers_of


def main() -> None:
    params = load(Path("params.yaml"))
    analysis = params.analysis
    with workers_of(params.engine, None) as workers:
        folder = read_runs("runs", workers=workers, reading=analysis.reading)
        detect(folder, Path("reports"), analysis.detect, workers)


if __name__ == "__main__":
    with exit_with_sentence():
        main()
