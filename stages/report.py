"""Write the report: one HTML page."""

from pathlib import Path

from mstudy.errors import exit_with_sentence
from mstudy.params import load
from mstudy.report.page import write_report
from mstudy.report.sections import drawn_runs
from mstudy.runlog.reader import read_runs
from mstudy.steps.files import PAGE
from mstudy.steps.results import read_results


def main() -> None:
    out, report = Path("reports"), load(Path("params.yaml")).report
    results = read_results(out)
    write_report(results, read_runs("runs").series(drawn_runs(results, report)), out / PAGE, report)


if __name__ == "__main__":
    with exit_with_sentence():
        main()
