"""The reference: a page a module, from its docstrings, signatures and source, in the style of the other pages.

pdoc reads the modules and links their names. What is in docstrings is set by the rules of CommonMark, which leave
formulas as they are: L(0) - L*, <e, T e>, [c]_+.
"""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from importlib import import_module
from importlib.resources import files
from inspect import Parameter, Signature, formatannotation
from pathlib import Path
from pkgutil import iter_modules
from posixpath import dirname, join, normpath
from textwrap import dedent
from typing import Any

import pdoc.doc
import pdoc.render
import pdoc.render_helpers
from jinja2 import ChoiceLoader, Environment, FileSystemLoader
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline, emphasis
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonConsoleLexer, PythonLexer

from theory.core.files import write_atomically
from theory.harness.discovery import module_file

FOLDER = "api"
SECTIONS = ("Args", "Attributes", "Raises", "Returns", "Yields")
EITHER = re.compile(r"Union\[jaxtyping\.(\w+)\[ndarray, ('[^']*')\], jaxtyping\.\1\[floating, \2\]\]")  # of Array
NAME = re.compile(r"(?<=<code>)\w+(?=(\(\))?</code>)")
LOCAL = re.compile(r'<code><a href="#[^"]*">(\w+)</a></code>')
LONG = re.compile(r">(?:\w+\.)+(\w+)</a>")
WORDS = re.compile(r"(?<![\w*])(\*\*?)[A-Za-z]+(?: [a-z]+)*\1(?![\w*])")
ID = re.compile(r' id="([^"]+)"')
LINK = re.compile(r'<a href="(?P<page>[^"#]*)#(?P<id>[^"]+)">(?P<text>.*?)</a>')
PROMPT = ">>>"

Modules = Mapping[str, pdoc.doc.Module]


def documented(packages: Sequence[str], left_out: Sequence[str] = ()) -> Modules:
    """The modules of the packages, and these themselves, by name, without those left out and what lies in them."""
    names = [name for package in packages for name in (package, *_below(package))]
    without = re.compile("|".join(rf"{re.escape(name)}(\.|$)" for name in left_out) or "(?!)")
    return {name: pdoc.doc.Module(import_module(name)) for name in names if not without.match(name)}


def _below(package: str) -> Iterator[str]:
    """The modules of a package and of those in it, found without importing them."""
    file = module_file(package)
    if file is not None and file.name == "__init__.py":
        for info in iter_modules([str(file.parent)], f"{package}."):
            yield from (info.name, *_below(info.name))


def write_reference(modules: Modules, folder: Path) -> None:
    """Write the page of each module under `folder`/api."""
    template = _environment(modules).get_template("module.html.jinja2")
    pages = {}
    for name, module in modules.items():
        root = "../" * (name.count(".") + 1)
        shown = {"module": module, "all_modules": modules, "submodules": inside(name, modules), "root": root}
        pages[place(name)] = template.render(papers=(), **shown)
    for name, page in _without_dangling(pages).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, page.encode())


def _without_dangling(pages: Mapping[str, str]) -> dict[str, str]:
    """The pages, without links to what has no place on them, as what is inherited from a library."""
    ids = {name: set(ID.findall(page)) for name, page in pages.items()}

    def kept(page: str, match: re.Match[str]) -> str:
        target = normpath(join(dirname(page), match["page"])) if match["page"] else page
        return match[0] if match["id"] in ids.get(target, ()) else match["text"]

    return {name: LINK.sub(partial(kept, name), page) for name, page in pages.items()}


def place(module: str) -> str:
    """Where its page is, from the folder of all pages."""
    return f"{FOLDER}/{module.replace('.', '/')}.html"


def inside(package: str, modules: Modules) -> list[pdoc.doc.Module]:
    """The modules of a package."""
    return [module for name, module in modules.items() if name.rpartition(".")[0] == package]


def public_names(module: pdoc.doc.Module) -> list[str]:
    """Functions and classes of a module, those of its `__all__` if it has one."""
    return [each.name for each in module.own_members if each.kind != "variable" and not each.name.startswith("_")]


def first_sentence(docstring: str) -> Markup:
    """What is said of a thing in a line."""
    paragraph = " ".join(dedent(docstring).strip().partition("\n\n")[0].split())
    return Markup(_markdown().renderInline(re.split(r"(?<=[.:])\s(?=[A-Z])", paragraph)[0]))


def as_markdown(docstring: str) -> str:
    """A docstring as Markdown: sections as lists, examples as code."""
    return "\n\n".join(_section(name, lines) for name, lines in _sections(docstring))


def _sections(docstring: str) -> Iterator[tuple[str, list[str]]]:
    """The lines of each section under its name; "" for those of none."""
    name, lines = "", list[str]()
    for line in inspect.cleandoc(docstring).splitlines():
        begins = line.endswith(":") and line[:-1] in SECTIONS
        if begins or (name and line and not line.startswith(" ")):
            yield name, lines
            name, lines = (line[:-1], []) if begins else ("", [line])
        else:
            lines.append(line)
    yield name, lines


