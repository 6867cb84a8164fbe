"""`mstudy pack`: what is not yet packed of a folder of logs, in packs of a size that a disk and a network like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mstudy.cache import Cache
from mstudy.core.analysis_params import Reading
from mstudy.core.errors import LogError, printable, shown
from mstudy.core.files import TEMPORARY_SUFFIX, content_digest, write_whole
from mstudy.core.losses.scale import Scale
from mstudy.core.statuses import Severity
from mstudy.runlog.packs.footer import layout_of
from mstudy.runlog.packs.write_pack import Member, read_member, write_pack
from mstudy.runlog.raw.find_source import source_of
from mstudy.runlog.raw.listing import SUFFIX, list_folder
from mstudy.runlog.raw.manifest import read_manifest
from mstudy.runlog.raw.pack_index import INDICES, MARK, MARK_CONTENT, PACKS, Place, pack_of
from mstudy.runlog.raw.packs import open_packs, places_of
from mstudy.runlog.raw.source import Source
from mstudy.runlog.reading.scan import scan
from mstudy.workers.ordered import Workers
from mstudy.workers.progress import Progress

PACK_BYTES = 256 * 2**20  # of a pack; the last of a layout takes what is left, and so has 128 to 384 MiB


@dataclass(frozen=True)
class Packed:
    """What `pack` did. n_before: logs that were packed already. packs: names of the new packs."""

    n_new: int
    n_before: int
    packs: list[str]


def pack(runs: str, out: Path, workers: Workers | None = None, pack_bytes: int = PACK_BYTES) -> Packed:
    """Pack the logs below `runs` that the packs in `out` lack. `out` must lie apart from `runs`.

    Raises LogError where a log is bad, where `out` holds other files than packs, or a log of the same path and another
    content.
    """
    source = source_of(runs)
    before = _packed_before(out)
    # Nothing is compared here: a loss may be 0 or below.
    scanned = scan(source, workers or Workers(), Cache(), reading=Reading(Scale.DIFFERENCE))
    errors = [problem for problem in scanned.problems if problem.severity == Severity.ERROR]
    if errors:
        first = printable(f"{errors[0].path}: {errors[0].reason}")
        raise LogError(
            f"Every log must be sound to be packed, found {len(errors)} errors in {scanned.n_files} files, the first "
            f"{first} Mend or remove them (`mstudy validate` lists all)."
        )
    listed = read_manifest(source, source.list_files().names).by_path()
    members = [
        Member(source.size(run["path"]), run, listed.get(run["path"])) for run in scanned.runs.iter_rows(named=True)
    ]
    new = [member for member in members if not _is_packed(member, before, out)]
    write_whole(out / MARK, MARK_CONTENT, "The folder of packs", out)
    progress = Progress("packing logs", len(new))
    packs = []
    for part in _parts(source, new, pack_bytes):
        packs.append(write_pack(source, part, out))
        progress.advance(len(part))
    return Packed(len(new), len(members) - len(new), packs)


def _packed_before(out: Path) -> dict[str, Place]:
    """Return the logs that are packed. Raises LogError where `out` holds anything but packs.

    A pack without its index is one whose packing was interrupted: it is written again.
    """
    if not out.exists():
        return {}
    names = list_folder(str(out)).names
    foreign = next((name for name in names if not _is_ours(name)), None)
    if foreign is not None or (names and MARK not in names):
        raise LogError(
            f"PACKS must be a new folder, or hold packs of `mstudy pack` alone, found {shown(foreign or names[0])} in "
            f"{out}; choose another folder."
        )
    finished = {name for name in names if name.startswith(INDICES)}
    return places_of(open_packs(str(out), finished | (set(map(pack_of, finished)) & set(names))))


def _is_ours(name: str) -> bool:
    folder = name.startswith((PACKS, INDICES)) and name.count("/") == 1
    return name == MARK or (folder and name.endswith((SUFFIX, TEMPORARY_SUFFIX)))


def _is_packed(member: Member, before: dict[str, Place], out: Path) -> bool:
    place = before.get(member.path)
    if place is None:
        return False
    if place.digest != member.run["digest"]:
        raise LogError(
            f"A log must stay as it was packed, found another content of {shown(member.path)} than in {out}; pack the "
            f"logs into a new folder, or give the log another name."
        )
    return True


def _parts(source: Source, members: Sequence[Member], pack_bytes: int) -> Iterator[list[Member]]:
    """Yield the members of each pack: logs with the same columns, in order of their paths."""
    layouts: dict[str, list[Member]] = {}
    for member in members:
        _, footer = read_member(source, member.path, member.run["digest"])
        layouts.setdefault(content_digest(layout_of(footer)), []).append(member)
    for same in layouts.values():
        yield from _of_size(same, pack_bytes)


def _of_size(members: list[Member], pack_bytes: int) -> list[list[Member]]:
    parts: list[list[Member]] = [[]]
    size = 0
    for member in members:
        if size >= pack_bytes:
            parts.append([])
            size = 0
        parts[-1].append(member)
        size += member.n_bytes
    if len(parts) > 1 and size < pack_bytes / 2:
        last = parts.pop()
        parts[-1] += last
    return parts
