"""What the source code states, found by reading it: no claim is imported to be listed."""

import ast
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn

from theory.harness.remembered import read_once


class Stated(NamedTuple):
    """A claim as its `@claim(...)` states it.

    Attributes:
        id, source: as stated.
        module: name of the module that states it.
        file: that module's file, from the folder its top package lies in.
        accepts_data: the kind of data it accepts, "" for none.
    """

    id: str
    source: str
    module: str
    file: Path
    accepts_data: str


def module_file(name: str) -> Path | None:
    """File of the module `name`, or None if there is none; neither it nor its packages are imported."""
    top, *rest = name.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return None
    if not rest:
        return Path(spec.origin)
    path = Path(spec.origin).parent.joinpath(*rest)
    candidates = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((file for file in candidates if spec.submodule_search_locations and file.is_file()), None)


def stated_claims(packages: Iterable[str]) -> dict[str, Stated]:
    """Every claim that the modules or packages state, by id, in the order of their files.

    Raises:
        InvalidArgument: one of them cannot be found, or two claims have one id.
    """
    found: dict[str, Stated] = {}
    for package in packages:
        found = joined(found, _claims(list(_files(package))))
    return found


def joined(known: Mapping[str, Stated], new: Iterable[Stated]) -> dict[str, Stated]:
    """`known` with the claims of `new`, by id.

    Raises:
        InvalidArgument: one of them has the id of another.
    """
    found = dict(known)
    for claim in new:
        if found.setdefault(claim.id, claim).module != claim.module:
            _reject("claim", f"'{claim.id}' in {claim.file}", f"another id than {found[claim.id].file} has stated")
    return found


def _reject(name: str, value: object, expected: str) -> NoReturn:
    from theory.core.validation import reject  # numpy comes with it, and a list needs none

    reject(name, value, expected)


def _files(package: str) -> Iterator[tuple[str, Path]]:
    file = module_file(package)
    if file is None:
        _reject("package", package, "a module that is installed: the catalogue or an entry point names it")
    if file.name != "__init__.py":
        yield package, file
        return
    for member in sorted(file.parent.rglob("*.py")):
        words = member.relative_to(file.parent).with_suffix("").parts
        yield ".".join((package, *words)).removesuffix(".__init__"), member


def _claims(files: list[tuple[str, Path]]) -> Iterator[Stated]:
    """What the modules of one package state. Syntax trees take most of the time of a list: they are made once."""
    paths = [file for _, file in files]
    index = paths[0].parent / "__pycache__" / "stated.json"
    for (module, file), claims in zip(files, read_once(index, paths, _stated, Path(__file__))):
        depth = module.count(".") + (file.name == "__init__.py")
        place = Path(*file.parts[-depth - 1 :])
        yield from (Stated(name, source, module, place, accepts) for name, source, accepts in claims)


def _stated(file: Path) -> list[tuple[str, str, str]]:
    """Id, source and kind of data of each claim in a file."""
    text = file.read_bytes()
    claims = claims_in(ast.parse(text), "", file) if b"@claim(" in text else ()
    return [(claim.id, claim.source, claim.accepts_data) for claim in claims]


def claims_in(tree: ast.Module, module: str, place: Path) -> Iterator[Stated]:
    """The claims that the syntax tree of a module states; `place` is what is said of where."""
    names: dict[str, object] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            names[statement.targets[0].id] = _value(statement.value, names)
        if not isinstance(statement, ast.FunctionDef):
            continue
        for call in statement.decorator_list:
            if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] == "claim":
                options = {keyword.arg: _value(keyword.value, names) for keyword in call.keywords}
                name = _value(call.args[0], names) if call.args else options["id"]
                yield Stated(name, options["source"], module, place, options.get("accepts_data", ""))


def _value(node: ast.expr, names: Mapping[str, object]) -> object:
    """Value of a literal, of a name the module gave one, or of a sum of these; anything else as it is written."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _value(node.left, names), _value(node.right, names)
        if isinstance(left, str) and isinstance(right, str):
            return left + right
    return ast.unparse(node)
