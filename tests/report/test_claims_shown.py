import polars as pl
import pytest
from mstudy.report.page.claim_list import shown_claims


def _shown(claim, power=None, anchors=frozenset({"when"})):
    (shown,) = shown_claims([claim], power, set(anchors))
    return shown


@pytest.fixture
def claim(results):
    return results.claims[2] | {"id": "C3", "reason": "mu = 0.9, eta_ef 0.16: -0.5"}


def test_each_verdict_has_a_shape_of_its_own(results):
    shapes = {c["verdict"]: _shown(c)["shape"] for c in results.claims}

    assert shapes == {"supported": "✔", "mostly": "◕", "contradicted": "✘", "inconclusive": "◐", "untestable": "○"}


def test_the_code_s_names_are_told_in_signs(claim):
    assert _shown(claim)["reason"] == "μ = 0.9, η_ef 0.16: −0.5"


def test_in_how_many_units_a_claim_surely_holds(claim):
    sentence = "SGDM is better in at least 9 of 10 cells; at mu = 0.9 in at least 1 of 2."

    assert _shown(claim | {"at_least": {"sentence": sentence}})["at_least"] == sentence.replace("mu", "μ")
    assert _shown(claim)["at_least"] == ""


def test_a_claim_links_to_its_section_only_where_it_is_there(claim):
    assert _shown(claim)["section"] == "when"
    assert _shown(claim, anchors=())["section"] == "claims"


def test_what_would_decide_a_claim(claim, more):
    assert _shown(claim, more["power"])["needed"] == (
        "To decide it with 80 % power at the effect observed: 12 seeds, 9 more than there are."
    )
    enough = more["power"].with_columns(seeds_needed=pl.lit(2))
    assert _shown(claim, enough)["needed"] == ("The 3 seeds there are would show the observed effect with 80 % power.")
    assert _shown(claim | {"id": "C5"}, more["power"])["needed"] == (
        "To decide it with 80 % power: 9 cells; there are 4."
    )
    assert _shown(claim | {"id": "C4"}, more["power"])["needed"] == (
        "How many seeds would decide it is not estimable: too few blocks."
    )


@pytest.mark.parametrize(
    ("note", "end"),
    [
        (None, "not estimable."),
        ("not estimable: no slope was fitted", "not estimable: no slope was fitted."),
        ("not estimable without branches", "not estimable without branches."),
    ],
)
def test_what_is_not_estimable_is_said_once(claim, more, note, end):
    power = more["power"].with_columns(note=pl.lit(note, dtype=pl.String))

    assert _shown(claim | {"id": "C4"}, power)["needed"] == f"How many seeds would decide it is {end}"


def test_what_would_lift_a_claim_on_the_ladder(claim, more):
    power = more["power"].with_columns(seeds_mostly=pl.lit(7), replicate=pl.lit("cells"))

    assert _shown(claim, power)["needed"].endswith("9 more than there are. To lift it to mostly: 7 seeds.")
    assert _shown(claim | {"verdict": "mostly"}, power)["needed"] == (
        "To lift it to supported with 80 % power at the effect observed: 12 seeds (there are 3); more cells alone "
        "would not."
    )
    beyond = power.with_columns(seeds_needed=pl.lit(None, dtype=pl.Int64), note=pl.lit("one cell lies outside"))
    assert _shown(claim | {"verdict": "mostly"}, beyond)["needed"] == (
        "No number of seeds up to 50 would lift it to supported: one cell lies outside."
    )


@pytest.mark.parametrize("verdict", ["supported", "contradicted"])
def test_a_decided_claim_needs_nothing(claim, more, verdict):
    assert _shown(claim | {"verdict": verdict}, more["power"])["needed"] == ""
    assert _shown(claim)["needed"] == ""


def test_without_an_estimate_none_is_shown(claim):
    assert _shown(claim | {"estimate": None, "ci": None})["shown_estimate"] == "not estimable"
    assert _shown(claim | {"estimate": -0.5, "ci": None})["shown_estimate"] == "−0.5 [not estimable]"


def test_evidence_without_seeds_is_told_apart(claim):
    """By a hollow shape, and by a mark that the page turns into other type and a line of its own."""
    assert not _shown(claim)["unreplicated"]
    shown = _shown(claim | {"evidence": "unreplicated", "verdict": "agrees"})
    assert (shown["unreplicated"], shown["shape"]) == (True, "△")
