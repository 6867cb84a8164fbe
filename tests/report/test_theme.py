"""Colours that colour-blind readers can tell apart, and that read on their paper."""

import itertools

import numpy as np
import pytest
from mstudy.report.charts.theme import (
    DARK_COLOURS,
    PAPER_COLOURS,
    colours,
    data_domain,
    label,
    line_name,
    linear_scale,
    log_axis,
    paper_rules,
    recolour,
    run_label,
    short,
    with_branches,
)

OPTIMISERS = [("sgd", 0.0), *[("heavy_ball", mu) for mu in (0.3, 0.5, 0.7, 0.9, 0.99)]]
# Machado, Oliveira & Fernandes (2009), severity 1.0, on linear RGB.
VISION = {
    "full": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour):
    rgb = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB of linear sRGB under D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    f = np.cbrt(np.maximum(xyz / [0.9505, 1.0, 1.089], 1e-4))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one, other):
    light, dark = sorted((np.dot(linear(c), [0.2126, 0.7152, 0.0722]) + 0.05 for c in (one, other)), reverse=True)
    return light / dark


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("dark", [False, True])
def test_sgd_and_the_usual_momenta_can_be_told_apart(vision, dark):
    shown = [recolour(c) if dark else c for c in colours(OPTIMISERS[:1] + OPTIMISERS[-3:]).values()]
    seen = [lab(np.array(VISION[vision]) @ linear(colour)) for colour in shown]

    # About ten just noticeable differences.
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 10


def test_every_colour_reads_on_its_paper_as_text():
    for colour in colours(OPTIMISERS).values():
        assert contrast(colour, "#ffffff") >= 4.5
        assert contrast(DARK_COLOURS[colour], "#1c1f23") >= 4.5


def test_one_colour_an_optimizer_sgd_first():
    palette = colours([("heavy_ball", 0.9), ("sgd", 0.0), ("nesterov", 0.9), ("heavy_ball", 0.5)])

    assert list(palette) == ["SGD", "SGDM μ = 0.5", "SGDM μ = 0.9", "Nesterov μ = 0.9"]
    assert len(set(palette.values())) == 4


def test_branches_have_colours_of_their_own():
    plain = {"momentum": 0.0, "optimizer": "sgd", "intervention_at": None}
    names = [run_label(plain | {"intervention": kind}) for kind in ("momentum 0.9", None)]
    assert run_label(plain | {"intervention": None, "twin_of": "a"}) == "SGD again"
    assert run_label(plain | {"intervention": "k", "intervention_at": "control"}) == "SGD then k (control)"
    palette = with_branches(colours([("heavy_ball", 0.9), ("sgd", 0.0)]), names[:1])

    assert names == ["SGD then momentum 0.9", "SGD"]
    assert list(palette) == ["SGD", "SGDM μ = 0.9", "SGD then momentum 0.9"]
    assert len(set(palette.values())) == 3
    assert palette["SGDM μ = 0.9"] == colours([("heavy_ball", 0.9), ("sgd", 0.0)])["SGDM μ = 0.9"]


def test_a_treatment_has_one_colour_at_either_time_and_none_of_an_optimizer():
    plain = {"momentum": 0.0, "optimizer": "sgd"}
    kinds = [{"intervention": kind, "intervention_at": at} for kind in "abc" for at in ("sharpening", "control")]
    names = [run_label(plain | kind) for kind in kinds]

    palette = with_branches(colours([("heavy_ball", 0.5), ("heavy_ball", 0.9), ("sgd", 0.0)]), names)

    assert len(palette) == 9 and len(set(palette.values())) == 6
    assert all(palette[name] == palette[name.removesuffix(" (control)")] for name in names)


@pytest.mark.parametrize("n_momenta", [1, 3, 4, 5])
def test_no_branch_has_the_colour_of_a_momentum_however_many_there_are(n_momenta):
    palette = with_branches(colours(OPTIMISERS[: 1 + n_momenta]), [f"SGD then {kind}" for kind in "abcd"])

    assert len(set(palette.values())) == len(palette) == 5 + n_momenta
    for colour in palette.values():
        assert contrast(colour, "#ffffff") >= 4.5
        assert contrast(DARK_COLOURS[colour], "#1c1f23") >= 4.5


def test_an_optimizer_is_named_by_its_entry(mystery):
    assert label(0.9, mystery.name) == short(label(0.9, mystery.name)) == "Mystery μ = 0.9"
    assert line_name(0.0, "sgd") == "SGD: 2/η"
    assert line_name(0.9, "heavy_ball") == "μ = 0.9: 2(1+μ)/η"
    assert line_name(0.9, "nesterov") == "Nesterov μ = 0.9: 2(1+μ)/((1+2μ)η)"


def test_the_colour_of_the_largest_momentum_does_not_depend_on_how_many_there_are():
    few, many = colours(OPTIMISERS[::5]), colours(OPTIMISERS)

    assert few["SGDM μ = 0.99"] == many["SGDM μ = 0.99"]


def test_a_domain_is_of_positive_finite_values():
    assert data_domain([None, 0.0, -1.0, float("inf"), 1.0, 4.0], widen=2) == (0.5, 8.0)
    assert data_domain([None, -1.0]) is None


@pytest.mark.parametrize(
    ("domain", "ticks"),
    [
        ((0.9, 2.1), [1, 1.5, 2]),
        ((0.01, 1.0), [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]),
        ((0.001, 10.0), [0.001, 0.01, 0.1, 1, 10]),
    ],
)
def test_ticks_are_few_and_round(domain, ticks):
    assert log_axis(domain).to_dict()["values"] == pytest.approx(ticks)


def test_in_grey_print_the_usual_optimizers_differ_in_lightness():
    printed = [PAPER_COLOURS[colour] for colour in colours(OPTIMISERS[:1] + OPTIMISERS[-2:]).values()]
    lightness = [lab(linear(colour))[0] for colour in printed]

    assert min(abs(a - b) for a, b in itertools.combinations(lightness, 2)) > 15
    every = sorted(lab(linear(colour))[0] for colour in PAPER_COLOURS.values())
    assert min(np.diff(every)) > 3
    assert all(contrast(colour, "#ffffff") >= 3 for colour in PAPER_COLOURS.values())


def test_every_colour_of_both_papers_has_its_colour_in_print():
    replaced = dict(paper_rules())

    for light, on_paper in PAPER_COLOURS.items():
        assert replaced[light] == replaced[DARK_COLOURS[light]] == on_paper
    # Inks of a dark page, and its greys, become those of a light one.
    assert replaced["#e6e7e9"] == "#1d1f22" and set(replaced) >= set(DARK_COLOURS.values())


def test_a_linear_axis_ends_where_its_domain_does():
    assert linear_scale((0.03, 0.97)).to_dict() == {"domain": [0.03, 0.97], "nice": False}
