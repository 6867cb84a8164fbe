import pytest
from mstudy.report.words import count, few, interval, listed, number, rounded, signs, spanned, step


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.12345, "0.123"),
        (-2.5, "−2.5"),
        (1234.5, "1,230"),
        (1234, "1,234"),
        (-987654.0, "−988,000"),
        (0.0000683, "6.83·10⁻⁵"),
        (-0.00002, "−2·10⁻⁵"),
        (0.0, "0"),
        (1e14, "100,000,000,000,000"),
        (-2.5e300, "−2.5·10³⁰⁰"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_an_interval_without_an_end_is_not_estimable():
    assert interval(-0.5, 2.0) == "[−0.5, 2]"
    assert interval(None, 1.0) == interval(1.0, None) == "[not estimable]"


def test_counts_lists_and_spans():
    assert (count(1, "run"), count(1200, "run")) == ("1 run", "1,200 runs")
    assert (listed([]), listed(["a"]), listed(["a", "b", "c"])) == ("none", "a", "a, b and c")
    assert (spanned([0.2, 0.2]), spanned([0.3, 0.1])) == ("0.2", "0.1 to 0.3")


def test_a_sentence_of_a_claim_has_numbers_of_three_digits():
    told = "sharpens at steps 159.911, 1500.4; p = 5.854e-07, 0.0050, b = 1797, -0.000, v1.2.345; [0.12, 24.57]."

    assert rounded(told) == (
        "sharpens at steps 160, 1,500; p = 5.85e-07, 0.0050, b = 1797, -0.000, v1.2.345; [0.12, 24.6]."
    )


def test_a_step_has_all_its_digits_and_a_long_list_ends():
    assert (step(1234.4), step(12.345), step(None)) == ("1,234", "12.3", "–")
    assert interval(1234.4, 23456.0, step) == "[1,234, 23,456]"
    assert (few(["a", "b"]), few(["a", "b", "c", "d", "e"])) == ("a; b", "a; b; c; 2 more under Numbers")


def test_names_of_the_code_become_signs_and_words_do_not():
    told = signs("eta_ef = 0.1, mu = 0.9: -0.5 [-1, 2], within-block, 3-7, alpha_eta_efx, c(1)-2")

    assert signs("p = 5.85e-07, -2e+10, b2e-3, heavy") == "p = 5.85·10⁻⁷, −2·10¹⁰, b2e-3, heavy"
    assert told == "η_ef = 0.1, μ = 0.9: −0.5 [−1, 2], within-block, 3-7, alpha_eta_efx, c(1)-2"
