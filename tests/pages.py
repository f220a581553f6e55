"""Pages as their readers find them: what they say, and where their links lead."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """Links, identifiers, and text of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.tags: list[str] = []
        self.text = ""
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.links += [str(found[name]) for name in ("href", "src") if found.get(name)]
        self.ids |= {str(found["id"])} if "id" in found else set()
        assert tag != "img" or "alt" in found

    def handle_data(self, data: str) -> None:
        self.text += data


def broken(folder: Path) -> list[tuple[str, str]]:
    """Links of the pages in a folder that lead nowhere."""
    pages = {file: Page(file) for file in folder.rglob("*.html")}
    found = []
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            inside = parts.scheme == "data" or (not parts.scheme and target.is_file())
            if not inside or (parts.fragment and parts.fragment not in pages[target].ids):
                found.append((file.name, link))
    return found
