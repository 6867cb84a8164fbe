import json
import re
from dataclasses import fields, replace
from html.parser import HTMLParser

import polars as pl
import pytest
from mstudy.errors import LogError
from mstudy.params import Report
from mstudy.report import page as page_module
from mstudy.report.page import as_json, render_report, write_report
from mstudy.results import Results

HANDLER = '<img src=x onerror="alert(1)">'
CLOSER = "</script><script>alert(2)</script>"
ATTACK = f"{HANDLER}{CLOSER}\u2028\u2029"


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

    def specs(self):
        return [json.loads(text) for attrs, text in self.scripts if attrs.get("type") == "application/json"]


@pytest.fixture(scope="module")
def html(results, points):
    return render_report(results, points, Report())


def _poison(frame):
    """Every free text of a log replaced by an attack; keys that join tables stay equal to one another."""
    texts = [c for c in ("study", "model", "dataset", "objective", "path", "null") if c in frame.columns]
    ids = [c for c in ("run_id", "sgd_run_id", "sgdm_run_id") if c in frame.columns]
    named = {c: pl.lit(ATTACK) for c in texts} | {c: pl.lit(ATTACK) + pl.col(c) for c in ids}
    return frame.with_columns(**named)


def _with_tables(results, change):
    tables = {f.name: getattr(results, f.name) for f in fields(results)}
    return replace(results, **{k: change(v) for k, v in tables.items() if isinstance(v, pl.DataFrame)})


def test_nothing_in_a_log_becomes_an_element_or_a_script(results, points, html):
    words = dict.fromkeys(("statement", "reason", "unit", "n_unit"), ATTACK)
    claims = [claim | words for claim in results.claims]
    evil = replace(_with_tables(results, _poison), claims=claims, problems=[{"path": ATTACK, "reason": ATTACK}])

    attacked = render_report(evil, points.with_columns(run_id=pl.lit(ATTACK) + pl.col("run_id")), Report(title=ATTACK))

    tame, found = Elements(html), Elements(attacked)
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in tame.tags]
    assert not [attrs for _, attrs in found.tags if any(name.startswith("on") for name in attrs)]
    assert len(found.specs()) == len(tame.specs())


def test_json_for_a_script_cannot_end_it_and_means_the_same():
    text = as_json({"a": ATTACK})

    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"a": ATTACK}


def test_json_knows_no_nan_at_any_depth():
    assert json.loads(as_json({"a": [float("nan"), {"b": float("inf")}, -float("inf"), 1.5]})) == {
        "a": [None, {"b": None}, None, 1.5]
    }


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_log_that_ends_in_nan_or_infinity_still_gives_valid_json(results, points, bad):
    broken = points.with_columns(pl.when(pl.col("step") > 5).then(bad).otherwise(pl.col("loss")).alias("loss"))

    found = Elements(render_report(results, broken, Report())).specs()

    assert found and "NaN" not in json.dumps(found)


def test_the_page_asks_for_nothing(html):
    policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
    tags = Elements(html).tags
    policies = [a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy"]

    assert policies == [policy]
    assert not [tag for tag in tags if "src" in tag[1] or tag[0] in ("link", "iframe", "object", "base")]
    assert all(a["href"].startswith("#") for _, a in tags if "href" in a)
    # Vega evaluates strings unless it is told to interpret its expressions; the policy forbids evaluation.
    assert "ast: true" in html and "editor: false" in html


def test_every_link_leads_to_a_section_of_the_page(html):
    tags = Elements(html).tags
    anchors = {a["id"] for _, a in tags if "id" in a}

    assert {a["href"][1:] for _, a in tags if "href" in a} <= anchors


def test_the_verdicts_come_first_in_word_shape_and_number(results, html):
    assert html.index("Statement of C1.") < html.index("<figure")
    for claim in results.claims:
        assert f"Reason of {claim['id']}." in html
        assert re.search(rf"[✔✘◐○] {claim['verdict']}", html)
    assert "log ratio: 0.25 [0.125, 0.5]; p = 0.04; n = 12 cells" in html


def test_every_drawing_has_words_and_numbers_beside_it(html):
    figures = re.findall(r"<figure.*?</figure>", html, re.S)

    assert figures
    for figure in figures:
        assert re.search(r"<figcaption>[^<]+\.</figcaption>", figure)
        # The drawing of a pair without an event has no number but its curves, which are in the logs.
        assert "<table" in figure or "data-group" in figure
        if "data-spec" in figure:
            assert re.search(r'role="img" aria-label="[^"]+"', figure)


def test_every_run_and_every_file_left_out_is_listed(results, html):
    assert all(f"<td>{run_id}</td>" in html for run_id in results.runs["run_id"])
    assert "broken.parquet" in html and "not a whole Parquet file" in html


def test_the_same_results_give_the_same_page(results, points, html):
    assert render_report(results, points, Report()) == html


def test_writing_replaces_the_page_and_leaves_nothing_beside_it(results, points, html, tmp_path):
    out = tmp_path / "new" / "index.html"

    for _ in range(2):
        write_report(results, points, out, Report())

    assert out.read_text(encoding="utf-8") == html
    assert [path.name for path in out.parent.iterdir()] == ["index.html"]


def test_a_failed_write_keeps_the_old_page(results, points, tmp_path, monkeypatch):
    out = tmp_path / "index.html"
    out.write_text("old")

    def refuse(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page_module.os, "replace", refuse)
    with pytest.raises(LogError, match=r"must be writable.*No space left"):
        write_report(results, points, out, Report())
    assert out.read_text() == "old"


@pytest.mark.parametrize("table", ["sharpenings", "partings", "advantage", "thresholds", "alignment", "deferral"])
def test_a_page_is_made_without_any_one_table(results, points, empty, table):
    assert "</html>" in render_report(replace(results, **{table: empty[table]}), points, Report())


def test_a_study_of_sgd_alone_says_that_there_is_no_pair(results, points, empty):
    alone = Results(**empty | {"runs": results.runs.filter(optimizer="sgd"), "sharpenings": results.sharpenings})

    html = render_report(alone, points, Report())

    assert "no pair of SGD and SGDM at equal effective learning rate was found" in html


def test_logs_without_curvature_still_show_their_loss(results, points):
    blind = points.with_columns(pl.lit(None, dtype=pl.Float64).alias("directional_curvature"))
    unseen = results.sharpenings.with_columns(pl.lit("no_curvature").alias("status"))

    assert "no curvature in its log" in render_report(replace(results, sharpenings=unseen), blind, Report())
