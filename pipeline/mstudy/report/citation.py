"""How to cite a study and the paper that it examines, as BibTeX."""

from __future__ import annotations

import json
from dataclasses import asdict

from mstudy.core.files import content_digest
from mstudy.core.params import Analysis

PAPER = """\
@article{fu2023momentum,
  title   = {When and Why Momentum Accelerates {SGD}: An Empirical Study},
  author  = {Fu, Jingwen and Wang, Bohan and Zhang, Huishuai and Zhang, Zhizheng and Chen, Wei and Zheng, Nanning},
  journal = {arXiv preprint arXiv:2306.09000},
  year    = {2023},
  url     = {https://arxiv.org/abs/2306.09000}
}"""
_DIGITS = 16  # of a digest
_ESCAPES = str.maketrans(
    {character: f"\\{character}" for character in "{}&%$#_"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | dict.fromkeys("\r\n\t\u2028\u2029", " ")
)


def study_entry(analysis: Analysis, study: str, stamp: str, version: str) -> str:
    """Return the entry of this study. study: what it is, in a sentence. stamp: the digest of its results, or nothing.

    It has no author and no year: who ran the study writes them in, and the same results give the same page.
    """
    parameters = parameters_digest(analysis)
    results = f", results {stamp[:_DIGITS]}" if stamp else ""
    return "\n".join(
        [
            f"@misc{{mstudy-{(stamp or parameters)[:8]},",
            f"  title        = {{{{{as_bibtex(analysis.report.title)}}}}},",
            f"  howpublished = {{Study made with mstudy {as_bibtex(version)}}},",
            f"  note         = {{{as_bibtex(study)} Parameters {parameters}{results}}}",
            "}",
        ]
    )


def parameters_digest(analysis: Analysis) -> str:
    """Return a digest of all parameters that made the numbers; how the page looks is none of them."""
    values = {part: entries for part, entries in asdict(analysis).items() if part != "report"}
    return content_digest(json.dumps(values, sort_keys=True).encode())[:_DIGITS]


def as_bibtex(text: str) -> str:
    """Return text in which nothing is a command of BibTeX or TeX."""
    return text.translate(_ESCAPES)
