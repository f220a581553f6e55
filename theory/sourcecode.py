"""What the source code states, found by reading it: no claim is imported to be listed."""

import ast
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple


class Stated(NamedTuple):
    """A claim as its `@claim(...)` states it: id, source, its module, and the kind of data it accepts ("" for none)."""

    id: str
    source: str
    module: str
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


def stated_claims(settings: Iterable[str]) -> dict[str, Stated]:
    """Every claim that the modules or packages `settings` state, by id.

    Raises:
        ModuleNotFoundError: a setting has no file.
    """
    found = (claim for setting in settings for module, file in _files(setting) for claim in _claims(module, file))
    return {claim.id: claim for claim in found}


def _files(setting: str) -> Iterator[tuple[str, Path]]:
    file = module_file(setting)
    if file is None:
        raise ModuleNotFoundError(f"no module named {setting}")
    if file.name != "__init__.py":
        yield setting, file
        return
    for member in sorted(file.parent.rglob("*.py")):
        words = member.relative_to(file.parent).with_suffix("").parts
        yield ".".join((setting, *words)).removesuffix(".__init__"), member


def _claims(module: str, file: Path) -> Iterator[Stated]:
    names: dict[str, object] = {}
    for statement in ast.parse(file.read_bytes()).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            names[statement.targets[0].id] = _value(statement.value, names)
        if not isinstance(statement, ast.FunctionDef):
            continue
        for call in statement.decorator_list:
            if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] == "claim":
                options = {keyword.arg: _value(keyword.value, names) for keyword in call.keywords}
                name = _value(call.args[0], names) if call.args else options["id"]
                yield Stated(name, options["source"], module, options.get("accepts_data", ""))


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
