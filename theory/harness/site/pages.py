"""What all pages share: their templates, style and script; and what stands in the place of a page not made yet."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from theory.core.files import write_atomically

STATIC = ("style.css", "page.js")


def environment() -> Environment:
    """The templates of the pages."""
    loader = PackageLoader("theory.harness.site")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def write_absent(file: Path, title: str, command: str) -> None:
    """Unless the page is there, write one that says which command makes it: links to it lead somewhere."""
    if not file.exists():
        page = environment().get_template("absent.html").render(root="", papers=(), title=title, command=command)
        write_atomically(file, page.encode())
