"""Text as it comes: packed, in other encodings, with decimal commas. Truth: what was written, by other writers."""

import gzip

import pyarrow as pa
import pytest
from mstudy.core.errors import LogError
from mstudy.importers.tables import content

from tests.importers.conftest import columns

ROWS = [(k, round(2 / (k + 1), 4)) for k in range(40)]
TABLE = "step,loss\n" + "".join(f"{step},{loss}\n" for step, loss in ROWS)
LINES = "".join(f'{{"step": {step}, "loss": {loss}}}\n' for step, loss in ROWS)


def packed(text, how):
    if how == "gz":
        return gzip.compress(text.encode())
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(text.encode())
    return sink.getvalue().to_pybytes()


def is_whole(plan, name="run"):
    found = columns(plan, name)
    return list(zip(found["step"], found["loss"], strict=True)) == ROWS


@pytest.mark.parametrize("how", ["gz", "zst"])
@pytest.mark.parametrize(("form", "text"), [("csv", TABLE), ("tsv", TABLE.replace(",", "\t")), ("jsonl", LINES)])
def test_packed_text(imported, tmp_path, how, form, text):
    (tmp_path / f"run.{form}.{how}").write_bytes(packed(text, how))
    (tmp_path / "run.json").write_text('{"model": "m"}')

    assert is_whole(imported("csv", tmp_path))
    assert imported("csv", tmp_path).runs["run"].metadata["model"] == "m"
    assert is_whole(imported("csv", tmp_path / f"run.{form}.{how}"))


@pytest.mark.parametrize("how", ["gz", "zst"])
def test_a_torn_packed_file_is_read_as_far_as_it_goes(imported, tmp_path, how):
    import random

    chance = random.Random(0)
    rows = "".join(f"{k},{chance.random()}\n" for k in range(100_000))
    (tmp_path / f"run.csv.{how}").write_bytes(packed("step,loss\n" + rows, how)[:-5000])

    run = imported("csv", tmp_path).runs["run"]

    assert 80_000 < len(run.columns["step"]) < 100_000
    assert "ends before its packed content does; what is there is read" in run.notes[0]
    assert run.columns["loss"].tolist() == [
        float(row.split(",")[1]) for row in rows.split()[: len(run.columns["loss"])]
    ]


def test_a_packed_file_of_more_than_a_table_may_have(imported, tmp_path, monkeypatch):
    monkeypatch.setattr(content, "_MAX_UNPACKED", 100)
    (tmp_path / "run.csv.gz").write_bytes(packed(TABLE, "gz"))
    with pytest.raises(LogError, match="must unpack to at most 100 bytes, found more"):
        imported("csv", tmp_path)
    (tmp_path / "run.csv.gz").write_bytes(b"\x1f\x8bxxxxxxxx")
    with pytest.raises(LogError, match="must be readable, found"):
        imported("csv", tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_of_unicode(imported, tmp_path, encoding):
    (tmp_path / "run.csv").write_bytes(TABLE.encode(encoding))

    assert is_whole(imported("csv", tmp_path))


def test_other_encodings_are_said_or_named(imported, tmp_path):
    (tmp_path / "run.csv").write_bytes(TABLE.replace("loss", "loss,größe").replace("\n", ",1\n").encode("latin-1")[:-2])
    (tmp_path / "run.csv").write_bytes(("größe," + TABLE.replace("\n", "\n1,"))[:-2].encode("latin-1"))
    run = imported("csv", tmp_path).runs["run"]
    assert run.notes == (f"{tmp_path / 'run.csv'} is not UTF-8 and is read as Windows-1252",)
    (tmp_path / "run.csv").write_bytes(b"step,loss\n0,1\n1,\x81\n")
    with pytest.raises(LogError, match="must be text in UTF-8, UTF-16 or Windows-1252, found bytes of none"):
        imported("csv", tmp_path)
    (tmp_path / "run.csv").write_bytes(TABLE.encode("utf-16") + b"\x00\xd8\x00\x00")
    with pytest.raises(LogError, match="must be text, found a start as of utf-16-le and what is none behind it"):
        imported("csv", tmp_path)


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_other_ends_of_lines(imported, tmp_path, end):
    (tmp_path / "run.csv").write_bytes(TABLE.replace("\n", end).encode())

    assert is_whole(imported("csv", tmp_path))


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas(imported, tmp_path, separator):
    text = TABLE.replace(",", separator).replace(".", ",")
    (tmp_path / "run.csv").write_text(text)
    assert is_whole(imported("csv", tmp_path))
    (tmp_path / "run.csv").write_text("step,loss\n" + "".join(f'{s},"{str(v).replace(".", ",")}"\n' for s, v in ROWS))
    assert is_whole(imported("csv", tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "step;loss\n0;1,234\n1;2,345\n",
            "loss must hold numbers with a decimal point, found '1,234' in .*wri",
        ),
        ("step;loss\n0;1.234,5\n1;2,5\n", "loss must hold numbers with a decimal point, found '1.234,5' in"),
        ("step,loss\n0,1,5\n1,2,5\n", "a comma inside a cell, as a decimal one, needs quotes, or semicolons"),
    ],
)
def test_commas_that_may_be_either_are_named(imported, tmp_path, text, message):
    (tmp_path / "run.csv").write_text(text)

    with pytest.raises(LogError, match=message):
        imported("csv", tmp_path)
