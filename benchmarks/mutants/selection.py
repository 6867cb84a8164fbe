"""Which of a package's tests can see a change of a line: those that run it, by one recorded run of all of them."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.mutants.sample import Mutant

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_CACHES = ("cache", "lru_cache", "cached_property")


@dataclass(frozen=True)
class Recording:
    """One run of a package's tests. lines: for each module and line, the tests, files and folders that run it."""

    lines: dict[str, dict[str, list[str]]]
    seconds: dict[str, float]
    failed: list[str] = field(default_factory=list)
    with_processes: list[str] = field(default_factory=list)

    def all_tests(self) -> list[str]:
        """Return every test that passes without a change, the fastest file first."""
        return self.ordered(self.seconds)

    def ordered(self, names: Iterable[str]) -> list[str]:
        """Return the tests, the fastest file first and in it the fastest test; a file's tests share its fixtures."""
        chosen = set(names) - set(self.failed)
        files: dict[str, float] = {}
        for name in chosen:
            files[_file(name)] = files.get(_file(name), 0.0) + self.seconds[name]
        return sorted(chosen, key=lambda name: (files[_file(name)], _file(name), self.seconds[name], name))

    def seconds_of(self, names: Iterable[str]) -> float:
        """Return how long these tests take."""
        return sum(self.seconds[name] for name in names)

    def below(self, contexts: Iterable[str]) -> set[str]:
        """Return the tests of which a context tells: a test, or a file or folder whose tests share what is run."""
        kept = set(contexts)
        return {name for name in self.seconds if not kept.isdisjoint(_contexts(name))}


def _file(name: str) -> str:
    return name.partition("::")[0]


def _contexts(name: str) -> list[str]:
    """Return under which names the lines of a test are noted: its own, and those of its file and the folders above."""
    parts = _file(name).split("/")
    return [name, "", *("/".join(parts[:k]) for k in range(1, len(parts) + 1))]


def first_tests(mutant: Mutant, original: str, recording: Recording) -> list[str]:
    """Return the tests that run the changed statement. All of them where importing runs it, or a cache hides it."""
    statement = _Statement(original, mutant.line)
    if statement.runs_at_import or statement.is_cached:
        return recording.all_tests()
    lines = recording.lines.get(mutant.module, {})
    contexts = {name for line in statement.lines for name in lines.get(str(line), [])}
    return recording.ordered(recording.below(contexts))


def later_tests(first: list[str], recording: Recording) -> list[str]:
    """Return the other tests that start processes: what these run is not recorded."""
    return recording.ordered(recording.below(recording.with_processes) - set(first))


class _Statement:
    """The innermost statement of a line. lines: all of a simple one, the head of a compound one."""

    def __init__(self, source: str, line: int) -> None:
        self.lines = range(line, line + 1)
        self.runs_at_import = True
        self.is_cached = False
        self._find(ast.parse(source).body, line)

    def _find(self, body: list[ast.stmt], line: int) -> None:
        for statement in body:
            first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))])
            if not first <= line <= (statement.end_lineno or first):
                continue
            inner = [node for node in ast.walk(statement) if isinstance(node, ast.stmt) and node is not statement]
            children = [node for node in ast.iter_child_nodes(statement) if not isinstance(node, ast.expr)]
            starts = [node.lineno for node in inner]
            self.lines = range(first, min(starts) if starts else (statement.end_lineno or first) + 1)
            if line in self.lines:
                return
            if isinstance(statement, _FUNCTIONS):
                self.runs_at_import = False
                self.is_cached |= any(name in ast.unparse(d) for d in statement.decorator_list for name in _CACHES)
            self._find([s for node in children for s in _statements(node)], line)
            return


def _statements(node: ast.AST) -> list[ast.stmt]:
    """Return a statement, or those of a handler or case."""
    return [node] if isinstance(node, ast.stmt) else [s for s in ast.iter_child_nodes(node) if isinstance(s, ast.stmt)]
