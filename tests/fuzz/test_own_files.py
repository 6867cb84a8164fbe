"""mstudy's own files, archives, tables to import and names, damaged at random: a clean refusal or the right answer.

Truth: what was written; zipfile and numpy read the same archive by code of their own. Nothing is written or lost
outside the folder that was named.
"""

import io
import json
import math
import shutil
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mstudy.analyze import analyze
from mstudy.cache import KEY, Cache
from mstudy.core.errors import ConfigError, DataError, LogError, MstudyError, TrainingError
from mstudy.core.params import Study
from mstudy.importers.kinds import KINDS
from mstudy.importers.mapping import Mapping
from mstudy.report.results import read_results
from mstudy.runlog.packs.pack import pack
from mstudy.runlog.packs.unpack import unpack
from mstudy.runlog.recording.logger import RunLogger
from mstudy.runlog.validate import validate

from tests.runlog.folders import sound

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed")
from hypothesis import strategies as st  # noqa: E402

from tests.fuzz.mutations import as_json, damaged, fuzzed, objects_like  # noqa: E402


def one_sentence(error):
    text = str(error)
    assert text and "\n" not in text and len(text) < 2000
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz-own")


def one_damaged(contents):
    """One of the files, and what has become of its content."""
    return st.sampled_from(sorted(contents)).flatmap(lambda path: st.tuples(st.just(path), damaged([contents[path]])))


def archive(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


X = np.arange(12.0).reshape(4, 3)
ARCHIVES = [archive(x=X, y=np.arange(4) % 2), archive(x=X, y=X[:, 0]), archive(x=X.astype(np.float32), y=X)]


def test_archives(folder):
    pytest.importorskip("torch", reason="torch is not installed")
    from mstudy.data.npz import load_npz

    @fuzzed(500, content=damaged(ARCHIVES))
    def check(content):
        (folder / "a.npz").write_bytes(content)
        try:
            data = load_npz(folder / "a.npz")
        except DataError as error:
            one_sentence(error)
            return
        with zipfile.ZipFile(io.BytesIO(content)) as arrays, arrays.open("x.npy") as member:
            assert np.array_equal(data.inputs, np.lib.format.read_array(member))
        assert len(data.inputs) == len(data.targets) and np.isfinite(data.inputs).all()

    check()


def test_checkpoints(folder):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from mstudy.train.sweep import checkpoint

    path = folder / "a.pt"
    checkpoint.save(path, {"w": torch.arange(5.0), "step": 3})
    right = path.read_bytes()

    @fuzzed(300, content=damaged([right]))
    def check(content):
        path.write_bytes(content)
        try:
            saved = checkpoint.load(path)
        except TrainingError as error:
            assert content != right
            assert one_sentence(error).endswith("delete it to train its runs anew.")
            return
        assert content == right
        assert saved["step"] == 3

    check()


WIDTH = {"batch_size": 8, "name": "explicit", "width": 4, "seconds": 0.001, "megabytes": 1.5}


def test_measured_widths(folder):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from mstudy.train.sweep.width import read_width

    right = json.dumps(WIDTH).encode()

    @fuzzed(300, content=damaged([right]) | objects_like(WIDTH).map(lambda about: as_json(about).encode()))
    def check(content):
        (folder / "width.json").write_bytes(content)
        found = read_width(folder / "width.json", 8, torch.device("cpu"), None)
        assert found is None or (found.batch_size == 8 and found.width >= 1 and math.isfinite(found.seconds))

    check()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    analyze(sound(folder / "runs"), folder / "out")
    return folder / "out"


def test_results(finished):
    files = [path for path in sorted(finished.rglob("*")) if path.is_file() and "cache" not in path.parts]
    files = [path for path in files if path.suffix in (".json", ".parquet")]
    contents = {path: path.read_bytes() for path in files}
    right = read_results(finished)

    @fuzzed(400, drawn=one_damaged(contents))
    def check(drawn):
        path, content = drawn
        path.write_bytes(content)
        try:
            found = read_results(finished)
        except LogError as error:
            one_sentence(error)
        else:
            assert found.claims == right.claims
            assert all(found[name].equals(right[name]) for name in right.tables)
        finally:
            path.write_bytes(contents[path])

    check()


def test_caches(folder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "home"))
    schema = {"t": pl.Schema({"a": pl.Float64()})}
    cache = Cache(folder / "cache")
    cache.store("g", {"t": pl.DataFrame({KEY: ["k"], "a": [1.5]})})
    contents = {path: path.read_bytes() for path in sorted((folder / "cache" / "g").iterdir())}

    @fuzzed(
        300, drawn=st.sampled_from(sorted(contents)).flatmap(lambda f: st.tuples(st.just(f), damaged([contents[f]])))
    )
    def check(drawn):
        path, content = drawn
        path.write_bytes(content)
        rows = cache.load("g", schema)["t"].rows()
        path.write_bytes(contents[path])
        assert rows in ([], [("k", 1.5)])

    check()


