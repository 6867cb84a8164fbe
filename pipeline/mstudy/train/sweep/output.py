"""The folder that a study's logs are copied to: what may be removed there, and what is refused.

A pipeline may delete or lock its outputs, never the store; so they are copies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from mstudy.core.errors import ConfigError, LogError, shown
from mstudy.core.files import write_whole
from mstudy.core.outside import lie_apart
from mstudy.train.sweep.log_identity import is_log_of
from mstudy.train.sweep.store import Store


def check_output(runs: Path, store: Store, study: str, run_ids: Collection[str]) -> None:
    """Raise ConfigError where the folder and the store lie in each other, LogError for a file that is not ours.

    Nothing is written.
    """
    if not lie_apart(runs, store.root):
        raise ConfigError(
            f"The folder for the run logs (--out) must lie neither in the store (--store) nor around it, "
            f"found {shown(str(runs))} and {shown(str(store.root))}; name another folder."
        )
    for _ in _stale(runs, store, study, run_ids):
        pass


def materialise(store: Store, study: str, run_ids: Collection[str], runs: Path) -> None:
    """Make `runs` hold exactly these runs of the study, among the files `*.parquet` directly in it.

    Another file is removed only where the store holds the same bytes as a run of the same study, so nothing is lost;
    any other `*.parquet` is a refusal.
    """
    stale = list(_stale(runs, store, study, run_ids))
    try:
        runs.mkdir(parents=True, exist_ok=True)
        for path in stale:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise LogError(f"The runs folder must be writable, found at {runs}: {error.strerror}.") from None
    for run_id in run_ids:
        write_whole(runs / f"{run_id}.parquet", _sound(store, run_id), "The runs folder", runs)


def _sound(store: Store, run_id: str) -> bytes:
    content = store.read(run_id)
    if content is None:
        raise LogError(
            f"The store must keep each log as it was written, found otherwise at {store.path(run_id)}; "
            "run the same command again to train its run anew."
        )
    return content


def _stale(runs: Path, store: Store, study: str, run_ids: Collection[str]) -> Iterator[Path]:
    """Yield the copies of other runs of the study. Raises LogError for a file that is none."""
    wanted = {f"{run_id}.parquet" for run_id in run_ids}
    for path in _parquet_files(runs):
        if path.name in wanted:
            continue
        if not _is_copy(path, store, study):
            raise LogError(
                f"The runs folder must hold no *.parquet but copies of this study's runs in the store, "
                f"found {shown(path.name)} in {runs}; move it away, or name another --out."
            )
        yield path


def _is_copy(path: Path, store: Store, study: str) -> bool:
    """Return whether the store holds the same bytes as the run of the file's name, of this study."""
    try:
        content = path.read_bytes() if path.is_file() else None
    except OSError:
        return False
    return content is not None and is_log_of(content, path.stem, study) and store.read(path.stem) == content


def _parquet_files(runs: Path) -> list[Path]:
    try:
        return sorted(path for path in runs.iterdir() if path.suffix == ".parquet")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LogError(
            f"The runs folder must be a folder that can be read, found at {runs}: {error.strerror}."
        ) from None
