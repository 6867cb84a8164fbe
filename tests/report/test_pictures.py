"""The figures as files."""

import json

import pytest
from mstudy.core.errors import ConfigError, LogError
from mstudy.core.params import Analysis
from mstudy.report.pictures.write import picture_specs, save_picture, write_pictures

TEXTS = ("SGD: 2/η", "step (updates made + 1)", "SGD sharpens", "b = 64, η_ef = 0.2, 3 seeds: SGD and SGDM")


@pytest.fixture(scope="module")
def specs(results, more, points):
    return picture_specs(results.having(**more), points, Analysis())


def test_each_plate_with_a_chart_is_a_picture(specs):
    assert list(specs) == [
        "advantage",
        "threshold",
        "horizon",
        "loss",
        "why",
        "alignment",
        "survival",
        "interventions",
        "best",
        "limits",
    ]


def test_a_picture_needs_nothing_that_only_a_page_knows(specs):
    for spec in specs.values():
        text = json.dumps(spec)
        assert '"container"' not in text and "picked_rate" not in text and '{"name": "' not in text


def test_an_svg_holds_its_words_in_both_themes(specs, tmp_path):
    for theme in ("light", "dark"):
        save_picture(specs["why"], tmp_path / f"{theme}.svg", theme)

    light, dark = ((tmp_path / f"{theme}.svg").read_text() for theme in ("light", "dark"))
    assert all(text in light and text in dark for text in TEXTS)
    assert "#c44f00" in light and "#c44f00" not in dark
    assert "#ff9a4d" in dark


def test_wanted_pictures_alone_are_written_and_listed(results, points, tmp_path):
    written = write_pictures(results, points, tmp_path / "new", Analysis(), "png", ("light", "dark"), ("threshold",))

    assert [path.name for path in written] == ["threshold.png", "threshold-dark.png"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["threshold-dark.png", "threshold.png"]
    assert written[0].read_bytes().startswith(b"\x89PNG")


def test_an_unknown_picture_is_named_beside_those_there_are(results, points, tmp_path):
    with pytest.raises(
        ConfigError, match=r"--figure must name a figure of this study, found 'x'; there are advantage,"
    ):
        write_pictures(results, points, tmp_path, Analysis(), "svg", wanted=("x",))


def test_a_folder_that_cannot_be_written_is_named(specs, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(LogError, match=r"folder of pictures must be writable, found at .*: No space left"):
        save_picture(specs["threshold"], tmp_path / "a.svg", "light")
