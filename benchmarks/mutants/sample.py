"""A seeded sample of single-token changes of the library, each of which changes what the code does."""

from __future__ import annotations

import ast
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

# A package, and the tests that are its own.
TESTS = {
    "core": ("core",),
    "runlog": ("runlog",),
    "importers": ("importers",),
    "train": ("train",),
    "curvature": ("curvature", "models"),
    "probe": ("probe",),
    "detect": ("detect",),
    "pairs": ("pairs",),
    "compare": ("compare",),
    "estimate": ("estimate",),
    "report": ("report",),
    "explain": ("explain",),
    "plan": ("plan",),
}


@dataclass(frozen=True)
class Mutant:
    """One change. module: its path below the library. before, after: the lines that differ, stripped."""

    package: str
    module: str
    line: int
    before: str
    after: str
    source: str


def draw(library: Path, n: int, seed: int) -> list[Mutant]:
    """Draw n mutants. Every place that can be changed is equally likely, then every change of that place."""
    rng = random.Random(seed)
    places = [(path, place) for path in modules(library) for place in _places(path.read_text())]
    mutants: dict[str, Mutant] = {}
    while len(mutants) < n:
        path, place = rng.choice(places)
        mutant = _mutant(library, path, *rng.choice(place))
        if mutant is not None:
            mutants.setdefault(f"{mutant.module}:{mutant.line}:{mutant.after}", mutant)
    return list(mutants.values())


def modules(library: Path) -> list[Path]:
    """Return the modules of the packages in TESTS."""
    return sorted(path for package in TESTS for path in (library / package).rglob("*.py"))


def _operators() -> dict[str, Any]:
    names = cosmic_ray.plugins.operator_names()
    classes = {name: cosmic_ray.plugins.get_operator(name) for name in names}
    return {name: cls() for name, cls in classes.items() if not cls.arguments()}


def _places(source: str) -> list[list[tuple[str, int]]]:
    """Return, for each place of a source, the changes that can be made there: an operator and its occurrence."""
    nodes = list(ast_nodes(get_ast(source)))
    places: dict[tuple[int, int], list[tuple[str, int]]] = {}
    for name, operator in _operators().items():
        positions = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, start in enumerate(positions):
            places.setdefault(start, []).append((name, occurrence))
    return [places[start] for start in sorted(places)]


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
