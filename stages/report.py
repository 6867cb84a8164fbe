"""Write the report: one HTML page."""

from pathlib import Path

from mstudy.errors import exit_with_sentence
from mstudy.params import load
from mstudy.report.explorer import drawn_runs
from mstudy.report.page import write_report
from mstudy.runlog.reader import read_runs
from mstudy.steps.files import PAGE
from mstudy.steps.results import read_results


def main() -> None:
    out, analysis = Path("reports"), load(Path("params.yaml")).analysis
    results = read_results(out)
    points = read_runs("runs").series(drawn_runs(results, analysis.report))
    write_report(results, points, out / PAGE, analysis)


if __name__ == "__main__":
    with exit_with_sentence():
        main()
