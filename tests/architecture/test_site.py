"""The documentation as a site: pages made from the code are as the code is now; no link is dead; nothing is fetched."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mstudy.core.params_file import load

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REMOTE = re.compile(r"<(?:script|link|img|source)[^>]*(?:src|href)=\"?(https?:[^\" >]+)")


def module(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize("page", ["commands.md", "parameters.md"])
def test_a_page_made_from_the_code_is_as_the_code_is(page):
    written = module("write_reference").PAGES[page]()

    assert written == (DOCS / page).read_text(), "python docs/write_reference.py writes it anew"


def test_every_parameter_has_its_row():
    rows = module("write_reference").sections((ROOT / "params.yaml").read_text())
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text())

    for section, content in shipped.items():
        names = {part for row in rows[section] for part in re.match(r"\| `([^`]+)`", row)[1].split(".")}
        keys = content if section != "studies" else next(iter(content.values()))
        assert set(keys) <= names


def test_the_study_of_the_tutorial_is_one(tmp_path):
    steps = module("run_tutorial")._STEP.finditer((DOCS / "tutorial.md").read_text())
    seeds = []
    for name, content in [(step["name"], step["content"]) for step in steps if step["name"]]:
        (tmp_path / name).write_text(content)
        seeds.append(load(tmp_path / name).study("mine").seeds)

    assert seeds == [4, 5]  # the one more is what its claim lacked


def test_a_file_of_the_tutorial_is_there_for_the_commands_below_it(tmp_path):
    text = '```yaml title="a"\none\n```\n```sh\ncat a\n```\n\n```text\n```\n```yaml title="a"\ntwo\n```\n'

    done = module("run_tutorial").run(text, tmp_path)

    assert "```text\none\n```" in done
    assert (tmp_path / "a").read_text() == "two\n"


def test_the_tutorial_shows_what_its_commands_print(tmp_path):
    text = "```sh\necho from `ls`\n```\n\n```text\nold\n```\n"

    assert module("run_tutorial").run(text, tmp_path) == "```sh\necho from `ls`\n```\n\n```text\nfrom mstudy\n```\n"


def test_a_command_of_the_tutorial_that_fails_is_told(tmp_path):
    with pytest.raises(SystemExit, match="must succeed, found exit code 3"):
        module("run_tutorial").run("```sh\nexit 3\n```\n\n```text\n```\n", tmp_path)


def test_the_site_has_no_dead_link_and_fetches_nothing(tmp_path):
    pytest.importorskip("mkdocs", reason="the site is built with mkdocs, of the extra docs")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-f", str(ROOT / "mkdocs.yml"), "-d", str(site)]

    built = subprocess.run(command, capture_output=True, text=True, env={"NO_MKDOCS_2_WARNING": "1", "PATH": ""})

    assert (built.returncode, built.stderr) == (0, "")
    assert [found for page in site.rglob("*.html") for found in REMOTE.findall(page.read_text())] == []
    assert "analyze" in (site / "python.html").read_text()