STEPS = range(0, 60, 5)
WIDE = "step,loss,lr,batch_size,seed,optimizer\n" + "".join(f"{s},{2 / (1 + s)},0.1,8,1,sgd\n" for s in STEPS)
ROWS = [{"step": s, "loss": 2 / (1 + s), "lr": 0.1, "batch_size": 8, "seed": 1} for s in STEPS]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.mark.parametrize(("name", "text"), [("a.csv", WIDE), ("a.jsonl", LINES)])
def test_tables_to_import(folder, name, text):
    (kind,) = [kind for kind in KINDS if kind.name == "csv"]

    @fuzzed(250, content=damaged([text.encode()]))
    def check(content):
        (folder / name).write_bytes(content)
        try:
            runs = [found.read() for found in kind.find(folder / name, Mapping())]
        except MstudyError as error:
            one_sentence(error)
            return
        for run in runs:
            for series in run.series.values():
                assert (np.diff(series.steps) > 0).all()
                assert len(series.steps) == len(series.values)

    check()


NAMES = st.sampled_from(
    ["[1]", "*", "?", "a[!b]", "-x", "a b", "%41", "\x1b[31m", "a\nb", "..", "é", "\udcff", "~", "$HOME"]
)
PATHS = st.lists(NAMES | st.text(max_size=5), min_size=1, max_size=3).map("".join)


def test_names_of_logs(folder):
    about = {"learning_rate": 0.1, "momentum": 0.0, "batch_size": 8, "seed": 0}

    @fuzzed(400, name=PATHS)
    def check(name):
        home = folder / "names"
        home.mkdir(exist_ok=True)
        hypothesis.assume("/" not in name and "\0" not in name)
        others = set(folder.rglob("*")) - set(home.rglob("*"))
        path = home / f"{name}.parquet"
        try:
            with RunLogger(path, **about, overwrite=True) as log:
                log.log(0, 1.0)
        except LogError as error:
            one_sentence(error)
        else:
            found = validate(home)
            assert found.n_files == 1
            assert all("\n" not in problem.as_text() for problem in found.problems)
        assert set(folder.rglob("*")) - set(home.rglob("*")) == others
        for left in home.iterdir():
            assert Path(left).parent == home
            left.unlink()

    check()


def test_packs(folder):
    runs, packs, back = sound(folder / "packed-runs"), folder / "packs", folder / "packs-back"
    pack(str(runs), packs)
    true = {path.name: path.read_bytes() for path in runs.iterdir()}
    whole = {path: path.read_bytes() for path in packs.rglob("*") if path.is_file()}
    around = sorted(folder.iterdir())

    @fuzzed(200, change=one_damaged(whole))
    def check(change):
        for path, content in whole.items():
            path.write_bytes(content)
        change[0].write_bytes(change[1])
        shutil.rmtree(back, ignore_errors=True)
        try:
            assert all(problem.severity != "error" for problem in validate(packs).problems)
            unpack(str(packs), back)
        except MstudyError as error:
            one_sentence(error)
        except AssertionError:
            return  # a log is not as it was packed
        for path in back.rglob("*.parquet"):
            assert path.read_bytes() == true[path.name]  # under a name that is a log's, or not at all
        assert sorted(path for path in folder.iterdir() if path != back) == around

    check()


def test_records_of_further_seeds(folder):
    """A record comes with a clone: what is read of it are numbers of seeds among the study's looks, or a refusal."""
    from mstudy.train.sweep.settled import Settled, read_settled, write_settled

    study = Study(seeds=3, looks=(3, 6, 12))
    write_settled(folder, "s", study, Settled().with_look({(8, 0.9): 6, (16, 0.5): 12}, {"undecided": ["C2"]}))
    right = (folder / "s.json").read_bytes()
    made = objects_like(json.loads(right)).map(lambda value: as_json(value).encode())

    @fuzzed(100, content=st.one_of(damaged([right]), made))
    def check(content):
        (folder / "s.json").write_bytes(content)
        try:
            found = read_settled(folder, "s", study)
        except ConfigError as error:
            one_sentence(error)
            return
        assert set(found.seeds.values()) <= {3, 6, 12}
        assert all(isinstance(b, int) and isinstance(mu, float) for b, mu in found.seeds)

    check()


def test_journals_that_are_watched(folder, capsys):
    """What is damaged is told as unreadable, or read as what it says; the table can be printed in any case."""
    from mstudy.core.params import Detect
    from mstudy.runlog.recording.journal import head_line, row_line
    from mstudy.watch.lines import as_dict
    from mstudy.watch.watching import look_once, print_look

    root = folder / "watched"
    root.mkdir()
    about = {"learning_rate": 0.1, "momentum": 0.9, "batch_size": 8, "seed": 0, "steps": 100, "optimizer": "heavy_ball"}
    rows = b"".join(row_line({"step": step, "loss": 1.0, "directional_curvature": 2.0}) for step in range(3))
    heads = objects_like(about).map(lambda value: as_json({"mstudy": value}).encode(errors="replace") + b"\n" + rows)

    @fuzzed(80, content=st.one_of(damaged([head_line(about) + rows]), heads))
    def check(content):
        (root / "a.journal.jsonl").write_bytes(content)
        look = look_once(root, Detect(), 60.0)
        print_look(look, root)
        assert "\x1b" not in capsys.readouterr().out
        (line,) = look.lines
        json.dumps(as_dict(line), allow_nan=False)

    check()
