"""Truth: the folder of logs that was packed. polars, by code of its own, reads the packs as plain Parquet."""

import json
import shutil
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mstudy.core.analysis_params import Reading
from mstudy.core.errors import LogError
from mstudy.core.losses.scale import Scale
from mstudy.runlog.packs.pack import pack
from mstudy.runlog.packs.thrift import decode, encode
from mstudy.runlog.packs.unpack import unpack
from mstudy.runlog.raw.find_source import source_of
from mstudy.runlog.raw.packs import places_of
from mstudy.runlog.reading.reader import read_runs
from mstudy.runlog.validate import validate

from tests.runlog.folders import SGD, rows, sound, write


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def runs(tmp_path):
    """Logs of two layouts, one in a folder and with an odd name, one of two row groups."""
    folder = sound(tmp_path / "runs")
    write(folder / "deep" / "ä b's.parquet", rows(sharpness=[None, 1.5] * 10), SGD | {"seed": 2})
    table = pq.read_table(folder / "sgd-0.parquet")
    table = table.replace_schema_metadata({"mstudy": json.dumps(SGD | {"seed": 3})})
    table = table.set_column(1, "loss", pa.array([2 * loss for loss in table["loss"].to_pylist()]))
    pq.write_table(table, folder / "parts.parquet", row_group_size=7, write_page_index=True)
    return folder


@pytest.fixture
def packs(runs, tmp_path):
    pack(str(runs), tmp_path / "packs")
    return tmp_path / "packs"


def test_unpacked_logs_have_the_same_bytes(runs, packs, tmp_path):
    assert unpack(str(packs), tmp_path / "back") == 6

    assert bytes_below(tmp_path / "back") == bytes_below(runs)


def test_any_reader_of_parquet_finds_every_row_and_its_log(runs, packs):
    found = pl.concat([pl.read_parquet(path) for path in (packs / "packs").iterdir()], how="diagonal")
    by_arrow = pl.concat([pl.from_arrow(pq.read_table(path)) for path in (packs / "packs").iterdir()], how="diagonal")
    index = pl.read_parquet(packs / "index" / "*.parquet")

    assert len({path.name for path in (packs / "packs").iterdir()}) == 2
    for path in runs.rglob("*.parquet"):
        name = path.relative_to(runs).as_posix()
        true = pl.read_parquet(path)
        for read in (found, by_arrow):
            assert read.filter(log_path=name).select(true.columns).equals(true)
        (row,) = index.filter(path=name).iter_rows(named=True)
        assert json.loads(row["metadata"]) == json.loads(pq.read_metadata(path).metadata[b"mstudy"])
        packed = pq.ParquetFile(packs / "packs" / row["pack"])
        groups = packed.read_row_groups(list(range(row["row_group"], row["row_group"] + row["n_row_groups"])))
        assert pl.DataFrame(pl.from_arrow(groups)).select(true.columns).equals(true)
        assert row["n_rows"] == len(true)


def test_packs_are_read_as_the_folder(runs, packs):
    ours, theirs = read_runs(packs), read_runs(runs)

    assert ours.scanned.equals(theirs.scanned)
    assert ours.points.equals(theirs.points)
    assert validate(packs) == validate(runs)


def test_what_a_manifest_says_is_kept(runs, tmp_path):
    write(runs / "bare.parquet", rows(), None)
    (runs / "manifest.csv").write_text(
        "path,learning_rate,momentum,batch_size,seed,model\nbare.parquet,0.3,0,8,1,net\n"
    )

    pack(str(runs), tmp_path / "packs")
    unpack(str(tmp_path / "packs"), tmp_path / "back")

    true = read_runs(runs).scanned
    assert true.filter(path="bare.parquet")["model"].to_list() == ["net"]
    assert read_runs(tmp_path / "packs").scanned.equals(true)
    assert read_runs(tmp_path / "back").scanned.equals(true)


def test_runs_that_are_added_are_a_pack_that_is_added(runs, packs, tmp_path):
    before = bytes_below(packs)
    write(runs / "new.parquet", rows(), SGD | {"seed": 9})

    packed = pack(str(runs), packs)
    after = bytes_below(packs)

    assert (packed.n_new, packed.n_before, len(packed.packs)) == (1, 6, 1)
    assert before.items() <= after.items() and len(after) == len(before) + 2
    assert read_runs(packs).scanned.equals(read_runs(runs).scanned)
    assert pack(str(runs), packs).packs == []


