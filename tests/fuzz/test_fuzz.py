"""Input from others, damaged at random: a clean refusal or the right answer, never a traceback, a hang, a wrong table.

Truth: polars reads the same bytes by code of its own; plain Python computes the final loss; yaml.safe_load says what a
parameter file holds. The draws are the same every time. A further kind of input is one more test with `fuzzed`.
"""

import io
import json
import math
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from mstudy.core.errors import MstudyError
from mstudy.core.params_file import load
from mstudy.runlog.raw.log import open_file, read_columns
from mstudy.runlog.reading.examine import examine
from mstudy.runlog.reading.reader import RunFolder, read_runs
from mstudy.runlog.validate import validate
from mstudy.tables.contracts import RUNS

from tests.runlog.folders import SGD, SGDM, rows, write

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed")
from hypothesis import strategies as st  # noqa: E402

from tests.fuzz.mutations import NUMBERS, VALUES, as_json, damaged, fuzzed, objects_like  # noqa: E402

ROOT = Path(__file__).parents[2]


def parquet(columns, metadata, **how) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata({"mstudy": metadata}), buffer, **how)
    return buffer.getvalue()


ENCODINGS = [
    {"compression": "zstd", "use_dictionary": False},
    {"compression": "snappy"},
    {"compression": "none", "data_page_version": "2.0"},
    {"compression": "none", "use_dictionary": False, "write_page_checksum": True},
    {
        "compression": "gzip",
        "use_dictionary": False,
        "column_encoding": {"step": "DELTA_BINARY_PACKED", "loss": "BYTE_STREAM_SPLIT"},
    },
]
FILES = [parquet(rows(sharpness=[None, 1.5] * 10), json.dumps(SGD), **how) for how in ENCODINGS]


def check(content: bytes):
    """The verdict on one file; where it is accepted, every number must be that of the independent reading."""
    found = examine(content, "x.parquet", {})
    assert all(problem.reason and "\n" not in problem.as_text() for problem in found.problems)
    if found.run is None:
        assert found.problems
        return found
    ours = pl.DataFrame(pl.from_arrow(read_columns(open_file(content), ["step", "loss"])))
    try:
        theirs = pl.read_parquet(io.BytesIO(content), columns=["step", "loss"])
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        theirs = ours  # it refuses more; the demands below remain
    assert ours.equals(theirs.cast({"step": pl.Int64, "loss": pl.Float64}))
    steps, losses = ours["step"].to_list(), ours["loss"].to_list()
    assert steps == sorted(set(steps))
    assert steps[0] >= 0
    run = found.run
    assert (run["n_points"], run["first_step"], run["last_step"]) == (len(steps), steps[0], steps[-1])
    if run["status"] != "diverged":
        assert all(math.isfinite(loss) for loss in losses)
        began = steps[0] if len(steps) > 1 and steps[0] > steps[1] - steps[0] else 0
        tenth = began + 0.9 * (steps[-1] - began)
        late = [math.log(loss) for step, loss in zip(steps, losses, strict=True) if step >= tenth]
        assert run["final_loss"] == pytest.approx(math.exp(math.fsum(late) / len(late)))
    assert run["eta_ef"] == pytest.approx(run["learning_rate"] / (1 - run["momentum"]), rel=1e-5)
    return found


@fuzzed(1000, content=damaged(FILES))
def test_damaged_parquet(content):
    check(content)


@fuzzed(400, about=objects_like(SGDM))
def test_metadata_of_any_kind(about):
    found = check(parquet(rows(), as_json(about), compression="none"))

    if found.run is not None:
        assert found.run["seed"] == about["seed"]
        assert found.run["learning_rate"] == about["learning_rate"]
        RUNS.frame([{key: found.run[key] for key in RUNS.schema}])  # fits the table


KINDS = st.sampled_from(
    [pa.int64(), pa.uint64(), pa.int8(), pa.float64(), pa.float32(), pa.float16(), pa.string(), pa.bool_()]
)


@fuzzed(
    400, steps=st.lists(NUMBERS | st.none(), max_size=6), losses=st.lists(NUMBERS | st.none(), max_size=6), kind=KINDS
)
def test_rows_of_any_kind(steps, losses, kind):
    n = min(len(steps), len(losses))
    try:
        columns = {"step": pa.array(steps[:n], kind), "loss": pa.array(losses[:n], pa.float64())}
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        hypothesis.assume(False)

    check(parquet(columns, json.dumps(SGD), compression="none"))


def as_csv(table):
    keys = list(table[0])
    return "\n".join([",".join(keys), *(",".join(str(row[key]) for key in keys) for row in table)]).encode()


