"""Train the runs of one study that the store lacks: python -m stages.train STUDY."""

import sys
from pathlib import Path

from mstudy.core.boundary import exit_interrupted, exit_with_sentence
from mstudy.core.params_file import load
from mstudy.train.stage import train_study
from mstudy.train.sweep.settled import FOLDER, read_settled
from mstudy.train.sweep.store import DEFAULT_STORE, Store


def main(name: str) -> None:
    params = load(Path("params.yaml"))
    study = params.study(name)
    settled = read_settled(Path(FOLDER), name, study)
    train_study(name, study, Store(DEFAULT_STORE), Path("runs") / name, None, settled=settled, engine=params.engine)


if __name__ == "__main__":
    with exit_with_sentence():
        try:
            main(sys.argv[1])
        except KeyboardInterrupt:
            exit_interrupted()  # what was finished is in the store
