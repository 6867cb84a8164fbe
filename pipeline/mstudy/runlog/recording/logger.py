"""RunLogger: the log of a run whose training loop is the user's own."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, SupportsFloat, SupportsIndex

from mstudy.core.errors import LogError
from mstudy.core.files import write_whole
from mstudy.core.statuses import CurvatureBy, RunStatus
from mstudy.runlog.format.schema import MAX_STEP
from mstudy.runlog.format.writer import write_run
from mstudy.runlog.recording.describe import complete_metadata
from mstudy.runlog.recording.journal import head_line, journal_of, parse_journal, row_line, whole_length
from mstudy.runlog.recording.journal_file import JournalFile
from mstudy.runlog.recording.resume import read_finished
from mstudy.runlog.recording.sources import Source, Sources
from mstudy.runlog.recording.values import number_of, whole_step

_RESUMED_KEYS = (
    "optimizer",
    "momentum",
    "learning_rate",
    "batch_size",
    "seed",
    "study",
    "model",
    "dataset",
    "objective",
)


class RunLogger:
    """Writes one run's log, docs/log-format.md, row by row.

    Use it as a context manager: leaving the body in peace completes the run, leaving it by an exception (Ctrl-C
    included) makes it `interrupted`, and either way one Parquet file stands at `path`. Until then the rows are in a
    journal beside it, each handed to the operating system before `log` returns, so a killed process loses nothing
    that was logged; only a machine that goes down may lose the last seconds. `mstudy import journal` makes logs of the
    journals that killed runs left.

    Opened on a journal, or on the log of an interrupted run, it goes on there: what was logged from the first new step
    on is replaced, so it does not matter from which checkpoint the training goes on.

    path: ends in `.parquet`; its name is the `run_id` unless one is given. learning_rate, momentum, batch_size, seed:
    as in docs/log-format.md. optimizer: `sgd`, `heavy_ball` or `nesterov`; by default the first two, by the momentum.
    about: anything else that is text or a number: `study`, `model`, `dataset`, `objective`, `n_train`, ...; of a run
    that leaves another, `branch_of` and `intervention={"kind": ..., "step": ...}`.
    overwrite: begin anew whatever lies at `path`, even if another object of this process has it open.

    Raises LogError where `about` lacks something, a finished run lies at `path`, another process logs there, what lies
    there is of another configuration, or the disk refuses. In distributed training log in one process alone.

    Example:
        >>> import mstudy
        >>> with mstudy.RunLogger("logs/a.parquet", learning_rate=0.1, momentum=0.9, batch_size=64, seed=0) as log:
        ...     for step in range(3):
        ...         log.log(step, loss=1 / (step + 1))
        >>> mstudy.read_logs("logs/").runs["n_points"].to_list()
        [3]
    """

    def __init__(
        self,
        path: str | Path,
        *,
        learning_rate: float,
        batch_size: int,
        seed: int,
        momentum: float | None = None,
        optimizer: str | None = None,
        run_id: str | None = None,
        overwrite: bool = False,
        **about: Any,
    ) -> None:
        self.path = Path(path).absolute()  # a training loop may change the current folder
        _check_name(self.path.name)
        facts = {"learning_rate": learning_rate, "momentum": momentum, "batch_size": batch_size, "seed": seed}
        self._metadata = complete_metadata(run_id or self.path.stem, about | facts | {"optimizer": optimizer})
        self._last_step = -1
        self._diverged_step: int | None = None
        self._sources = Sources()
        self._journal = self._open(overwrite)

    @property
    def diverged(self) -> bool:
        """Whether the run has diverged; what is logged from then on is dropped."""
        return self._diverged_step is not None

    def log(
        self, step: SupportsIndex | SupportsFloat, loss: SupportsFloat, **columns: SupportsFloat | CurvatureBy | None
    ) -> None:
        """Log one row. step: updates made before its quantities were measured, larger than in the row before.

        loss: mean training loss. A loss that is not finite is the end of the log: the run has diverged at this step,
        and this row and all later ones are dropped. columns: of docs/log-format.md or your own; None and what is not
        finite mean "not measured". Raises LogError where the step does not increase, a value is no number, or the disk
        refuses.
        """
        step = whole_step(step, self.path)
        self._check_step(step)
        value = number_of("loss", loss, self.path)
        if not math.isfinite(value):
            self.mark_diverged(step)
        if self._diverged_step is not None:
            return
        row: dict[str, Any] = {"step": step, "loss": value}
        for name, given in columns.items():
            if isinstance(given, CurvatureBy):  # of the run as a whole
                self._metadata[name] = str(given)
                continue
            number = math.nan if given is None else number_of(name, given, self.path)
            row[name] = number if math.isfinite(number) else None
        if self._sources.have_news():
            self._journal.append(head_line(self._metadata | self._sources.about()))
        self._journal.append(row_line(row))
        self._last_step = step

    def attach(self, source: Source) -> None:
        """Let what `source.about` says at the end stand in the metadata; `source.tell()` is then called."""
        self._sources.add(source)

    def mark_diverged(self, step: SupportsIndex | SupportsFloat) -> None:
        """Note that the run diverged at this step, by your own rule; what is logged from now on is dropped."""
        if self._diverged_step is None:
            self._diverged_step = whole_step(step, self.path)

    def finish(self, status: str = RunStatus.COMPLETED) -> None:
        """Write the Parquet file and remove the journal; a second call does nothing.

        status: `completed`, `interrupted` or `diverged`; a run that is marked as diverged stays so. Raises LogError
        where nothing was logged or the disk refuses; in the second case the journal stays, and `finish` can be called
        again when there is space.
        """
        if status not in tuple(RunStatus):
            raise LogError(f"status must be one of {', '.join(tuple(RunStatus))}, found {status!r}, in {self.path}.")
        if self._journal.closed:
            return
        if status == RunStatus.DIVERGED:
            self.mark_diverged(self._last_step + 1)
        self._sources.tell()
        columns = parse_journal(self._journal.content(), journal_of(self.path)).columns
        if not columns:
            self._journal.remove()
            raise LogError(f"A run's log must hold at least one row, found none logged, for {self.path}.")
        ended = {"status": RunStatus.DIVERGED if self.diverged else status, "diverged_step": self._diverged_step}
        write_run(self.path, columns, self._metadata | self._sources.about() | ended)
        self._journal.remove()

    def __enter__(self) -> RunLogger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
            return
        with contextlib.suppress(LogError):  # the body's own exception is the one to be seen
            self.finish(RunStatus.INTERRUPTED)

    def _check_step(self, step: int) -> None:
        if step <= self._last_step or step < 0:
            found = f"{step} after {self._last_step}" if self._last_step >= 0 else str(step)
            raise LogError(f"step must be at least 0 and increase from row to row, found {found}, in {self.path}.")
        if step > MAX_STEP:
            raise LogError(f"step must be at most {MAX_STEP}, found {step}, in {self.path}.")

    def _open(self, overwrite: bool) -> JournalFile:
        kept = 0 if overwrite else self._resume(journal_of(self.path))
        journal = JournalFile(self.path, kept, take_over=overwrite)
        try:
            journal.append(head_line(self._metadata))
        except BaseException:
            journal.close()
            raise
        return journal

    def _resume(self, place: Path) -> int:
        """Make the journal hold what an earlier session left; the length of its whole lines."""
        content = _read(place)
        content = content[: whole_length(content)]
        if content:
            self._check_same(parse_journal(content, place).metadata, place)
        elif self.path.exists():
            metadata, rows = read_finished(self.path)
            if metadata.get("status") != RunStatus.INTERRUPTED:
                raise LogError(
                    f"A log must not lie at {self.path} yet, found a run of status {metadata.get('status')!r}; "
                    "choose another name, or begin it anew with overwrite=True."
                )
            self._check_same(metadata, self.path)
            content = head_line(metadata) + b"".join(map(row_line, rows))
            write_whole(place, content, "A run's journal")
        return len(content)

    def _check_same(self, earlier: Mapping[str, Any], where: Path) -> None:
        for key in _RESUMED_KEYS:
            if earlier.get(key) != self._metadata.get(key):
                raise LogError(
                    f"A run must go on as it began: {key} is {self._metadata.get(key)!r}, found {earlier.get(key)!r} "
                    f"in {where}; choose another name, or begin it anew with overwrite=True."
                )


def _check_name(name: str) -> None:
    if not name.endswith(".parquet"):
        raise LogError(f"The name of a log must end in .parquet, found {name!r}.")
    if name.startswith("."):
        raise LogError(f"The name of a log must not begin with a dot, as hidden files are not read, found {name!r}.")


def _read(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise LogError(f"A run's journal must be readable, found at {place}: {error.strerror or error}.") from None
