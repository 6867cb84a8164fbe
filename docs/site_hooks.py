"""What the site needs beyond docs/: the pages that lie beside it in the repository, and links that lead to them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
BESIDE = ("CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/*.md", "reports/reference/*.md")
_REMOTE_SCRIPT = re.compile(r"<script src=\"?https?:[^>]*></script>")
_LINK = re.compile(r"(\]\(|src=\"|srcset=\")(?!https?:|#|mailto:)([^)\"#\s]+)(#[^)\"\s]*)?")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages beside docs/, each under its path in the repository."""
    for pattern in BESIDE:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead each link to where its target lies in the site; what the site does not hold keeps its name alone."""
    source = Path(page.file.src_uri)
    own = ROOT / source if (ROOT / source).exists() else ROOT / "docs" / source

    def of_site(match: re.Match[str]) -> str:
        target = (own.parent / match[2]).resolve()
        if not target.is_relative_to(ROOT):
            return match[0]
        place = _place(target.relative_to(ROOT))
        if target == ROOT / "README.md":
            return match[1] + "/".join([".."] * len(source.parent.parts) + ["index.md"])
        if files.get_file_from_path(place) is None:
            return f"{match[1]}#"
        return match[1] + "/".join([".."] * len(source.parent.parts) + [place]) + (match[3] or "")

    return _LINK.sub(of_site, markdown)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Leave out the one script that the theme would fetch: the site asks nobody. Search then takes a server."""
    return _REMOTE_SCRIPT.sub("", output)


def on_post_template(output: str, template_name: str, config: Any) -> str:
    """Leave it out of the page for what is not there, too."""
    return _REMOTE_SCRIPT.sub("", output)


def _place(path: Path) -> str:
    name = path.as_posix()
    return name.removeprefix("docs/")
