"""What is told of a paper, in Markdown that says where the tables of its claims stand."""

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from markdown_it import MarkdownIt
from markupsafe import Markup

from theory.core.validation import reject

TABLE = re.compile(r"<!-- claims: (?P<name>\S+) -->")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
HEADING = re.compile(r"\A# +(.+)$", re.MULTILINE)
FIGURE = re.compile(r"\]\((?:\.\./)*figures/rendered/(?P<name>fig\d+)\.\w+\)")
FILE = re.compile(r"\[(?P<text>[^\]]*)\]\((?!https?:|\.\./figures/)[^)]*\)")  # of the checkout, which is not at hand
PLACE = "table-of-claims-{}"
CODE = re.compile(r"<code>(?P<id>[\w.]+)</code>")


class Paper(NamedTuple):
    """A paper: its name in links, its heading, and its Markdown.

    `tables` are the first words of the ids of the claims it tells of, in the order of their tables.
    """

    name: str
    title: str
    text: str
    tables: tuple[str, ...]


def paper_of(text: str) -> Paper:
    """The paper that a text tells of: a heading, and at least one table of claims.

    Raises:
        InvalidArgument: one of them is missing.
    """
    heading, tables = HEADING.match(text), tuple(found["name"] for found in TABLE.finditer(text))
    if not heading or not tables:
        reject("paper", repr(text[:60]), "Markdown that begins with a heading `# ...` and has `<!-- claims: ... -->`")
    return Paper(tables[0], heading[1], text[heading.end() :].strip(), tables)


def markdown(text: str) -> Markup:
    """A text as HTML."""
    return Markup(MarkdownIt("commonmark").enable("table").render(text))


def as_html(paper: Paper, figures: Collection[str], claims: Collection[str], table: Callable[[str], str]) -> Markup:
    """The paper as HTML, with `table(name)` in the place of each table.

    Links to figures lead to their pages, and so do the ids of claims; other files of the checkout are named and not
    linked to.
    """
    text = TABLE.sub(lambda match: f"\n{PLACE.format(match['name'])}\n", paper.text)
    text = COMMENT.sub("", text)
    text = FIGURE.sub(lambda match: f"](../figures/{match['name']}.html)" if match["name"] in figures else "]()", text)
    text = FILE.sub(lambda match: match["text"], text)
    html = str(markdown(text))
    for name in paper.tables:
        html = html.replace(f"<p>{PLACE.format(name)}</p>", table(name))
    html = CODE.sub(lambda match: _linked(match[0], match["id"], claims), html)
    return Markup(html.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>"))


def _linked(code: str, id: str, claims: Collection[str]) -> str:
    return f'<a href="../claims/{id}.html">{code}</a>' if id in claims else code
