"""A digest of the code a claim depends on: evidence under another digest is stale."""

import ast
import hashlib
import sysconfig
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from theory.harness.discovery import module_file

PACKAGE = "theory"
INSTALLED = [Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib")]


class Import(NamedTuple):
    """`from <level dots><module> import <names>`; `import module` has no names."""

    level: int
    module: str
    names: tuple[str, ...]


def module_text(module: str) -> str:
    """What the file of a module says now.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    file = module_file(module)
    if file is None:
        raise ModuleNotFoundError(f"no module named {module}")
    return file.read_text(encoding="utf-8")


def fingerprint(module: str, text_of: Callable[[str], str] = module_text) -> str:
    """Digest of `module` and all it imports, directly or not, from `theory`, its own package, or files beside its own.

    Comments, docstrings and layout do not count. The `__init__` of a package counts where a name is taken from it,
    not where it is merely on the way to a submodule: claims of one setting do not depend on each other.
    """
    digest = hashlib.sha256()
    for name in dependencies(module, text_of):
        digest.update(f"{name} {_read(text_of(name))[0]}\n".encode())
    return digest.hexdigest()


def dependencies(module: str, text_of: Callable[[str], str] = module_text) -> list[str]:
    """`module` and the modules it imports, directly or not, in alphabetical order.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    packages = {PACKAGE, module.split(".")[0], *_beside(module)}
    found, left = {module}, [module]
    while left:
        name = left.pop()
        named = _imported(name, text_of(name)) - found
        new = {other for other in named if other.split(".")[0] in packages and module_file(other)}
        found |= new
        left += new
    return sorted(found)


@cache
def _imported(name: str, text: str) -> frozenset[str]:
    """What a module of this text imports."""
    return frozenset(other for line in _read(text)[1] for other in _named(line, name))


def _beside(module: str) -> Iterator[str]:
    """Packages and modules in the folder of a module that is a file of the user's own, in no package."""
    file = module_file(module)
    if "." in module or file is None or file.name == "__init__.py" or file.parent in INSTALLED:
        return
    yield from (path.stem for path in file.parent.glob("*.py"))
    yield from (path.parent.name for path in file.parent.glob("*/__init__.py"))


def code_digest(text: str) -> str:
    """Digest of one file's code, the same under every version of Python that can parse it."""
    return _digest(ast.parse(text))


@cache
def _read(text: str) -> tuple[str, tuple[Import, ...]]:
    tree = ast.parse(text)
    return _digest(tree), tuple(_imports(tree))


def _digest(tree: ast.Module) -> str:
    words: list[str] = []
    _spell(tree, words.append)
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


def _imports(tree: ast.Module) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield Import(node.level, node.module or "", tuple(alias.name for alias in node.names))


def _named(line: Import, importer: str) -> Iterator[str]:
    """The modules an import statement names: submodules where the names are those, the module itself otherwise."""
    base = line.module
    if line.level:
        file = module_file(importer)
        package = importer if file and file.name == "__init__.py" else importer.rpartition(".")[0]
        base = ".".join([*package.split(".")[: len(package.split(".")) + 1 - line.level], *filter(None, [line.module])])
    if not line.names:
        yield base
    for name in line.names:
        yield f"{base}.{name}" if module_file(f"{base}.{name}") else base


def _spell(node: Any, say: Callable[[str], None]) -> None:
    """The syntax tree in words: by calls, as generators hand every word through all levels of the tree."""
    if isinstance(node, list):
        say("[")
        for item in node:
            _spell(item, say)
        say("]")
    elif isinstance(node, ast.AST):
        say(f"{type(node).__name__}(")
        for name, value in _fields(node):
            say(f"{name}=")
            _spell(value, say)
        say(")")
    else:
        say(ascii(node))


def _fields(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """What a node is made of, the same in every version of Python: newer ones add fields, empty for old code, and
    some end the format in an f-string with an empty string."""
    for name, value in sorted(ast.iter_fields(node)):
        if name == "body" and _has_docstring(node):
            value = value[1:]
        if isinstance(node, ast.JoinedStr):
            value = [part for part in value if getattr(part, "value", None) != ""]
        if value is not None and value != []:
            yield name, value


def _has_docstring(node: ast.AST) -> bool:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None
