"""One kind of intervention: whether the gap goes with the sharpening, and by more than the treatment does anyway."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mstudy.core.losses.words import ScaleWords
from mstudy.core.params import Estimate
from mstudy.estimate.event_times.contrasts import MEANS, Units
from mstudy.pairs.seed_tests import Sample, holm, p_equivalent, p_greater, t_interval
from mstudy.tables.table import BLOCK


@dataclass(frozen=True)
class Kind:
    """One kind of intervention. parents, branches: the mean gap of each unit with a gap to lose, (n_units,). contrasts:
    how much more of the gap goes than at the control time, of the units with a control.

    p_parents: that the parents' gap is within the margin or below; p_branches: that the branches' is not within it;
    p_contrast: that no more goes than at the control time; p_remaining: that the branches' gap is not above the
    margin. n_left_out: blocks in which the parents have no gap that could be lost. everywhere: the mean gap of parents
    and branches, and the contrasts, of these blocks too.
    """

    name: str
    words: ScaleWords
    by_momentum: bool
    unit: str
    parents: Sample
    branches: Sample
    contrasts: Sample
    margin: float
    p_parents: float
    p_branches: float
    p_contrast: float
    p_remaining: float
    n_left_out: int
    everywhere: tuple[Sample, Sample, Sample]

    @classmethod
    def of(cls, rows: pl.DataFrame, margin: float, words: ScaleWords, estimate: Estimate) -> Kind:
        """Test the branches of one kind, with their controls."""
        blocks = rows.partition_by(BLOCK, maintain_order=True)
        with_gap = [block for block, p in zip(blocks, _p_of_gaps(blocks, margin), strict=True) if p <= estimate.alpha]
        units = Units.of(pl.concat(with_gap) if with_gap else rows.clear(), estimate)
        parents, branches, contrasts = _samples(units)
        return cls(
            str(rows["intervention"][0]),
            words,
            bool(rows["by_momentum"].any()),
            units.name,
            parents,
            branches,
            contrasts,
            margin,
            p_parents=one_if_none(p_greater(parents, margin)),
            p_branches=one_if_none(p_equivalent(branches, margin)),
            p_contrast=one_if_none(p_greater(contrasts, 0.0)),
            p_remaining=one_if_none(p_greater(branches, margin)),
            n_left_out=len(blocks) - len(with_gap),
            everywhere=_samples(Units.of(rows, estimate)),
        )

    @property
    def can_support(self) -> bool:
        """Whether the claim may rest on this kind."""
        return not self.by_momentum and len(self.contrasts) > 0

    @property
    def p_gone(self) -> float:
        """That the gap was not there, or is not gone: both tests must reject, an intersection-union test."""
        return max(self.p_parents, self.p_branches)

    @property
    def p_holds(self) -> float:
        """That the gap is not gone, or goes no more than at the control time: again all tests must reject."""
        return max(self.p_gone, self.p_contrast)

    @property
    def sentence(self) -> str:
        """What was found, for the reason."""
        if not len(self.branches):
            parents, branches, contrasts = self.everywhere
            return (
                f"{self.name}: the {self.words.measure} is {parents.mean():+.3f} with the sharpening and "
                f"{branches.mean():+.3f} without it; {self._contrast_words(contrasts)}; but in none of "
                f"{self.n_left_out} blocks is the gap of the runs left alone shown to be above {self.margin:g}, so "
                "there was none to lose"
            )
        left_out = f"; blocks without a gap to lose left out: {self.n_left_out}" if self.n_left_out else ""
        return (
            f"{self.name}: without the sharpening the {self.words.measure} is {self.branches.mean():+.3f} (p that it "
            f"is beyond ±{self.margin:g}: {self.p_branches:.3g}), with it {self.parents.mean():+.3f} (p that it is at "
            f"most {self.margin:g}: {self.p_parents:.3g}; n = {len(self.branches)} {self.unit}{left_out}); "
            f"{self._contrast_words(self.contrasts)}"
        )

    def _contrast_words(self, contrasts: Sample) -> str:
        if not len(contrasts):
            return "no branch from a control time shows what it does anyway, so the claim cannot rest on it"
        momentum = ", but with momentum it is SGDM, so the claim cannot rest on it" if self.by_momentum else ""
        return (
            f"that is {contrasts.mean():+.3f} more than at the control time (p that it is no more: "
            f"{one_if_none(p_greater(contrasts, 0.0)):.3g}; n = {len(contrasts)}){momentum}"
        )

    @property
    def mean(self) -> float | None:
        """The mean contrast; the mean gap of the branches without controls; None where no block has a gap to lose."""
        sample = self._estimated
        return float(sample.mean()) if len(sample) else None

    @property
    def unit_of_mean(self) -> str:
        """What `mean` is."""
        if self.can_support:
            return f"{self.words.symbol} that goes before the sharpening, less at the control time ({self.name})"
        return f"{self.words.symbol} of the branches ({self.name})"

    def interval(self, alpha: float) -> tuple[float, float] | None:
        """Return Student's interval of `mean`."""
        interval = t_interval(self._estimated, alpha)
        return interval and interval[1:]

    @property
    def _estimated(self) -> Sample:
        return self.contrasts if self.can_support else self.branches


def _samples(units: Units) -> tuple[Sample, Sample, Sample]:
    return units.sample("gap_parent"), units.sample("gap_branch"), units.sample("contrast")


def _p_of_gaps(blocks: list[pl.DataFrame], margin: float) -> list[float]:
    """Test in each block that the parents have no gap above the margin, over its seeds (Holm over the blocks).

    Without the correction, one block of many would seem to have a gap that could be lost.
    """
    seeds = [
        np.asarray(block.group_by("seed", maintain_order=True).agg(pl.col(MEANS).mean())["gap_parent"])
        for block in blocks
    ]
    return holm([one_if_none(p_greater(gaps, margin)) for gaps in seeds])


def p_gone_of(parents: Sample, branches: Sample, margin: float) -> float:
    """Test that the parents have a gap and the branches none: both at alpha, an intersection-union test."""
    return max(one_if_none(p_greater(parents, margin)), one_if_none(p_equivalent(branches, margin)))


def one_if_none(p_value: float | None) -> float:
    return 1.0 if p_value is None else p_value
