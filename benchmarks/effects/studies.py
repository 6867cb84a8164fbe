"""Train, branch and analyse the studies; what a folder has already is not done again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mstudy.analysis_result import AnalysisResult
from mstudy.analyze import analyze
from mstudy.branch import branch_study
from mstudy.core.params import Params, Study
from mstudy.core.params_file import load
from mstudy.train.stage import train_study
from mstudy.train.sweep.store import Store

PARAMS = Path(__file__).with_name("params.yaml")


@dataclass(frozen=True)
class Studied:
    """A study with the analysis of its runs and branches."""

    name: str
    study: Study
    result: AnalysisResult


def study_all(folder: Path, workers: int) -> list[Studied]:
    """Return every study of PARAMS, with logs and results in the folder."""
    params = load(PARAMS)
    return [_study(name, params, folder, workers) for name in params.studies]


def _study(name: str, params: Params, folder: Path, workers: int) -> Studied:
    study, store, runs = params.study(name), Store(folder / "store"), folder / "runs" / name
    own, branches = runs / name, runs / f"{name}-branches"
    train_study(name, study, store, own, workers, "cpu")
    branch_study(name, study, params.branches_of(name), params.analysis, store, own, branches, workers, "cpu")
    return Studied(name, study, analyze(runs, folder / "results" / name, params.analysis, workers=workers))
