"""Tutorials: scripts in cells, run in a kernel of its own from top to bottom, and shown with what it says and draws.

jupytext reads the cells (`# %%`, and `# %% [markdown]` for prose), nbclient runs them, and the page is of our own
templates. A cell that draws says in its first line what the picture shows: `# %% alt="..."`.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jupytext
import nbformat
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbclient import NotebookClient
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from traitlets.config import Config

from theory.core.files import write_atomically
from theory.harness.site.pages import environment

FOLDER = "tutorials"
SECONDS = 120  # that a cell may take, on a machine that is busy
QUIET = {"OMP_NUM_THREADS": "1", "COLUMNS": "110", "TERM": "dumb"}
PICTURES = """%matplotlib inline
%config InlineBackend.figure_formats = ['svg']
%config InlineBackend.rc = {'svg.hashsalt': 'tutorial'}"""
BEGINNING = re.compile(r"# .+\n\n[^#\s]")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Complaint(RuntimeError):
    """What a reader of a tutorial would wonder at: no heading, a cell that writes to stderr, a picture unsaid."""


@dataclass(frozen=True)
class Tutorial:
    """A tutorial that was run: its name, and its cells with their outputs."""

    name: str
    notebook: NotebookNode

    @property
    def title(self) -> str:
        """Its first heading."""
        return re.sub(r"^#+ *", "", self.notebook.cells[0].source.splitlines()[0])

    @property
    def summary(self) -> str:
        """Its first paragraph."""
        return " ".join(self.notebook.cells[0].source.split("\n\n")[1].split())


def run(script: Path) -> Tutorial:
    """Run a script's cells in an empty folder.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raised.
        Complaint: it does not begin with a heading and a paragraph, or a cell wrote to stderr.
    """
    notebook = jupytext.read(script)
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    if not notebook.cells or not BEGINNING.match(notebook.cells[0].source):
        raise Complaint(f"{script.name}: begins without `# %% [markdown]`, a heading and a paragraph")
    notebook.cells.insert(0, nbformat.v4.new_code_cell(PICTURES))
    with TemporaryDirectory() as folder:
        environment = {**os.environ, **QUIET, "IPYTHONDIR": folder}
        private = Config(KernelManager={"transport": "ipc", "ip": f"{folder}/kernel"})  # no port that others could hear
        client = NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": folder}}, config=private)
        client.execute(env=environment)
    notebook.cells.pop(0)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "stream" and output.name == "stderr":
                raise Complaint(f"{script.name}: {output.text.strip()}")
    return Tutorial(script.stem, notebook)


def write_tutorial(tutorial: Tutorial, folder: Path) -> None:
    """Write the page under `folder`/tutorials, with its pictures and the notebook beside it."""
    pictures: dict[str, bytes] = {}
    cells = [_cell(cell, pictures, tutorial.name) for cell in tutorial.notebook.cells]
    template = environment().get_template("tutorial.html")
    page = template.render(root="../", papers=(), tutorial=tutorial, cells=cells).encode()
    contents = {
        f"{tutorial.name}.html": page,
        f"{tutorial.name}.ipynb": nbformat.writes(tutorial.notebook).encode(),
        f"{tutorial.name}.py": jupytext.writes(tutorial.notebook, fmt="py:percent").encode(),
        **pictures,
    }
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_atomically(folder / FOLDER / name, content)


def _cell(cell: NotebookNode, pictures: dict[str, bytes], name: str) -> Markup:
    if cell.cell_type == "markdown":
        return Markup(_prose().render(cell.source))
    code = Markup(highlight(cell.source, PythonLexer(), HtmlFormatter(cssclass="code", wrapcode=True)))
    return Markup("\n").join([code, *_outputs(cell, pictures, name)])


def _outputs(cell: NotebookNode, pictures: dict[str, bytes], name: str) -> Iterator[Markup]:
    for output in cell.outputs:
        shown = {"text/plain": output.text} if output.output_type == "stream" else output.data
        if "image/svg+xml" in shown:
            file = f"{name}-{len(pictures) + 1}.svg"
            pictures[file] = shown["image/svg+xml"].encode()
            yield Markup('<figure><img src="{}" alt="{}"></figure>').format(file, _alternative(cell, name))
        elif "text/html" in shown:
            yield Markup('<div class="output wide" tabindex="0" role="region" aria-label="Output">{}</div>').format(
                Markup(shown["text/html"])
            )
        else:
            yield Markup('<pre class="output">{}</pre>').format(ANSI.sub("", shown["text/plain"]))


def _alternative(cell: NotebookNode, name: str) -> str:
    """What the picture of a cell shows.

    Raises:
        Complaint: the cell does not say.
    """
    if "alt" not in cell.metadata:
        raise Complaint(
            f'{name}: the cell that begins {cell.source.splitlines()[0]!r} draws, and needs `# %% alt="..."`'
        )
    return str(cell.metadata.alt)


@cache
def _prose() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, renderer=_mathml)


def _mathml(latex: str, options: Mapping[str, Any]) -> str:
    return str(convert(latex, display="block" if options["display_mode"] else "inline"))
