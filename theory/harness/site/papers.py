"""The prose of a page in Markdown, section by section: each tells of a paper, and says where tables of claims stand."""

import re
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from markdown_it import MarkdownIt
from markupsafe import Markup

TABLE = re.compile(r"<!-- table: (?P<name>\S+) -->\n.*?<!-- end -->", re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
HEADING = re.compile(r"^## +(.+)$", re.MULTILINE)
FIGURE = re.compile(r"\]\(figures/rendered/(?P<name>fig\d+)\.\w+\)")
FILE = re.compile(r"\[(?P<text>[^\]]*)\]\((?!https?:|\.\./figures/)[^)]*\)")  # of the checkout, which is not at hand
PLACE = "table-of-claims-{}"
CODE = re.compile(r"<code>(?P<id>[\w.]+)</code>")


class Paper(NamedTuple):
    """A section: its name in links, its heading, and its Markdown.

    `tables` are the first words of the ids of the claims it tells of, in the order of their tables.
    """

    name: str
    title: str
    text: str
    tables: tuple[str, ...]


def papers(page: str) -> Iterator[Paper]:
    """The sections of a page that have tables of claims."""
    starts = [*HEADING.finditer(page)]
    ends = [match.start() for match in starts[1:]] + [len(page)]
    for match, end in zip(starts, ends):
        text = page[match.end() : end].strip()
        tables = tuple(found["name"] for found in TABLE.finditer(text))
        if tables:
            yield Paper(tables[0], match[1], text, tables)


def as_html(paper: Paper, figures: Collection[str], claims: Collection[str], table: Callable[[str], str]) -> Markup:
    """The section as HTML, with `table(name)` in the place of each table.

    Links to figures lead to their pages, and so do the ids of claims; other files of the checkout are named and not
    linked to.
    """
    text = TABLE.sub(lambda match: f"\n{PLACE.format(match['name'])}\n", paper.text)
    text = COMMENT.sub("", text)
    text = FIGURE.sub(lambda match: f"](../figures/{match['name']}.html)" if match["name"] in figures else "]()", text)
    text = FILE.sub(lambda match: match["text"], text)
    html = MarkdownIt("commonmark").enable("table").render(text)
    for name in paper.tables:
        html = html.replace(f"<p>{PLACE.format(name)}</p>", table(name))
    html = CODE.sub(lambda match: _linked(match[0], match["id"], claims), html)
    return Markup(html.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>"))


def _linked(code: str, id: str, claims: Collection[str]) -> str:
    return f'<a href="../claims/{id}.html">{code}</a>' if id in claims else code
