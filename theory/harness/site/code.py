"""The source of a module as a page, and which modules a claim's theorem, training and figure are in."""

from collections.abc import Iterator
from functools import cache

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from theory.harness.discovery import module_file
from theory.harness.fingerprint import dependencies

MACHINERY = ("theory.harness", "theory.claims", "theory.core", "theory.testing")


@cache
def source(module: str) -> Markup:
    """The module's source with line numbers."""
    file = module_file(module)
    text = "" if file is None else file.read_text(encoding="utf-8")
    return Markup(highlight(text, PythonLexer(), HtmlFormatter(linenos="inline", cssclass="code", wrapcode=True)))


def colours() -> str:
    """Style rules for highlighted source, light and dark."""
    light, dark = (HtmlFormatter(style=style).get_style_defs(".code") for style in ("friendly", "native"))
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def modules(module: str) -> Iterator[str]:
    """The module that states a claim, then what is theirs of the modules it imports: theorem and training."""
    yield module
    for name in dependencies(module):
        file = module_file(name)
        if name != module and not name.startswith(MACHINERY) and file is not None and file.name != "__init__.py":
            yield name
