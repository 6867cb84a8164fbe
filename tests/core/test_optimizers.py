"""Truth: formulas by hand, and text that is read as a formula."""

import re

import pytest
from mstudy.core.errors import ConfigError
from mstudy.core.optimizers import OPTIMIZERS, implied_optimizer, name_of_optimizer, optimizer_of
from mstudy.core.theory import (
    deterministic_share,
    effective_rate,
    equivalent_sgd_step,
    final_lag,
    learning_rate_at,
    stability_line,
)

NAMES = [entry.name for entry in OPTIMIZERS]


def value_of(text, eta, mu):
    """Return the value of a formula as readers see it: "2(1+μ)/η"."""
    return eval(re.sub(r"([\dημ)])(?=[(ημ])", r"\1*", text), {"η": eta, "μ": mu})  # our own text


def test_a_name_means_one_optimizer():
    everywhere = [name for entry in OPTIMIZERS for name in (entry.name, *entry.other_names)]

    assert len(set(everywhere)) == len(everywhere)
    assert len({entry.label for entry in OPTIMIZERS}) == len(OPTIMIZERS)
    assert all(name_of_optimizer(each) in NAMES for each in everywhere)
    assert name_of_optimizer("adam") is None


@pytest.mark.parametrize("name", NAMES)
def test_number_and_text_of_a_line_are_one_formula(name):
    entry = optimizer_of(name)

    assert (entry.line is None) == (entry.line_text == "")
    mu = 0.7 if entry.has_momentum else 0.0
    if entry.line is not None:
        assert value_of(entry.line_text, 0.3, mu) == pytest.approx(entry.line(0.3, mu))


@pytest.mark.parametrize("name", NAMES)
def test_at_momentum_zero_the_known_formulas_are_those_of_sgd(name):
    assert stability_line(name, 0.3, 0.0) in (stability_line("sgd", 0.3, 0.0), None)
    assert final_lag(name, 0.0) in (0, None)
    assert deterministic_share(name, 0.0) in (1, None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("eta_ef", [0.1, 0.02, 2.56, 0.123456])
def test_learning_rate_and_effective_rate_are_inverse(name, eta_ef):
    momentum = 0.9 if optimizer_of(name).has_momentum else 0.0

    assert effective_rate(learning_rate_at(eta_ef, momentum, name), momentum, name) == eta_ef


@pytest.mark.parametrize("name", ["heavy_ball", "nesterov"])
def test_momentum_without_dampening_enlarges_the_learning_rate(name):
    assert learning_rate_at(1.0, 0.9, name) == 0.1
    assert effective_rate(0.1, 0.9, name) == effective_rate(0.1, 0.9) == 1.0
    assert effective_rate(0.1, 0.0, "sgd") == 0.1


def test_what_is_not_known_is_none(mystery):
    assert stability_line(mystery.name, 0.1, 0.9) is None
    assert final_lag(mystery.name, 0.9) is None
    assert equivalent_sgd_step([1.0], mystery.name, 0.9) is None
    assert deterministic_share(mystery.name, 0.9) is None
    assert effective_rate(0.1, 0.9, mystery.name) == learning_rate_at(0.1, 0.9, mystery.name) == 0.1


def test_an_unknown_name_is_one_sentence():
    with pytest.raises(ConfigError, match="^optimizer must be one of sgd, heavy_ball, nesterov.*, found 'adam'.$"):
        stability_line("adam", 0.1, 0.9)


def test_a_momentum_implies_an_optimizer():
    assert [implied_optimizer(mu, nesterov) for mu in (0.0, 0.5) for nesterov in (False, True)] == [
        "sgd",
        "sgd",
        "heavy_ball",
        "nesterov",
    ]
