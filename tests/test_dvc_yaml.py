"""dvc.yaml names every library module that a stage uses: else an edit under pipeline/ would rerun nothing."""

import ast
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("[!_]*.py"))


def library_modules(stage: str) -> list[str]:
    """Files of the library that the stage imports, directly or through others, with the data files beside them."""
    todo, found = [ROOT / "stages" / f"{stage}.py"], set()
    while todo:
        for node in ast.walk(ast.parse(todo.pop().read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mstudy"):
                base = ROOT / "pipeline" / node.module.replace(".", "/")
                names = [base / f"{alias.name}.py" for alias in node.names] if base.is_dir() else []
                for path in names or [base.with_suffix(".py")]:
                    if path not in found:
                        found.add(path)
                        todo.append(path)
    templates = {page for path in found for kind in ("html", "css", "js") for page in path.parent.glob(f"*.{kind}")}
    return sorted(path.relative_to(ROOT).as_posix() for path in found | templates)


def listed_stages() -> dict:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    return {name: stage.get("do", stage) for name, stage in stages.items()}


def test_every_script_is_a_stage():
    assert sorted(listed_stages()) == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_stage_lists_each_module_it_uses(stage):
    deps = {dep for dep in listed_stages()[stage]["deps"] if dep.startswith("pipeline/")}

    assert deps == set(library_modules(stage))


@pytest.mark.parametrize("stage", STAGES)
def test_stage_says_what_it_is_for(stage):
    assert listed_stages()[stage]["desc"].endswith(".")


def test_analytics_are_off():
    assert "analytics = false" in (ROOT / ".dvc" / "config").read_text()
