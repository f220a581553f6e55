"""Every public name has a docstring, the examples in docstrings run, and every solution in closed form has one."""

import ast
import doctest
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("theory", "experiments/training", "experiments/methods")
COMMANDS = {"theory.verify", "theory.reproduce", "theory.report", "theory.tables", "theory.docs"}
MAKERS_OF_DOCS = {f"theory.harness.site.{name}" for name in ("docs", "reference", "tutorials")}  # need an extra


def modules() -> Iterator[str]:
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if name not in COMMANDS | MAKERS_OF_DOCS and not name.startswith("theory.tutorials."):
                yield name


def solutions(module: ModuleType) -> Iterator[str]:
    """Functions of the module that are called `solution` or `..._solution` and take times."""
    for name, function in inspect.getmembers(module, inspect.isfunction):
        named = name == "solution" or name.endswith("_solution")
        if named and function.__module__ == module.__name__ and "t" in inspect.signature(function).parameters:
            yield name


@pytest.mark.parametrize("name", list(modules()))
def test_examples(name: str) -> None:
    module = import_module(name)
    examples = {test.name: test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples}
    missing = [solution for solution in solutions(module) if f"{name}.{solution}" not in examples]
    assert not missing, f"solutions without an example: {missing}"
    for test in examples.values():
        printed: list[str] = []
        failed, _ = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=printed.append)
        assert not failed, "".join(printed)


def silent(file: Path) -> Iterator[str]:
    """The module, and public functions and classes of it, where they have no docstring."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    named = [each for each in tree.body if isinstance(each, (ast.FunctionDef, ast.ClassDef)) and each.name[0] != "_"]
    yield from (getattr(each, "name", "the module") for each in (tree, *named) if not ast.get_docstring(each))


def test_every_public_name_has_a_docstring() -> None:
    folders = (*FOLDERS, "experiments/watch", "experiments/classifiers", "experiments/data")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py") if file.parent.name != "tutorials"]
    assert [f"{file.relative_to(ROOT)}: {name}" for file in files for name in silent(file)] == []
