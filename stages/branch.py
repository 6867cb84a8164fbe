"""Train the branches of one study's runs that sharpen abruptly: python -m stages.branch STUDY."""

import sys
from pathlib import Path

from mstudy.branch import branch_study
from mstudy.core.boundary import exit_interrupted, exit_with_sentence
from mstudy.core.params_file import load
from mstudy.train.sweep.settled import FOLDER, read_settled
from mstudy.train.sweep.store import DEFAULT_STORE, Store


def main(name: str) -> None:
    params = load(Path("params.yaml"))
    study, how, runs = params.study(name), params.branches_of(name), Path("runs")
    settled = read_settled(Path(FOLDER), name, study)
    out, store = runs / f"{name}-branches", Store(DEFAULT_STORE)
    branch_study(
        name, study, how, params.analysis, store, runs / name, out, None, settled=settled, engine=params.engine
    )


if __name__ == "__main__":
    with exit_with_sentence():
        try:
            main(sys.argv[1])
        except KeyboardInterrupt:
            exit_interrupted()  # what was finished is in the store
