"""The whole of params.yaml: the studies, and one section for each stage of the analysis.

The defaults are those of the shipped params.yaml (a test holds the two equal), so `mstudy analyze` gives in any folder
what `dvc repro` gives. Only `params_file.py` reads YAML, and no function takes the whole of `Params`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mstudy.core.analysis_params import Analysis, Compare, Detect, Estimate, Looks, Margins, Report
from mstudy.core.branching.branch_params import Branches
from mstudy.core.engines.engine_params import Engine
from mstudy.core.errors import ConfigError, require
from mstudy.core.study_params import FULL, Cadence, Grid, Init, Study

__all__ = [
    "FULL",
    "Analysis",
    "Branches",
    "Cadence",
    "Compare",
    "Detect",
    "Engine",
    "Estimate",
    "Grid",
    "Init",
    "Looks",
    "Margins",
    "Params",
    "Report",
    "Study",
]


def _default_studies() -> dict[str, Study]:
    """Return the studies that are shipped: over batch sizes; full batch where SGD sharpens abruptly, and Nesterov's."""
    common = Study(n_train=512, init=Init(scale=0.7), first_seed=1000)
    over_batch_sizes = replace(
        common,
        batch_sizes=(16, 64, 256, FULL),
        eta_ef=Grid(0.025, 1.6, 13),
        twins=2,
        log=Cadence().measuring(sharpness=0, batch_sharpness=17),
    )
    full = replace(common, batch_sizes=(FULL,))
    edge = replace(full, eta_ef=Grid(0.13, 0.31, 6), seeds=8, log=Cadence().measuring(sharpness=0))
    nesterov = replace(full, eta_ef=Grid(0.12, 0.33, 4), momenta=(0.0, 0.9), nesterov=True)
    return {"digits": over_batch_sizes, "digits-edge": edge, "digits-nesterov": nesterov}


def _default_branches() -> dict[str, Branches]:
    """Return the branches of the study in which SGD sharpens."""
    return {"digits-edge": Branches(rates=2)}


@dataclass(frozen=True)
class Params:
    """The whole of params.yaml."""

    studies: dict[str, Study] = field(default_factory=_default_studies)
    branches: dict[str, Branches] = field(default_factory=_default_branches)
    detect: Detect = field(default_factory=Detect)
    margins: Margins = field(default_factory=Margins)
    compare: Compare = field(default_factory=Compare)
    estimate: Estimate = field(default_factory=Estimate)
    report: Report = field(default_factory=Report)
    engine: Engine = field(default_factory=Engine)

    def __post_init__(self) -> None:
        with_looks = self._studies_with_looks
        for name in with_looks[1:]:
            looks, first = self.studies[name].looks, self.studies[with_looks[0]].looks
            rule = f"empty or those of studies.{with_looks[0]}, {list(first)} (a claim is judged over all studies)"
            require(looks == first, f"studies.{name}.looks", list(looks), rule)

    @property
    def _studies_with_looks(self) -> list[str]:
        return [name for name, study in self.studies.items() if study.looks]

    @property
    def looks(self) -> Looks | None:
        """The looks that studies share; None where no study has any."""
        names = self._studies_with_looks
        if not names:
            return None
        first_seeds = tuple(self.studies[name].first_seed for name in names)
        return Looks(self.studies[names[0]].looks, tuple(names), first_seeds)

    def branches_of(self, name: str) -> Branches:
        """Return the branches of the study of that name."""
        if name not in self.branches:
            raise ConfigError(
                f"branches must name the study whose runs are to branch, found {sorted(self.branches)}, "
                f"asked for {name!r}; a line `{name}: {{}}` in the section branches has the defaults."
            )
        return self.branches[name]

    @property
    def analysis(self) -> Analysis:
        """The part that the analysis reads."""
        return Analysis(self.detect, self.margins, self.compare, self.estimate, self.report, self.looks)

    def study(self, name: str) -> Study:
        """Return the study of that name."""
        if name not in self.studies:
            raise ConfigError(
                f"studies must name the study to train, found {sorted(self.studies)}, asked for {name!r}."
            )
        return self.studies[name]
