"""Compare SGD and SGDM: the advantage of each cell, the parting of each pair."""

from pathlib import Path

from mstudy.compare.stage import compare
from mstudy.core.boundary import exit_with_sentence
from mstudy.core.params_file import load
from mstudy.runlog.reading.reader import read_runs
from mstudy.workers.engine import workers_of


def main() -> None:
    params = load(Path("params.yaml"))
    analysis = params.analysis
    with workers_of(params.engine, None) as workers:
        folder = read_runs("runs", workers=workers, reading=analysis.reading)
        compare(folder, Path("reports"), analysis.margins, analysis.compare, workers)


if __name__ == "__main__":
    with exit_with_sentence():
        main()
