"""`mstudy unpack`: the logs of a folder of packs, each as a file with the bytes that it had."""

from __future__ import annotations

from pathlib import Path

from mstudy.core.errors import LogError, shown
from mstudy.core.files import TEMPORARY_SUFFIX, write_whole
from mstudy.runlog.raw.find_source import source_of
from mstudy.runlog.raw.listing import list_folder
from mstudy.runlog.raw.packs import PackSource


def unpack(packs: str, out: Path) -> int:
    """Write every log of `packs` below `out`, and what a manifest said of them; return how many logs there are.

    Nothing is replaced: `out` must be new, or hold some of the same files, as after an interruption. Raises LogError.
    """
    source = source_of(packs)
    if not isinstance(source, PackSource):
        raise LogError(f"PACKS must be a folder that `mstudy pack` wrote, found none at {packs}.")
    names = source.list_files().names
    _require_ours(out, set(names))
    for name in names:
        _write(source, name, out)
    return sum(source.has(name) for name in names)


def _require_ours(out: Path, names: set[str]) -> None:
    present = list_folder(str(out)).names if out.exists() else []
    foreign = next((name for name in present if name not in names and not name.endswith(TEMPORARY_SUFFIX)), None)
    if foreign is not None:
        raise LogError(
            f"OUT must be a new folder, or hold nothing but logs of these packs, found {shown(foreign)} in {out}; "
            f"choose another folder."
        )


def _write(source: PackSource, name: str, out: Path) -> None:
    try:
        content = source.read(name)
        if (out / name).is_file():
            if (out / name).read_bytes() == content:
                return
            raise LogError(f"OUT must not hold another log of the same name, found {shown(name)} in {out}; move it.")
    except OSError as error:
        raise LogError(
            f"Every log must be as it was packed, found {shown(name)}: {error.strerror or error}; copy the packs again."
        ) from None
    write_whole(out / name, content, "The output folder", out)
