"""A seeded sample of single-token changes of the library, each of which changes what the code does."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

# A package, and the tests that are its own. They are tried in this order: those with quick tests first.
TESTS = {
    "pairs": ("pairs",),
    "plan": ("plan",),
    "compare": ("compare",),
    "explain": ("explain",),
    "detect": ("detect",),
    "estimate": ("estimate",),
    "importers": ("importers",),
    "runlog": ("runlog",),
    "core": ("core",),
    "curvature": ("curvature", "models"),
    "probe": ("probe",),
    "report": ("report",),
    "train": ("train",),
}
ENOUGH_TURNS = 100  # each draws one change of each place


@dataclass(frozen=True)
class Mutant:
    """One change. module: its path below the library. before, after: the lines that differ, stripped."""

    package: str
    module: str
    line: int
    before: str
    after: str
    source: str


@dataclass(frozen=True)
class _Place:
    """A place that can be changed. name: its module, text and column. changes: an operator and its occurrence each."""

    path: Path
    name: str
    changes: list[tuple[str, int]]


def draw(library: Path, n: int, seed: int) -> list[Mutant]:
    """Draw n mutants. Every place that can be changed is equally likely, then every change of that place.

    A place is ranked by a hash of its text, so that an edit elsewhere leaves the mutants of this place in the sample.
    """
    places = [place for path in modules(library) for place in _places(library, path)]
    mutants: dict[str, Mutant] = {}
    for turn in range(ENOUGH_TURNS):
        for place in sorted(places, key=lambda place: _hash(seed, turn, place.name)):
            mutant = _mutant(library, place.path, *min(place.changes, key=lambda c: _hash(seed, turn, place.name, *c)))
            if mutant is not None:
                mutants.setdefault(f"{mutant.module}:{mutant.line}:{mutant.after}", mutant)
            if len(mutants) == n:
                return list(mutants.values())
    raise SystemExit(f"the library must have at least {n} changes, found {len(mutants)}")


def _hash(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def modules(library: Path) -> list[Path]:
    """Return the modules of the packages in TESTS."""
    return sorted(path for package in TESTS for path in (library / package).rglob("*.py"))


def _operators() -> dict[str, Any]:
    names = cosmic_ray.plugins.operator_names()
    classes = {name: cosmic_ray.plugins.get_operator(name) for name in names}
    return {name: cls() for name, cls in classes.items() if not cls.arguments()}


def _places(library: Path, path: Path) -> list[_Place]:
    """Return the places of a module that can be changed."""
    source = path.read_text()
    nodes = list(ast_nodes(get_ast(source)))
    changes: dict[tuple[int, int], list[tuple[str, int]]] = {}
    for name, operator in _operators().items():
        positions = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, start in enumerate(positions):
            changes.setdefault(start, []).append((name, occurrence))
    names = _line_names(source)
    module = path.relative_to(library).as_posix()
    return [_Place(path, f"{module}|{names[row - 1]}|{column}", changes[row, column]) for row, column in changes]


def _line_names(source: str) -> list[str]:
    """Return for each line its text, and the how-manieth line of this text it is."""
    seen: Counter[str] = Counter()
    names = []
    for line in source.splitlines():
        names.append(f"{line.strip()}|{seen[line]}")
        seen[line] += 1
    return names


def _mutant(library: Path, path: Path, operator: str, occurrence: int) -> Mutant | None:
    """Make a change; None where it changes no more than an annotation or a docstring."""
    source = path.read_text()
    mutated = mutate_code(source, cosmic_ray.plugins.get_operator(operator)(), occurrence)
    if mutated is None or _code(mutated) in (None, _code(source)):
        return None
    old, new = source.splitlines(), mutated.splitlines()
    line = next(k for k, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
    module = path.relative_to(library)
    return Mutant(module.parts[0], module.as_posix(), line + 1, old[line].strip(), new[line].strip(), mutated)


class _OnlyCode(ast.NodeTransformer):
    """Takes out what is not executed under `from __future__ import annotations`."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """Take out the annotation of an argument."""
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Take out the annotation of a result, and the docstring."""
        node.returns = None
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Take out the annotation of a variable."""
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)


def _code(source: str) -> str | None:
    """Return what a source does, as text; None where it is no Python."""
    try:
        return ast.dump(_OnlyCode().visit(ast.parse(source)))
    except SyntaxError:
        return None
