"""The folder of pages: index, claims, figures, papers, code, with their pictures, one style and one script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import joblib
from jinja2 import Environment
from markupsafe import Markup

from theory.claims import Evidence
from theory.core.files import write_atomically
from theory.harness.catalogue import Entry
from theory.harness.site.code import colours, modules, source
from theory.harness.site.pages import STATIC, environment, write_absent
from theory.harness.site.papers import Paper, as_html, markdown, paper_of
from theory.harness.site.view import View

OTHERS = "others"


@dataclass(frozen=True)
class Site:
    """What the pages show.

    Attributes:
        evidence: by claim.
        stated: the module that states each claim.
        figures: those that were drawn.
        pictures: of figures and of claims, by name: "svg" and, where it stands for claims in lists, "thumbnail" as PNG.
        prose: Markdown that tells of a paper (see `paper_of`), in the order of the papers.
        captions: of figures, in Markdown.
    """

    evidence: Mapping[str, Evidence]
    stated: Mapping[str, str]
    figures: Mapping[str, Entry]
    pictures: Mapping[str, Mapping[str, bytes]]
    prose: Sequence[str] = ()
    captions: Mapping[str, str] = field(default_factory=dict)
    environment: Environment = field(default_factory=environment, repr=False)

    def views(self) -> dict[str, View]:
        """The claims as pages show them."""
        return {id: self._view(id) for id in self.evidence}

    def _view(self, id: str) -> View:
        shown = tuple(name for name, entry in self.figures.items() if id in entry.claims)
        words = self.stated[id].split(".")
        setting = words[1] if words[0] == "experiments" else words[0]
        return View(self.evidence[id], shown, tuple(modules(self.stated[id])), setting)

    def page(self, template: str, **shown: Any) -> bytes:
        """A page from its template."""
        return self.environment.get_template(f"{template}.html").render(**shown).encode()

    def papers(self) -> list[Paper]:
        """Those that have claims here, and one for claims that are of none of them."""
        keys = {id.split(".")[0] for id in self.evidence}
        every = [paper_of(text) for text in self.prose]
        homeless = keys - {name for paper in every for name in paper.tables}
        wanted = keys | ({OTHERS} if homeless else set())
        told = [paper for paper in every if wanted & set(paper.tables)]
        known = not homeless or any(OTHERS in paper.tables for paper in told)
        return told if known else [*told, Paper(OTHERS, "Claims of no paper here", "", (OTHERS,))]

    def of_table(self, name: str, views: Mapping[str, View], told: list[Paper]) -> list[View]:
        """The claims of one table: those whose id begins with its name; of `others`, those of no table."""
        placed = {name for paper in told for name in paper.tables}
        key = {id: id.split(".")[0] for id in views}
        return [view for id, view in views.items() if key[id] == name or (name == OTHERS and key[id] not in placed)]


def write_site(site: Site, folder: Path, jobs: int = 1) -> Path:
    """Write all pages under `folder`, with that many processes at the code; returns that of the index."""
    views, told = site.views(), site.papers()
    common = {"site": site, "views": views, "papers": told}

    def put(place: str, content: bytes) -> None:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / place, content)

    put("index.html", site.page("index", root="", **common))
    for id, view in views.items():
        paper = next((paper for paper in told if view in _claims(site, paper, views, told)), None)
        put(f"claims/{id}.html", site.page("claim", root="../", view=view, paper=paper, **common))
    for name, entry in site.figures.items():
        shown = [views[claim] for claim in entry.claims]
        seen = markdown(site.captions.get(name, ""))
        page = site.page("figure", root="../", name=name, entry=entry, seen=seen, shown=shown, **common)
        put(f"figures/{name}.html", page)
    for paper in told:

        def table(name: str) -> str:
            return site.page("table", root="../", shown=site.of_table(name, views, told), **common).decode()

        prose = as_html(paper, site.figures, views, table) if paper.text else Markup(table(OTHERS))
        put(f"papers/{paper.name}.html", site.page("paper", root="../", paper=paper, prose=prose, **common))
    named = sorted({name for view in views.values() for name in view.modules} | _drawing(site))
    sources = joblib.Parallel(n_jobs=jobs)(joblib.delayed(source)(module) for module in named)
    for module, text in zip(named, sources):
        put(f"code/{module}.html", site.page("code", root="../", module=module, source=text, **common))
    for name, formats in site.pictures.items():
        put(f"pictures/{name}.svg", formats["svg"])
        if "thumbnail" in formats:
            put(f"pictures/{name}.png", formats["thumbnail"])
    for name in STATIC:
        put(name, files("theory.harness.site").joinpath("static", name).read_bytes())
    put("code.css", colours().encode())
    write_absent(folder / "docs.html", "Tutorials and reference", "python -m theory.docs")
    return folder / "index.html"


def _claims(site: Site, paper: Paper, views: Mapping[str, View], told: list[Paper]) -> list[View]:
    return [view for name in paper.tables for view in site.of_table(name, views, told)]


def _drawing(site: Site) -> set[str]:
    return {entry.module for entry in site.figures.values()}
