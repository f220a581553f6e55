"""Which public functions of the mathematics a property test calls: those of hypothesis, at drawn arguments."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
THEORY = TESTS.parent / "theory"
NOT_MATHEMATICS = (
    "harness",
    "claims",
    "testing",
    "papers",
    "tutorials",
    "catalogue.py",
    "docs.py",
    "pytest_plugin.py",
    "report.py",
    "reproduce.py",
    "tables.py",
    "verify.py",
)
# Functions without numbers: of files, of symbols, and of what is wrong with an argument.
EXAMPLES_DO = {
    "theory.core.files.files_of",
    "theory.core.files.write_atomically",
    "theory.core.symbolic.matrix",
    "theory.core.symbolic.transpose",
    "theory.core.symbolic.transpose_blocks",
    "theory.core.symbolic.transposed",
    "theory.core.validation.finite_arrays",
    "theory.core.validation.reject",
}


def public_functions() -> Iterator[str]:
    for file in sorted(THEORY.rglob("*.py")):
        words = file.relative_to(TESTS.parent).with_suffix("").parts
        if file.relative_to(THEORY).parts[0] in NOT_MATHEMATICS:
            continue
        for statement in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.FunctionDef) and not statement.name.startswith("_"):
                yield ".".join((*words, statement.name))


def called_in_properties(file: Path) -> Iterator[str]:
    """Full names of what the property tests of a file name, in their own bodies or in functions they call."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = dict(_imported(tree))
    functions = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
    left = [each for each in functions.values() if any("given(" in ast.unparse(line) for line in each.decorator_list)]
    seen = set()
    while left:
        function = left.pop()
        seen.add(function.name)
        for node in ast.walk(function):
            if isinstance(node, (ast.Name, ast.Attribute)):
                first, _, rest = ast.unparse(node).partition(".")
                yield ".".join(filter(None, (imported.get(first, first), rest)))
                if first in functions and first not in seen:
                    left.append(functions[first])


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom):
            yield from ((name.asname or name.name, f"{statement.module}.{name.name}") for name in statement.names)


def test_none_is_left_out() -> None:
    called = {name for file in sorted(TESTS.rglob("test_*.py")) for name in called_in_properties(file)}
    assert set(public_functions()) - called == EXAMPLES_DO
