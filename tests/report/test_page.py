"""The page as text: escaping, order, words, and what it may ask for."""

import json
import re
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from mstudy.core.errors import LogError
from mstudy.core.files import write_whole
from mstudy.core.params import Analysis, Report
from mstudy.report.page.render import render_report, signs_html, write_report
from mstudy.report.page.scripts import bundle
from mstudy.report.results import Results

HANDLER = '<img src=x onerror="alert(1)">'
CLOSER = "</script><script>alert(2)</script>"
ATTACK = f"{HANDLER}{CLOSER}\u2028\u2029"

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text of each script, as a browser would split them."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.scripts, self._inside = [], [], False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append([dict(attrs), ""])

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        if self._inside:
            self.scripts[-1][1] += data

    def json(self):
        return {a["id"]: json.loads(text) for a, text in self.scripts if a.get("type") == "application/json"}


def words(html):
    """The page's text without markup, one space for each run of white space."""
    text = re.sub(r"(?s)<(script|style).*?</\1>", " ", html)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text.replace("</td>", " </td>"))).replace("&nbsp;", " ")


@pytest.fixture(scope="module")
def whole(results, more):
    return results.having(**more)


@pytest.fixture(scope="module")
def html(whole, points):
    return render_report(whole, points, Analysis())


def poison(frame):
    """Every free text of a log replaced by an attack; keys that join tables stay equal to one another."""
    texts = [
        c for c in ("study", "model", "dataset", "objective", "path", "null", "note", "unit") if c in frame.columns
    ]
    ids = [c for c in ("run_id", "sgd_run_id", "sgdm_run_id") if c in frame.columns]
    named = {c: pl.lit(ATTACK) for c in texts} | {c: pl.lit(ATTACK) + pl.col(c) for c in ids}
    return frame.with_columns(**named)


def attacked(results, points):
    """Results and points in which every text of a user is an attack."""
    tables = results.frames
    frames = {k: poison(v) for k, v in tables.items() if isinstance(v, pl.DataFrame)}
    told = dict.fromkeys(("statement", "reason", "unit", "n_unit"), ATTACK)
    claims = [claim | told for claim in results.claims]
    evil = replace(results.having(**frames), claims=claims, problems=[{"path": ATTACK, "reason": ATTACK}])
    return evil, points.with_columns(run_id=pl.lit(ATTACK) + pl.col("run_id"))


def test_nothing_in_a_log_becomes_an_element_or_a_script(whole, points, html):
    shown = render_report(*attacked(whole, points), Analysis(report=Report(title=ATTACK)))

    tame, found = Elements(html), Elements(shown)
    # Paragraphs appear and go with words; elements that can do anything do not.
    active = ("script", "img", "iframe", "object", "link", "style", "svg", "form", "a")
    assert [tag for tag, _ in found.tags if tag in active] == [tag for tag, _ in tame.tags if tag in active]
    assert not [attrs for _, attrs in found.tags if any(name.startswith("on") for name in attrs)]
    assert set(found.json()) == set(tame.json())
    assert "\u2028" not in "".join(text for _, text in found.scripts if text != bundle())


def test_signs_are_set_after_escaping():
    told = signs_html("<b> η_ef = 0.1, λ_max, L_SGD, x_y & μ")

    assert told == ("&lt;b&gt; η<sub>ef</sub>\u00a0=\u00a00.1, λ<sub>max</sub>, L<sub>SGD</sub>, x_y &amp; μ")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_log_that_ends_in_nan_or_infinity_still_gives_valid_json(whole, points, bad):
    broken = points.with_columns(pl.when(pl.col("step") > 5).then(bad).otherwise(pl.col("loss")).alias("loss"))

    found = Elements(render_report(whole, broken, Analysis())).json()

    assert "explorer-data" in found and "NaN" not in json.dumps(found)


