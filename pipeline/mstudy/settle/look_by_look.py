"""Train, analyse, and go on with more seeds where a claim is undecided, up to the last look.

The record of further seeds is written before their runs are trained: whatever ends a call, the next one goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from mstudy.analyze import analyze_quietly
from mstudy.core.engines.engine_params import LOCAL
from mstudy.core.errors import ConfigError
from mstudy.core.params import Params, Study
from mstudy.estimate.claims.all_claims import ALL_IDS
from mstudy.settle.cost import cost_of
from mstudy.settle.undecided import SETTLED_BY_SEEDS, Analysed
from mstudy.train.configs import RunConfig
from mstudy.train.stage import study_runs, train_study
from mstudy.train.sweep.settled import Line, Settled, read_settled, write_settled
from mstudy.train.sweep.store import Store


@dataclass(frozen=True)
class Settling:
    """One study that is settled. runs: the folder with one folder a study, which is analysed whole.

    records: the folder of the record of further seeds.
    """

    name: str
    params: Params
    store: Store
    runs: Path
    records: Path
    workers: int
    device: str
    tell: Callable[[str], None]

    def run(self, asked: Collection[str], dry_run: bool) -> None:
        """Go from look to look until the claims are decided, or no look is left for the lines that they rest on.

        asked: the claims; all that seeds can settle where it is empty.
        """
        claims = self._checked(asked)
        while True:
            settled = read_settled(self.records, self.name, self._study)
            lacking = self._lacking(settled)
            if lacking and dry_run:
                self.tell(f"to train before the next verdicts: {self._cost(settled, lacking)}")
                return
            own = self.runs / self.name
            engine = self.params.engine
            workers = self.workers if engine.kind == LOCAL else None
            train_study(self.name, self._study, self.store, own, workers, self.device, settled, engine)
            planned = self._plan_next(settled, claims)
            if planned is None or dry_run:
                return
            write_settled(self.records, self.name, self._study, planned)

    def _checked(self, asked: Collection[str]) -> tuple[str, ...]:
        if not self._study.looks:
            raise ConfigError(
                f"studies.{self.name}.looks must be the numbers of seeds to stop at, such as [5, 10, 20], found none."
            )
        unknown = sorted(set(asked) - ALL_IDS)
        if unknown:
            raise ConfigError(f"--claim must be one of {', '.join(sorted(ALL_IDS))}, found {unknown[0]!r}.")
        return tuple(sorted(set(asked))) or SETTLED_BY_SEEDS

    @property
    def _study(self) -> Study:
        return self.params.study(self.name)

    def _plan_next(self, settled: Settled, claims: tuple[str, ...]) -> Settled | None:
        """Analyse, tell the verdicts and what the next look costs; return its record, or None where all is done."""
        analysed = self._analyse()
        self.tell(", ".join(f"{name} {analysed.result.claims[name].verdict}" for name in claims))
        undecided = analysed.undecided(claims)
        if not undecided:
            self.tell("every claim asked is decided")
            return None
        seeds = analysed.next_seeds(undecided)
        if not seeds:
            self.tell(
                f"undecided: {', '.join(undecided)}; the lines of {self.name} that would tell have all their seeds"
            )
            return None
        entry = {"undecided": undecided, "lines": len(seeds), "seeds": max(seeds.values())}
        planned = settled.with_look(seeds, entry)
        lacking = self._lacking(planned)
        self.tell(f"undecided: {', '.join(undecided)}; next look: {_told(seeds)}: {self._cost(planned, lacking)}")
        return planned

    def _analyse(self) -> Analysed:
        looks = self.params.looks
        assert looks is not None  # the study has some
        cache = self.store.root / "analysis-cache"
        result = analyze_quietly(self.runs, cache, self.params.analysis, self.workers)
        return Analysed(result, self.name, looks)

    def _lacking(self, settled: Settled) -> list[RunConfig]:
        return [run for run in study_runs(self.name, self._study, settled) if run.run_id not in self.store]

    def _cost(self, settled: Settled, lacking: list[RunConfig]) -> str:
        known = [run for run in study_runs(self.name, self._study, settled) if run not in lacking]
        return cost_of(lacking, known, self.store, self.workers).text


def _told(seeds: Mapping[Line, int]) -> str:
    """Return the lines by their number of seeds."""
    counts = sorted(set(seeds.values()))
    return "; ".join(
        f"{n} seeds for " + ", ".join(f"b = {b}, mu = {mu:g}" for (b, mu), own in sorted(seeds.items()) if own == n)
        for n in counts
    )
