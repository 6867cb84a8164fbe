"""A stamp says what the results of one stage were made of, so that results that do not belong together are refused.

A stage writes `stamps/STAGE.json` after its results. The stamp holds digests of the runs and of the code, the
parameters, and the digest of each file that the stage read from an earlier stage or wrote. A stage that was killed, a
table that was altered, and a table of another analysis all leave a digest that does not fit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from mstudy.core.errors import ConfigError, LogError, shown
from mstudy.core.files import content_digest, read_result, write_json
from mstudy.tables.code import code_digest
from mstudy.tables.table import RESULTS, Table

STAGES = ("detect", "compare", "estimate")
_AGAIN = "run `dvc repro` or `mstudy analyze` again"


@dataclass(frozen=True)
class Stamp:
    """code, runs: digests; runs is empty for a stage that reads tables only. params: the values by section and key.

    read, written: the digest of each file, by its place in the output folder.
    """

    stage: str
    code: str
    runs: str
    params: dict[str, dict[str, Any]]
    read: dict[str, str]
    written: dict[str, str]


@dataclass(frozen=True)
class Finished:
    """A finished analysis whose parts belong together: the content of each file, and the stamps."""

    out: Path
    contents: dict[str, bytes]
    stamps: tuple[Stamp, ...]

    @property
    def digest(self) -> str:
        """One digest of runs, parameters, code and results."""
        return content_digest(json.dumps([asdict(stamp) for stamp in self.stamps], sort_keys=True).encode())

    def frame(self, table: Table) -> pl.DataFrame:
        """Return a table. Raises LogError where it is another than this version of mstudy writes."""
        return table.parse(self._content(place_of(table)), self.out / place_of(table))

    def columns(self, table: Table, names: Sequence[str]) -> pl.DataFrame:
        """Return these columns of a table, which another version may have written. Raises LogError."""
        return table.parse_columns(self._content(place_of(table)), self.out / place_of(table), names)

    def json(self, name: str) -> Any:
        """Return the value of a JSON file."""
        return json.loads(self._content(name))

    def _content(self, name: str) -> bytes:
        if name not in self.contents:
            raise LogError(f"The stamps in {self.out} must name every result, found none of {name}; {_AGAIN}.")
        return self.contents[name]


def place_of(table: Table) -> str:
    """Return where a table lies in the output folder."""
    return f"{RESULTS}/{table.name}.parquet"


def runs_digest(scanned: pl.DataFrame) -> str:
    """Return a digest of runs: of their logs and of what a manifest says about them. Their place does not matter.

    scanned: runlog.rules.folder.SCANNED.
    """
    rows = scanned.drop("path").sort("run_id").rows(named=True)
    return content_digest(json.dumps(rows, sort_keys=True, default=str).encode())


def write_stamp(
    out: Path, stage: str, params: Mapping[str, Any], written: Iterable[str], runs: str = "", read: Iterable[str] = ()
) -> None:
    """Write the stamp of a stage. params: a dataclass for each section. written, read: files in `out`."""
    sections = {section: asdict(values) for section, values in params.items()}
    stamp = Stamp(stage, code_digest(stage), runs, sections, _digests(out, read), _digests(out, written))
    write_json(asdict(stamp), _path(out, stage))


def read_finished(out: Path) -> Finished:
    """Read a finished analysis. Raises LogError where a stage has not run, or the results do not belong together."""
    stamps = tuple(_read_stamp(_path(out, stage)) for stage in STAGES)
    written = {name: digest for stamp in stamps for name, digest in stamp.written.items()}
    contents = {name: _unchanged(out / name, digest) for name, digest in written.items()}
    if len({stamp.runs for stamp in stamps if stamp.runs}) > 1:
        raise LogError(f"All results in {out} must be of the same runs, found stages that read other ones; {_AGAIN}.")
    for stamp in stamps:
        for name, digest in stamp.read.items():
            if written.get(name) != digest:
                raise LogError(
                    f"The stage {stamp.stage} must have read the tables in {out}, found that {name} is another now; "
                    f"{_AGAIN}."
                )
    return Finished(out, contents, stamps)


def check_runs(finished: Finished, scanned: pl.DataFrame, runs: str) -> None:
    """Raise LogError unless these are the runs of the analysis. runs: where they lie, for the sentence."""
    if runs_digest(scanned) not in {stamp.runs for stamp in finished.stamps}:
        raise LogError(
            f"RUNS must hold the runs that the results in {finished.out} were made of, found others in {runs}; give "
            f"the folder that was analysed, or {_AGAIN}."
        )


def check_params(finished: Finished, sections: Mapping[str, Any]) -> None:
    """Raise ConfigError unless these are the parameters of the analysis.

    sections: a dataclass for each section; None for one that is not in use.
    """
    stamped = {section for stamp in finished.stamps for section in stamp.params}
    if sections.get("looks") is not None and "looks" not in stamped:
        raise ConfigError(
            f"The parameters must be those of the analysis in {finished.out}, found looks of seeds, which it did not "
            f"have; give the same --params, or {_AGAIN}."
        )
    for stamp in finished.stamps:
        for section, then in stamp.params.items():
            now = _plain(sections.get(section))
            if now == then:
                continue
            key = next(key for key in {**now, **then} if now.get(key) != then.get(key))
            raise ConfigError(
                f"The parameters must be those of the analysis in {finished.out}, found {section}.{key} = "
                f"{shown(now.get(key))}, which was {shown(then.get(key))} then; give the same --params, or {_AGAIN}."
            )


def _plain(section: Any) -> dict[str, Any]:
    """Return the values of a section as JSON holds them."""
    return {} if section is None else dict(json.loads(json.dumps(asdict(section))))


def check_code(finished: Finished) -> None:
    """Raise LogError where another version of the code made the results."""
    changed = [stamp.stage for stamp in finished.stamps if stamp.code != code_digest(stamp.stage)]
    if changed:
        raise LogError(
            f"The results in {finished.out} must be of this version of mstudy, found those of {', '.join(changed)} "
            f"made by another; {_AGAIN}."
        )


def _path(out: Path, stage: str) -> Path:
    return out / "stamps" / f"{stage}.json"


def _digests(out: Path, names: Iterable[str]) -> dict[str, str]:
    return {name: content_digest((out / name).read_bytes()) for name in sorted(names)}


def _unchanged(path: Path, digest: str) -> bytes:
    content = read_result(path)
    if content_digest(content) != digest:
        raise LogError(f"{path} must be as its stage wrote it, found another content; {_AGAIN}.")
    return content


def _read_stamp(path: Path) -> Stamp:
    content = read_result(path)
    try:
        stamp = Stamp(**json.loads(content))
    except (ValueError, TypeError, RecursionError):
        raise LogError(f"{path} must be a stamp of a stage, found another content; {_AGAIN}.") from None
    if not _is_sound(stamp, path.stem):
        raise LogError(f"{path} must be the stamp of {path.stem}, found other values; {_AGAIN}.")
    return stamp


def _is_sound(stamp: Stamp, stage: str) -> bool:
    return (
        stamp.stage == stage
        and isinstance(stamp.code, str)
        and isinstance(stamp.runs, str)
        and _is_mapping_of(dict, stamp.params)
        and _is_mapping_of(str, stamp.read)
        and _is_mapping_of(str, stamp.written)
    )


def _is_mapping_of(kind: type, value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(item, kind) for item in value.values())