def test_a_pack_ends_at_its_size_and_the_last_is_no_crumb(runs, tmp_path):
    for k in range(8):
        write(runs / f"more-{k}.parquet", rows(), SGD | {"seed": 10 + k})
    one = (runs / "more-0.parquet").stat().st_size

    pack(str(runs), tmp_path / "packs", pack_bytes=3 * one - 200)

    sizes = pl.read_parquet(tmp_path / "packs" / "index" / "*.parquet").group_by("pack").agg(pl.len())["len"]
    assert sorted(sizes) == [1, 3, 3, 3, 4]  # 13 logs of one layout, one of another


def test_what_was_killed_is_finished_by_the_same_command(runs, packs):
    whole = bytes_below(packs)
    next((packs / "index").iterdir()).unlink()
    (packs / "packs" / "x.1234.tmp").write_bytes(b"PAR1")

    with pytest.raises(LogError, match=r"Every pack must have its index, found none of .* run the same `mstudy pack`"):
        read_runs(packs)
    pack(str(runs), packs)

    assert {name: content for name, content in bytes_below(packs).items() if not name.endswith(".tmp")} == whole


def test_a_torn_tail_is_one_sentence(packs, mstudy, tmp_path):
    torn = next((packs / "packs").iterdir())
    torn.write_bytes(torn.read_bytes()[:-100])

    for command in (["validate", packs], ["analyze", packs, "--out", "out"], ["unpack", packs, "--out", "back"]):
        code, _, err = mstudy(*command)
        assert (code, err.count("\n")) == (1, 1)
        assert "A pack must be whole" in err and torn.name in err
    with pytest.raises(LogError, match="A pack must be whole"):
        read_runs(packs)


def test_a_flipped_bit_of_a_log_is_told_of_that_log(packs):
    index = pl.read_parquet(packs / "index" / "*.parquet").filter(path="sgd-1.parquet")
    (row,) = index.iter_rows(named=True)
    pack_file = packs / "packs" / row["pack"]
    content = bytearray(pack_file.read_bytes())
    content[row["offset"] + 40] ^= 1
    pack_file.write_bytes(content)

    (problem,) = [problem for problem in validate(packs).problems if problem.severity == "error"]
    assert (problem.path, problem.rule) == ("sgd-1.parquet", "unreadable-file")
    assert "than were packed" in problem.reason


