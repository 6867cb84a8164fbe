"""The documents' links, command lines and length: what a reader follows is there."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from mstudy.cli import app as cli

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(page.relative_to(ROOT))
    for places in ("*.md", "docs/**/*.md", "benchmarks/*.md", "examples/*.md", "reports/**/*.md")
    for page in ROOT.glob(places)
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")
MAX_README_LINES = 150


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))


def anchors_of(page):
    """The anchors of a page's headings, as a code host makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links_of(page):
    targets = {a or b for a, b in LINK.findall(without_code((ROOT / page).read_text()))}
    return sorted(target for target in targets if "://" not in target)


def is_there(page, target):
    path, _, anchor = target.partition("#")
    found = ((ROOT / page).parent / path) if path else ROOT / page
    return found.exists() and (not anchor or anchor in anchors_of(found))


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    assert [target for target in links_of(page) if not is_there(page, target)] == []


def test_a_dead_link_or_anchor_is_seen():
    assert links_of("README.md") and is_there("README.md", "docs/guide.md#commands")
    assert not is_there("README.md", "docs/nothing.md")
    assert not is_there("README.md", "docs/guide.md#nothing")


def command_lines(text):
    """Every line of a shell block that calls mstudy."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.startswith("mstudy ")]


LINES = [line for page in PAGES for line in command_lines((ROOT / page).read_text())]


@pytest.mark.parametrize("line", LINES)
def test_a_command_line_is_one_that_mstudy_knows(line):
    command, words = typer.main.get_command(cli.app), shlex.split(line, comments=True)[1:]
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}

    assert {word for word in words if word.startswith("--")} - known == set()


def test_the_readme_is_short_and_begins_with_the_two_commands():
    lines = (ROOT / "README.md").read_text().splitlines()

    assert len(lines) <= MAX_README_LINES
    assert [line.split()[:2] for line in lines[3:5]] == [["make", "study"], ["make", "test"]]
