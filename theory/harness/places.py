"""Claims in the user's own files: `my_theorem.py`, `my_theorem.py::paper.name`, or a folder of such files."""

import ast
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from theory.harness.catalogue import Entry
from theory.harness.discovery import Stated, claims_in, joined, module_file


class Place(NamedTuple):
    """A file or folder, and the id of one claim in it ("" for all)."""

    path: Path
    id: str


def place(word: str) -> Place | None:
    """The place a word of the command line names; None if it is the id of a claim, a pattern, or a figure's name."""
    path, _, id = word.partition("::")
    is_folder = ("." not in path or not path.strip(".")) and Path(path).is_dir()  # the id of a claim has a dot
    is_path = path.endswith(".py") or os.sep in path or "::" in word or is_folder
    return Place(Path(path), id) if is_path else None


def claims_at(place: Place) -> dict[str, Stated]:
    """The claims stated there, by id; from now on their modules can be imported.

    Raises:
        InvalidArgument: nothing is there, the file is not Python or has a name that cannot be imported or is taken,
            or it states no claim, or not the one asked for.
    """
    from theory.core.validation import reject

    found = {claim.id: claim for file in _files(place.path) for claim in _claims(file)}
    if not found:
        reject("path", place.path, "a file or folder that states claims, each a function under @claim(...)")
    if place.id and place.id not in found:
        reject("path", f"{place.path}::{place.id}", f"a claim that is stated there: {', '.join(found)}")
    return {place.id: found[place.id]} if place.id else found


def figure_at(place: Place) -> Entry | None:
    """The figure that a file draws of its claims, by its function `draw(evidence)`; None if it has no such function.

    Raises:
        InvalidArgument: as for `claims_at`.
    """
    claims = claims_at(place)
    modules = {claim.module for claim in claims.values()}
    tree = _parsed(place.path) if place.path.is_file() else ast.Module([], [])
    if not any(isinstance(statement, ast.FunctionDef) and statement.name == "draw" for statement in tree.body):
        return None
    title = (ast.get_docstring(tree) or place.path.stem).splitlines()[0]
    return Entry(modules.pop(), title, tuple(claims))


def figures_at(words: Sequence[str]) -> dict[str, Entry]:
    """The figures that the user's files among the words draw, by the names of the files."""
    found = {}
    for word in words:
        where = place(word)
        figure = figure_at(where) if where is not None and where.path.is_file() else None
        if where is not None and figure is not None:
            found[where.path.stem] = figure
    return found


def _files(path: Path) -> Sequence[Path]:
    from theory.core.validation import reject

    if path.is_dir():
        return sorted(path.rglob("*.py"))
    if not path.is_file():
        reject("path", path, "a file or a folder that exists")
    return [path]


def _claims(file: Path) -> Iterator[Stated]:
    if b"claim(" not in file.read_bytes():
        return
    stated = list(claims_in(_parsed(file), _module(file), file))
    if stated:
        _require_importable(file)
    yield from stated


def _parsed(file: Path) -> ast.Module:
    from theory.core.validation import reject

    try:
        return ast.parse(file.read_bytes(), filename=str(file))
    except (SyntaxError, ValueError) as error:
        reject("path", file, f"a file of Python ({error})")


def _top(file: Path) -> Path:
    """The folder from which a file is imported: the first above it that is no package."""
    folder = file.resolve().parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _module(file: Path) -> str:
    return ".".join(file.resolve().relative_to(_top(file)).with_suffix("").parts).removesuffix(".__init__")


def _require_importable(file: Path) -> None:
    from theory.core.validation import reject

    module, top = _module(file), str(_top(file))
    if not all(word.isidentifier() for word in module.split(".")):
        reject("path", file, "a name that Python can import: letters, digits and underscores")
    if top not in sys.path:
        sys.path.append(top)
    taken = module_file(module)
    if taken is None or taken.resolve() != file.resolve():
        reject("path", file, f"a name that no other module has ({module} is {taken})")


def with_claims(words: Sequence[str], known: Mapping[str, Stated]) -> tuple[list[str], dict[str, Stated]]:
    """`words` with the ids of the claims in place of each place, and `known` with those claims.

    Raises:
        InvalidArgument: as for `claims_at`, or a claim there has the id of another.
    """
    names: list[str] = []
    known = dict(known)
    for word in words:
        where = place(word)
        stated = {} if where is None else claims_at(where)
        known = joined(known, stated.values())
        names += list(stated) or [word]
    return names, known


def with_figures(
    words: Sequence[str], figures: Mapping[str, Entry], known: Mapping[str, Stated]
) -> tuple[list[str], dict[str, Entry], dict[str, Stated]]:
    """`words` with the name of its figure in place of each place, `figures` with those, and `known` with their claims.

    A place that draws no figure stands for its claims.

    Raises:
        InvalidArgument: as for `figure_at`, or a figure or claim there has the name of another.
    """
    from theory.core.validation import reject

    names: list[str] = []
    figures, known = dict(figures), dict(known)
    for word in words:
        where = place(word)
        if where is None:
            names.append(word)
            continue
        stated, figure = claims_at(where), figure_at(where)
        known = joined(known, stated.values())
        if figure is None:
            names += stated
            continue
        name = where.path.stem
        if name in figures:
            reject("path", where.path, "a file that is not named as a figure of the package is")
        figures[name] = figure
        names.append(name)
    return names, figures, known