def index_of(folder, **changes):
    """Rewrite the one index of a folder of packs with other values of its first row."""
    path = next((folder / "index").iterdir())
    table = pq.read_table(path)
    values = table.to_pylist()
    values[0] |= changes
    pq.write_table(pa.Table.from_pylist(values, schema=table.schema), path)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"path": "../x.parquet"}, "a path must be that of a log below a folder"),
        ({"path": "/x.parquet"}, "a path must be that of a log below a folder"),
        ({"path": ".ssh/x.parquet"}, "a path must be that of a log below a folder"),
        ({"path": "manifest.parquet"}, "a path must be that of a log below a folder"),
        ({"path": "x.sh"}, "a path must be that of a log below a folder"),
        ({"path": "sgd-1.parquet"}, "each path must occur once"),
        ({"offset": -5}, "logs must not overlap"),
        ({"n_bytes": 2**40}, "logs must"),
        ({"n_bytes": -1}, "each log must have bytes"),
        ({"offset": 2**62}, "logs must lie in the pack"),
        ({"listed": "[]"}, "listed must be a JSON object"),
        ({"digest": None}, "digest must have a value"),
    ],
)
def test_no_index_is_believed(changes, found, tmp_path):
    pack(str(sound(tmp_path / "runs")), tmp_path / "packs")
    index_of(tmp_path / "packs", **changes)

    with pytest.raises(LogError, match=f"The index of a pack must be as `mstudy pack` wrote it.*{found}"):
        unpack(str(tmp_path / "packs"), tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_what_is_in_the_way_is_refused(runs, packs, tmp_path, mstudy):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.txt").write_text("mine")
    with pytest.raises(LogError, match=r"PACKS must be a new folder, .* found 'a.txt'"):
        pack(str(runs), tmp_path / "other")
    with pytest.raises(LogError, match=r"OUT must be a new folder, .* found 'a.txt'"):
        unpack(str(packs), tmp_path / "other")
    with pytest.raises(LogError, match="PACKS must be a folder that `mstudy pack` wrote"):
        unpack(str(runs), tmp_path / "back")
    code, _, err = mstudy("pack", runs, "--out", runs / "packs")
    assert (code, err.count("\n")) == (1, 1) and "PACKS and RUNS must be folders apart" in err
    code, _, err = mstudy("unpack", packs, "--out", packs / "back")
    assert (code, err.count("\n")) == (1, 1) and "OUT and PACKS must be folders apart" in err
    (packs / "stray.parquet").write_bytes(b"PAR1")
    with pytest.raises(LogError, match=r"must hold no other \*.parquet, found 'stray.parquet'"):
        read_runs(packs)


def test_another_content_of_a_packed_name_is_refused(runs, packs, tmp_path):
    write(runs / "sgd-0.parquet", rows(), SGD | {"learning_rate": 0.3})
    with pytest.raises(LogError, match=r"A log must stay as it was packed, found another content of 'sgd-0.parquet'"):
        pack(str(runs), packs)
    unpack(str(packs), tmp_path / "back")
    shutil.copy(runs / "sgd-0.parquet", tmp_path / "back" / "sgd-0.parquet")
    with pytest.raises(LogError, match="OUT must not hold another log of the same name, found 'sgd-0.parquet'"):
        unpack(str(packs), tmp_path / "back")


def test_the_same_log_in_two_packs_is_refused(packs):
    for folder in ("packs", "index"):
        first = sorted((packs / folder).iterdir())[0]
        shutil.copy(first, first.with_name("copy.parquet"))

    with pytest.raises(LogError, match="A log must be in one pack, found"):
        read_runs(packs)


def test_bad_logs_are_not_packed(runs, tmp_path):
    (runs / "torn.parquet").write_bytes(b"PAR1")
    with pytest.raises(LogError, match=r"Every log must be sound to be packed, found 1 errors .* torn.parquet"):
        pack(str(runs), tmp_path / "packs")
    (runs / "torn.parquet").unlink()
    write(runs / "named.parquet", rows(log_path=[1.0] * 20), SGD | {"seed": 5})
    with pytest.raises(LogError, match="A log to pack must have no column log_path, found one in named.parquet"):
        pack(str(runs), tmp_path / "packs")


def test_a_packed_run_is_explained_by_its_name(packs, mstudy, tmp_path):
    code, _, _ = mstudy("explain", packs / "deep" / "ä b's.parquet", "--out", tmp_path / "why.html")
    assert code == 0 and (tmp_path / "why.html").is_file()
    code, _, err = mstudy("explain", packs / "none.parquet")
    assert (code, err.count("\n")) == (1, 1) and "RUN must be the log of one run" in err


def test_footers_survive_reading_and_writing():
    fields = {1: (5, -3), 20: (6, 2**40), 21: (8, b"text"), 22: (12, {1: (1, 1), 2: (2, 2)}), 60: (7, b"12345678")}
    fields |= {61: (9, (5, list(range(20)))), 62: (9, (12, [{1: (3, 7)}])), 63: (9, (1, [1, 2])), 64: (4, 5)}

    assert decode(encode(fields)) == fields
    for torn in range(len(encode(fields))):
        with pytest.raises(ValueError, match="must"):
            decode(encode(fields)[:torn])
    with pytest.raises(ValueError, match="nest"):
        decode(b"\x1c" * 100)
    with pytest.raises(ValueError, match="kind 11"):
        decode(b"\x1b\0")


def test_places_are_read_once(packs):
    source = source_of(packs)
    source.list_files()
    before = places_of.cache_info().misses

    assert len(list(source.read_each(source.list_files().names))) == 6
    assert places_of.cache_info().misses == before


def test_a_loss_below_zero_is_packed(tmp_path):
    """Whether it can be compared is a matter of the parameters of an analysis."""
    losses = list(range(9, -11, -1))
    for seed in (0, 1):
        write(tmp_path / "runs" / f"{seed}.parquet", rows(loss=[loss - seed for loss in losses]), SGD | {"seed": seed})

    pack(str(tmp_path / "runs"), tmp_path / "packs")

    (index,) = (tmp_path / "packs" / "index").iterdir()
    assert "final_loss" not in pl.read_parquet(index).columns
    assert validate(tmp_path / "packs", reading=Reading(Scale.DIFFERENCE)).n_errors == 0
    assert validate(tmp_path / "packs").n_errors == 2


def test_by_what_a_log_is_sorted_is_kept(tmp_path):
    for path in sound(tmp_path / "runs").iterdir():
        pq.write_table(pq.read_table(path), path, sorting_columns=[pq.SortingColumn(0)])

    pack(str(tmp_path / "runs"), tmp_path / "packs")

    (packed,) = (tmp_path / "packs" / "packs").iterdir()
    about = pq.read_metadata(packed)
    assert {about.row_group(k).sorting_columns for k in range(about.num_row_groups)} == {(pq.SortingColumn(0),)}
