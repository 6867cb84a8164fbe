"""Write the report: one HTML page."""

from pathlib import Path

from mstudy.errors import exit_with_sentence
from mstudy.params import load
from mstudy.report.page import write_report
from mstudy.runlog.reader import read_runs
from mstudy.steps.files import PAGE
from mstudy.steps.results import read_results


def main() -> None:
    out = Path("reports")
    write_report(read_results(out), read_runs(Path("runs")).points, out / PAGE, load(Path("params.yaml")).report)


if __name__ == "__main__":
    with exit_with_sentence():
        main()
