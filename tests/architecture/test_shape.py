"""The shape of the code: modules and folders that one can hold in mind, and docstrings that begin with a verb."""

import ast
from pathlib import Path
from statistics import median

LIBRARY = Path(__file__).parents[2] / "pipeline" / "mstudy"
MODULES = sorted(LIBRARY.rglob("*.py"))
MAX_LINES, MAX_FILES, MAX_MEDIAN_BODY = 250, 14, 8
# First words of docstrings that are no verb in the imperative; the list grows with what a review finds.
# fmt: off
NO_VERBS = {
    "a", "all", "an", "and", "any", "as", "at", "both", "by", "each", "every", "few", "for", "from", "how",
    "if", "in", "it", "its", "many", "most", "no", "none", "not", "nothing", "of", "on", "one", "only", "some",
    "such", "that", "the", "their", "these", "this", "those", "two", "what", "when", "where", "whether",
    "which", "while", "who", "whose", "why", "with", "without",
}
# fmt: on


def functions_of(module):
    return [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.FunctionDef)]


def is_property(function):
    return any("property" in ast.unparse(decorator) for decorator in function.decorator_list)


def test_no_module_is_longer_than_one_can_hold_in_mind():
    sizes = {str(module.relative_to(LIBRARY)): len(module.read_text().splitlines()) for module in MODULES}

    assert {name: size for name, size in sizes.items() if size > MAX_LINES} == {}


def test_no_folder_is_a_heap():
    folders = {module.parent for module in MODULES}
    counts = {str(f.relative_to(LIBRARY)): len([*f.glob("*.py")]) - 1 for f in folders}  # without __init__.py

    assert {name: count for name, count in counts.items() if count > MAX_FILES} == {}


def test_functions_are_small():
    bodies = []
    for module in MODULES:
        for function in functions_of(module):
            body = function.body[1:] if ast.get_docstring(function) else function.body
            if body:
                bodies.append(body[-1].end_lineno - body[0].lineno + 1)

    assert median(bodies) <= MAX_MEDIAN_BODY


def test_docstrings_of_functions_begin_with_a_verb():
    wrong = [
        f"{module.relative_to(LIBRARY)}: {function.name}: {text.splitlines()[0]}"
        for module in MODULES
        for function in functions_of(module)
        if (text := ast.get_docstring(function)) and not is_property(function) and function.name != "__init__"
        if not (word := text.split()[0].strip(".,:;")).isalpha() or not word[0].isupper() or word.lower() in NO_VERBS
    ]

    assert wrong == []