LISTED = [{"path": "a.parquet"} | SGD, {"path": "b.parquet"} | SGDM]


def manifest_parquet():
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(LISTED), buffer)
    return buffer.getvalue()


MANIFESTS = {
    "manifest.csv": [as_csv(LISTED)],
    "manifest.json": [json.dumps(LISTED).encode()],
    "manifest.parquet": [manifest_parquet()],
}
ANY_MANIFEST = st.sampled_from(sorted(MANIFESTS)).flatmap(
    lambda name: st.tuples(st.just(name), damaged(MANIFESTS[name]))
)
ANY_ROWS = st.lists(objects_like(LISTED[0]) | VALUES, max_size=3).map(
    lambda table: ("manifest.json", as_json(table).encode())
)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A folder of two runs whose metadata a manifest must give."""
    folder = tmp_path_factory.mktemp("fuzz")
    for name in ("a", "b"):
        write(folder / f"{name}.parquet", rows(), None)
    return folder


def test_manifests(bare):
    @fuzzed(400, manifest=ANY_MANIFEST | ANY_ROWS)
    def check_manifest(manifest):
        name, content = manifest
        for old in MANIFESTS:
            (bare / old).unlink(missing_ok=True)
        (bare / name).write_bytes(content)
        problems = validate(bare).problems
        assert all("\n" not in problem.as_text() for problem in problems)
        try:
            runs: RunFolder = read_runs(bare, skip_bad=True)
        except MstudyError as error:
            assert str(error)
            return
        assert set(runs.runs["path"]) <= {"a.parquet", "b.parquet"}
        # Each accepted number is one that the manifest's own text holds.
        if not name.endswith(".parquet"):
            for rate in runs.runs["learning_rate"]:
                assert any(same_number(word, rate) for word in words(content))

    check_manifest()


def words(content):
    for sign in b',:[]{}"\r\n':
        content = content.replace(bytes([sign]), b" ")
    return content.split()


def same_number(word, value):
    try:
        return float(word) == value
    except ValueError:
        return False


PARAMS = (ROOT / "params.yaml").read_bytes()


def settings_of(raw, loaded, path=()):
    """Every setting that the file makes, beside what was loaded."""
    for key, value in raw.items():
        found = loaded[key] if isinstance(loaded, dict) else getattr(loaded, key)
        if isinstance(value, dict):
            yield from settings_of(value, found, (*path, key))
        else:
            yield (*path, key), value, list(found) if isinstance(found, tuple) else found


def check_params(content, folder):
    (folder / "params.yaml").write_bytes(content)
    try:
        loaded = load(folder / "params.yaml")
    except MstudyError as error:
        assert len(str(error)) < 1000
        return
    raw = yaml.safe_load(content.decode()) or {}
    assert all(value == found for _, value, found in settings_of(raw, loaded))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("params")


SETTINGS = yaml.safe_load(PARAMS)
PLACES = [(stage, key) for stage in ("detect", "compare", "estimate", "report") for key in SETTINGS[stage]]
PLACES += [("studies", "digits", key) for key in SETTINGS["studies"]["digits"]]


def setting(place, value):
    """A file that makes one setting."""
    for key in reversed(place):
        value = {key: value}
    return yaml.dump(value, allow_unicode=False).encode()


def test_damaged_parameters(folder):
    @fuzzed(150, content=damaged([PARAMS]))
    def check_damaged(content):
        check_params(content, folder)

    check_damaged()


def test_parameters_of_any_kind(folder):
    @fuzzed(250, place=st.sampled_from(PLACES), value=VALUES)
    def check_value(place, value):
        check_params(setting(place, value), folder)

    check_value()


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + k)}: &{chr(98 + k)} [*{chr(97 + k)}, *{chr(97 + k)}]\n" for k in range(24)
)


MADE_TO_BREAK = [
    "[" * 5000,
    "studies: " + "{a: " * 3000,
    "x: 2020-99-99",
    "x: 0b",
    LAUGHS,
    "detect: {alpha: " + "9" * 5000 + "}",
    "detect: {jump_factor: 1" + "0" * 400 + "}",
    "detect: {resamples: 1" + "0" * 400 + "}",
    'report: {title: "\\ud800"}',
    "? [1]\n: 2",
    "1: 2\na: 3",
    "&a [*a]",
    "\0",
    "- !!python/name:os.system",
]


@pytest.mark.parametrize("text", MADE_TO_BREAK, ids=lambda text: repr(text[:20]))
def test_parameters_made_to_break(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)

    with pytest.raises(MstudyError) as refused:
        load(tmp_path / "params.yaml")
    assert len(str(refused.value)) < 1000
