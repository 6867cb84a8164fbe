"""Truth: by hand."""

import pytest
from mstudy.core.errors import ConfigError, LogError
from mstudy.importers.mapping import COLUMN_NAMES, CONFIG_NAMES, Mapping, choose, load_mapping
from mstudy.importers.settings.files import read_settings
from mstudy.importers.source_run import MAX_SETTINGS, flatten


@pytest.fixture
def write(tmp_path):
    def save(text, name="map.toml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return save


def test_a_map_is_read(write):
    text = '[columns]\nloss = "L"\nrun = "who"\n[config]\nlearning_rate = "a.b"\n'
    text += '[values]\nseed = 1\n[runs."x/y"]\nseed = 2\n'

    mapping = load_mapping(write(text))

    assert (mapping.columns, mapping.config) == ({"loss": "L", "run": "who"}, {"learning_rate": "a.b"})
    assert (mapping.values, mapping.runs) == ({"seed": 1}, {"x/y": {"seed": 2}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[columns", "must be a readable TOML file"),
        ("[colums]\n", "has the tables columns, config, values and runs, found colums in"),
        ("values = 3\n", "has the tables columns, config, values and runs, found values in"),
        ('[columns]\nlos = "x"\n', "columns.los is not known .value 'x'.; known here: step, loss, "),
        ("[columns]\nloss = 3\n", "columns.loss must be the name that the source uses, found 3"),
        ("[values]\nseed = [1]\n", "values.seed must be text, a number, true or false, found .1."),
        ("[runs.a]\nsed = 1\n", "runs.'a'.sed is not known"),
        ("runs = 3\n", "runs must be a table in the map, found 3"),
        ("[config]\nstatus = 'x'\n", "config.status is not known"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(write, text, message):
    with pytest.raises(ConfigError, match=message):
        load_mapping(write(text))


def test_a_map_must_exist(tmp_path):
    with pytest.raises(ConfigError, match="The map must exist, found nothing at"):
        load_mapping(tmp_path / "map.toml")


@pytest.mark.parametrize(
    ("wanted", "found", "chosen"),
    [
        ("loss", ["val/loss", "loss", "train/loss"], "train/loss"),
        ("loss", ["val/loss", "Loss"], "Loss"),
        ("loss", ["val/loss", "test_loss"], None),
        ("accuracy", ["val_acc", "Train Accuracy"], "Train Accuracy"),
        ("directional_curvature", ["Kappa"], "Kappa"),
    ],
)
def test_guesses_of_columns(wanted, found, chosen):
    assert choose(wanted, {}, COLUMN_NAMES, found) == chosen


@pytest.mark.parametrize(
    ("wanted", "found", "chosen"),
    [
        ("learning_rate", ["scheduler.lr", "lr"], "lr"),
        ("learning_rate", ["optim.lr"], "optim.lr"),
        ("batch_size", ["data.batch-size"], "data.batch-size"),
        ("seed", ["proceed"], None),
    ],
)
def test_guesses_of_settings(wanted, found, chosen):
    assert choose(wanted, {}, CONFIG_NAMES, found) == chosen


def test_what_the_map_names_is_not_guessed():
    assert choose("loss", {"loss": "L"}, COLUMN_NAMES, ["loss", "L"]) == "L"
    assert choose("loss", {"loss": "L"}, COLUMN_NAMES, ["loss"]) is None


def test_settings_are_flat_and_plain():
    assert flatten({"a": {"b": 1, "c": [2]}, "d": "x", "e": None}) == {"a.b": 1, "d": "x"}


def test_a_value_of_a_tag_that_is_not_known_is_nothing(write):
    text = "lr: 0.1\ndata_dir: !!python/object/apply:pathlib.PosixPath\n- data\na: !!python/name:os.system\n"

    assert read_settings(write(text, "hparams.yaml")) == {"lr": 0.1}


def test_settings_without_end_are_refused(write):
    """Ten references to ten references, eight deep: a hundred million entries in a few lines of YAML."""
    lines = ["a0: &a0 {" + ", ".join(f"k{k}: 1" for k in range(10)) + "}"]
    lines += [f"a{n}: &a{n} {{" + ", ".join(f"k{k}: *a{n - 1}" for k in range(10)) + "}" for n in range(1, 8)]

    with pytest.raises(LogError, match=f"at most {MAX_SETTINGS} entries, found more"):
        read_settings(write("\n".join(lines), "config.yaml"))


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("[1]", "a.json", "must be a mapping, found list"),
        ("{", "a.json", "must be plain JSON or YAML"),
        ("[" * 100_000, "a.json", "must be plain JSON or YAML"),
        ("[" * 100_000, "a.yaml", "must be plain JSON or YAML"),
        (" " * 2**20 + "{}", "a.json", "at most a megabyte, found more"),
    ],
)
def test_settings_of_another_make(write, text, name, message):
    with pytest.raises(LogError, match=message):
        read_settings(write(text, name))


def test_the_steps_of_an_epoch_are_below_10_to_the_15():
    assert Mapping(values={"steps_per_epoch": 10**15 - 1}).steps_per_epoch("a") == 10**15 - 1
    with pytest.raises(LogError, match="steps_per_epoch must be a number above 0, found 1000000000000000 in the map"):
        Mapping(values={"steps_per_epoch": 10**15}).steps_per_epoch("a")