def _section(name: str, lines: Sequence[str]) -> str:
    if not name:
        return "\n".join(_fenced(lines))
    text = dedent("\n".join(lines)).strip()
    if name in ("Returns", "Yields"):
        return f"**{name}**\n\n{text}"
    items = (re.sub(r"^([^\s:][^:\n]*):", _term, line) for line in text.splitlines())
    return f"**{name}**\n\n" + "\n".join(items)


def _term(match: re.Match[str]) -> str:
    return "- " + ", ".join(f"`{word}`" for word in match[1].split(", ")) + ":"


def _fenced(lines: Sequence[str]) -> Iterator[str]:
    """The lines with a fence around each example."""
    inside = False
    for line in lines:
        if line.startswith(PROMPT) and not inside:
            yield "```pycon"
            inside = True
        if inside and not line:
            yield "```"
            inside = False
        yield line
    if inside:
        yield "```"


@cache
def _markdown() -> MarkdownIt:
    found = MarkdownIt("commonmark", {"html": False, "highlight": _highlighted})
    found.inline.ruler.at("emphasis", _emphasis)
    return found


def _emphasis(state: StateInline, silent: bool) -> bool:
    """Asterisks mark words; others are of formulas, as are underscores."""
    marks = {place for words in WORDS.finditer(state.src) for place in (words.start(), words.end() - len(words[1]))}
    return state.pos in marks and emphasis.tokenize(state, silent)


def as_html(markdown: str) -> Markup:
    """Markdown as HTML; tags in it are text."""
    return Markup(_markdown().render(markdown))


def _highlighted(code: str, language: str, _: str) -> str:
    lexer = PythonConsoleLexer() if language == "pycon" else PythonLexer() if language == "python" else None
    return f'<pre class="code">{highlight(code, lexer, HtmlFormatter(nowrap=True))}</pre>' if lexer else ""


def source(thing: pdoc.doc.Doc[Any]) -> Markup:
    """Its source, highlighted."""
    return Markup(highlight(dedent(thing.source), PythonLexer(), HtmlFormatter(cssclass="code", wrapcode=True)))


class Written(str):
    """An annotation that is shown as it stands here."""

    __repr__ = str.__str__


def written(annotation: str) -> Written:
    """An annotation as the source has it: of arrays that may be numpy's scalars, `Array`."""
    annotation = EITHER.sub(r"\1[Array, \2]", annotation).replace("numpy.ndarray | numpy.floating", "Array")
    return Written(annotation.replace("jaxtyping.", "").replace("NoneType", "None"))


def signature(found: Signature, colon: bool) -> Markup:
    """A signature with its annotations as the source has them."""

    def shown(annotation: Any) -> Any:
        return annotation if annotation is Parameter.empty else written(formatannotation(annotation))

    parameters = [each.replace(annotation=shown(each.annotation)) for each in found.parameters.values()]
    changed = found.replace(parameters=parameters, return_annotation=shown(found.return_annotation))
    return pdoc.render_helpers.format_signature(changed, colon)


def _environment(modules: Modules) -> Environment:
    pdoc.render.configure(search=False)
    found = pdoc.render.env
    here = Path(str(files("theory.harness.site")))
    found.loader = ChoiceLoader([FileSystemLoader([here / "reference", here / "templates"]), found.loader])
    owners = _owners(modules)

    def resolved(html: str, thing: pdoc.doc.Doc[Any], root: str) -> Markup:
        """Names of other modules lead there; those of the arguments nowhere, whatever else is called like them."""
        own = _arguments(thing)

        def link(match: re.Match[str]) -> str:
            name = match[0]
            known = name in owners and name not in own and (not name.islower() or "_" in name)
            return f'<a href="{root}{place(owners[name])}#{name}">{name}</a>' if known else name

        local = LOCAL.sub(lambda match: f"<code>{match[1]}</code>" if match[1] in own else match[0], str(html))
        return Markup(NAME.sub(link, local))

    found.filters |= {
        "to_markdown": as_markdown,
        "to_html": as_html,
        "first_sentence": first_sentence,
        "resolved": resolved,
        "source": source,
        "format_signature": signature,
        "written": written,
        "short": lambda html: Markup(LONG.sub(r">\1</a>", str(html)).replace("builtins.", "")),
    }
    return found


def _arguments(thing: pdoc.doc.Doc[Any]) -> set[str]:
    """Names of a function's arguments, or of those that a class is made from."""
    maker = thing.members.get("__init__") if isinstance(thing, pdoc.doc.Class) else thing
    return set(maker.signature.parameters) if isinstance(maker, pdoc.doc.Function) else set()


def _owners(modules: Modules) -> dict[str, str]:
    """Of each name that one module alone gives to a function or class, this module."""
    found: dict[str, set[str]] = {}
    for name, module in modules.items():
        for each in public_names(module):
            if module.members[each].taken_from[0] == name:
                found.setdefault(each, set()).add(name)
    return {name: places.pop() for name, places in found.items() if len(places) == 1}
