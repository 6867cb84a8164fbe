"""dvc.yaml names every library module that a stage uses: else an edit under pipeline/ would rerun nothing."""

import ast
from pathlib import Path

import pytest
import yaml
from mstudy.tables.code import CODE

ROOT = Path(__file__).parents[2]
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("[!_]*.py"))


LIBRARY = "pipeline/mstudy/"
# Files that lie in a listed folder and are not used by the stage, with the reason why they lie there.
SPARE = {
    # Random generators serve detect and compare; downloads are a command of their own. Sentences are made later,
    # and branches planned. An analysis takes its results in order.
    "train": {
        "core/generators.py",
        "core/losses/words.py",
        "data/fetch.py",
        "train/branch_plan.py",
        "workers/engine.py",
        "workers/ordered.py",
    },
    # Logs are written by training alone, and SLURM only trains.
    "detect": {"core/losses/words.py", "runlog/format/writer.py", "tables/table_list.py", "workers/on_slurm.py"},
    "branch": {"core/losses/words.py", "data/fetch.py", "tables/table_list.py"},
    # Compare dates partings alone; which of them goes with which event is asked by estimate and report.
    "compare": {
        "core/losses/words.py",
        "pairs/deciding_events.py",
        "pairs/like_with_like.py",
        "runlog/format/writer.py",
        "tables/table_list.py",
        "workers/on_slurm.py",
    },
    # The gap of two loss curves is asked for by compare and report.
    "estimate": {"core/sharding/shard.py", "pairs/gap.py", "tables/table_list.py"},
    # The page draws finished tables: it simulates and estimates nothing. Pictures and paper are a command of their own.
    "report": {
        "core/generators.py",
        "pairs/interpolation.py",
        "pairs/rate_lines.py",
        "pairs/seed_tests.py",
        "report/pictures/block.py",
        "report/pictures/pdf.py",
        "report/pictures/write.py",
        "runlog/format/writer.py",
        "tables/table_list.py",
        "workers/engine.py",
        "workers/on_ray.py",
        "workers/on_slurm.py",
    },
}


def modules_used(stage: str) -> set[str]:
    """Return the files of the library that the stage imports, also through others, with the data files beside them."""
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
    return {path.relative_to(ROOT).as_posix() for path in found | templates}


def paths_listed(stage: str) -> set[str]:
    return {dep for dep in listed_stages()[stage]["deps"] if dep.startswith(LIBRARY)}


def covers(path: str, module: str) -> bool:
    return module == path or module.startswith(f"{path}/")


def files_below(paths: set[str]) -> set[str]:
    """Return all files of the library below the listed paths; the one line of an __init__.py decides nothing."""
    found = {each for path in paths for each in [ROOT / path, *(ROOT / path).rglob("*")] if each.is_file()}
    kept = (p for p in found if p.suffix != ".pyc" and p.name != "__init__.py")
    return {path.relative_to(ROOT).as_posix() for path in kept}


def listed_stages() -> dict:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    return {name: stage.get("do", stage) for name, stage in stages.items()}


def test_every_script_is_a_stage():
    assert sorted(listed_stages()) == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lists_what_it_uses(stage):
    used, listed = modules_used(stage), paths_listed(stage)

    assert [module for module in used if not any(covers(path, module) for path in listed)] == []
    assert [path for path in listed if not any(covers(path, module) for module in used)] == []
    assert files_below(listed) - used == {LIBRARY + name for name in SPARE[stage]}


@pytest.mark.parametrize("stage", ["detect", "compare", "estimate", "report"])
def test_cache_and_stamps_are_keyed_by_the_code_that_the_stage_lists(stage):
    assert {LIBRARY + name for name in CODE[stage]} == paths_listed(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_depends_on_where_its_work_is_done(stage):
    assert [name for name in listed_stages()[stage]["params"] if name.startswith("engine")] == []


@pytest.mark.parametrize("stage", STAGES)
def test_stage_says_what_it_is_for(stage):
    assert listed_stages()[stage]["desc"].endswith(".")


def test_analytics_are_off():
    assert "analytics = false" in (ROOT / ".dvc" / "config").read_text()


def test_training_sees_the_record_of_further_seeds():
    """Of a record that is no dependency, DVC's run cache would restore the runs of the look before."""
    assert "settled" in listed_stages()["train"]["deps"]
    assert (ROOT / "settled" / "README.md").is_file()
