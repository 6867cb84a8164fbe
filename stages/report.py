"""Write the report: one HTML page."""

from pathlib import Path

from mstudy.core.boundary import exit_with_sentence
from mstudy.core.params_file import load
from mstudy.report.reproduction import Call
from mstudy.report.stage import report
from mstudy.runlog.reading.reader import read_runs


def main() -> None:
    analysis = load(Path("params.yaml")).analysis
    call = Call("runs", "reports", "params.yaml", by_dvc=True)
    report(read_runs("runs", reading=analysis.reading), Path("reports"), analysis, call)


if __name__ == "__main__":
    with exit_with_sentence():
        main()