def test_the_page_asks_for_nothing(html):
    policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
    tags = Elements(html).tags
    policies = [a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy"]

    assert policies == [policy]
    assert not [tag for tag in tags if "src" in tag[1] or tag[0] in ("link", "iframe", "object", "base")]
    assert all(a["href"].startswith("#") for _, a in tags if "href" in a)
    # Vega evaluates strings unless it is told to interpret its expressions; the policy forbids evaluation.
    assert "ast: true" in html and "actions: false" in html


def test_every_link_leads_to_a_section_of_the_page(html):
    tags = Elements(html).tags
    anchors = {a["id"] for _, a in tags if "id" in a}

    assert {a["href"][1:] for _, a in tags if "href" in a} <= anchors


def test_the_verdicts_come_after_the_finding_in_word_shape_and_number(whole, html):
    assert html.index("Statement of C1.") < html.index("<figure", html.index('<section id="claims"'))
    for claim in whole.claims:
        assert f"Reason of {claim['id']}." in html
        assert re.search(rf"[✔◕✘◐○]</span>{claim['verdict']}<", html)
    assert "0.25 [0.125, 0.5]log ratiop = 0.04; n = 12 cells" in words(html)


def test_the_page_opens_with_the_finding(html):
    told = words(html[html.index("</h1>") : html.index('<section id="claims"')])

    # Of conftest.py: C1 is supported, C2 contradicted, C3 inconclusive, C4 untestable, C5 mostly.
    assert told.index("Against the paper, SGDM is not better above the threshold (C2).") < 5
    assert html.index("</h1>") < html.index('<section id="finding"') < html.index("54 runs of mlp on dots")
    assert told.index("(C5).") < told.index("When: the advantage of SGDM μ = 0.9") < told.index("Why: b = 64")


def test_the_study_and_the_paper_are_cited(results, html):
    cited = words(html[html.index('<section id="cite"') : html.index('<section id="methods"')])

    assert re.search(r"@misc\{mstudy-[0-9a-f]{8},", cited) and "arXiv:2306.09000" in cited
    version = tomllib.loads(PYPROJECT.read_text())["project"]["version"]
    assert f"Study made with mstudy {version}" in cited
    assert re.search(r"Parameters [0-9a-f]{16}", cited)


def test_an_undecided_claim_says_how_many_seeds_would_decide_it(html):
    assert "To decide it with 80 % power at the effect observed: 12 seeds, 9 more than there are." in words(html)
    assert "How many seeds would decide it is not estimable: too few blocks." in words(html)


def test_every_chart_has_words_and_numbers_beside_it(html):
    figures = re.findall(r"<figure data.*?</figure>", html, re.S)

    assert len(figures) > 8
    for figure in figures:
        assert re.search(r"(?s)<figcaption>.+\.</figcaption>", figure)
        assert "<table" in figure
        if "data-spec" in figure:
            assert re.search(r'role="img" aria-label="[^"]+"', figure)


def test_every_run_and_every_file_left_out_is_listed(results, html):
    listed = Elements(html).json()["runs-data"]["rows"]["run_id"]

    assert sorted(listed) == sorted(results["runs"]["run_id"])
    assert "broken.parquet" in html and "not a whole Parquet file" in html


def test_the_exact_parameters_and_versions_are_there(html):
    told = words(html)

    assert "detect jump_factor 3.0" in told and "estimate lag_tolerance 0.1" in told
    version = re.escape(tomllib.loads(PYPROJECT.read_text())["project"]["version"])
    assert re.search(rf"mstudy ?{version}\b", told) and "statsmodels" in told


def test_the_same_results_give_the_same_page(whole, points, html):
    assert render_report(whole, points, Analysis()) == html


def test_writing_replaces_the_page_and_leaves_nothing_beside_it(whole, points, html, tmp_path):
    out = tmp_path / "new" / "index.html"

    write_whole(out, b"an older page", "The report")
    write_report(whole, points, out, Analysis())

    assert out.read_text(encoding="utf-8") == html
    assert [path.name for path in out.parent.iterdir()] == ["index.html"]


def test_a_failed_write_keeps_the_old_page(results, points, tmp_path, monkeypatch):
    out = tmp_path / "index.html"
    out.write_text("old")

    def refuse(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(LogError, match=r"must be writable.*No space left"):
        write_report(results, points, out, Analysis())
    assert out.read_text() == "old"


@pytest.mark.parametrize(
    "table", ["sharpenings", "partings", "advantage", "thresholds", "alignment", "deferral", "sharpening_events"]
)
def test_a_page_is_made_without_any_one_table(results, points, empty, table):
    if table == "sharpenings":  # a row a run is its contract; without events it has rows that say so
        changed = {
            table: results["sharpenings"].with_columns(status=pl.lit("none"), stability_agrees=pl.lit(None, pl.Boolean))
        }
    else:
        changed = {table: empty[table]}

    assert "</html>" in render_report(results.having(**changed), points, Analysis())


def test_a_study_of_sgd_alone_says_that_there_is_no_pair(results, points, empty):
    sgd = results["runs"].filter(optimizer="sgd")
    alone = Results(empty | {"runs": sgd, "sharpenings": results["sharpenings"].join(sgd, on="run_id", how="semi")})

    html = render_report(alone, points.join(sgd, on="run_id", how="semi"), Analysis())

    assert "no pair of SGD and SGDM at equal effective learning rate was found" in html


def test_logs_without_curvature_still_show_their_loss(results, points):
    blind = points.with_columns(pl.lit(None, dtype=pl.Float64).alias("directional_curvature"))
    unseen = results["sharpenings"].with_columns(
        status=pl.lit("no_curvature"), stability_status=pl.lit("no_curvature"), stability_step=pl.lit(None, pl.Float64)
    )

    html = render_report(results.having(sharpenings=unseen), blind, Analysis())

    assert "no curvature in its log" in html
    assert "No run has a log of curvature that is long enough" in html
