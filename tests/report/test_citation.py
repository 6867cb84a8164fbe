"""BibTeX of a study and of the paper."""

import re
from dataclasses import replace
from pathlib import Path

import yaml
from mstudy.core.params import Analysis, Report
from mstudy.report.citation import PAPER, as_bibtex, parameters_digest, study_entry

CFF = yaml.safe_load((Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_paper_is_cited_as_in_the_citation_file():
    (paper,) = CFF["references"]
    title = re.search(r"title +=(.*),", PAPER)[1].strip().replace("{", "").replace("}", "")
    authors = [f"{author['family-names']}, {author['given-names']}" for author in paper["authors"]]

    assert title == paper["title"]
    assert re.search(r"author +=(.*),", PAPER)[1].strip(" {}") == " and ".join(authors)
    assert f"year    = {{{paper['year']}}}" in PAPER and paper["url"] in PAPER


def test_a_study_is_cited_by_its_parameters_its_results_and_the_version():
    analysis = Analysis()

    entry = study_entry(analysis, "54 runs.", "0123456789abcdef" * 4, "0.2.0")

    assert entry == (
        "@misc{mstudy-01234567,\n"
        "  title        = {{When and why momentum accelerates SGD}},\n"
        "  howpublished = {Study made with mstudy 0.2.0},\n"
        f"  note         = {{54 runs. Parameters {parameters_digest(analysis)}, results 0123456789abcdef}}\n"
        "}"
    )
    assert study_entry(analysis, "", "", "0.2.0").startswith(f"@misc{{mstudy-{parameters_digest(analysis)[:8]},")


def test_the_digest_is_of_what_made_the_numbers():
    changed = replace(Analysis(), detect=replace(Analysis().detect, jump_factor=4.0))

    assert parameters_digest(Analysis(report=Report(title="Another"))) == parameters_digest(Analysis())
    assert parameters_digest(changed) != parameters_digest(Analysis())


def test_nothing_in_a_title_is_a_command():
    assert as_bibtex("a}{b_c & 5% \\input~x^2\n#$") == (
        r"a\}\{b\_c \& 5\% \textbackslash{}input\textasciitilde{}x\textasciicircum{}2 \#\$"
    )
