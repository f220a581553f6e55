"""The reference beside the pages of the claims, and a page that leads to it and to the tutorials."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from theory.core.files import write_atomically
from theory.harness.site.code import colours
from theory.harness.site.pages import STATIC, environment, write_absent
from theory.harness.site.reference import Modules, first_sentence, place, public_names, write_reference

if TYPE_CHECKING:
    from theory.harness.site.tutorials import Tutorial

PAGE = "docs.html"


def write_docs(modules: Modules, tutorials: "Sequence[Tutorial]", folder: Path) -> Path:
    """Write the reference of the modules under `folder`; returns the page that leads to it and to the tutorials.

    Those have their pages by `theory.harness.site.tutorials.write_tutorial`.
    """
    write_reference(modules, folder)
    helpers = {"place": place, "first_sentence": first_sentence, "public_names": public_names}
    template = environment().get_template(PAGE)
    page = template.render(root="", papers=(), modules=modules, tutorials=tutorials, **helpers)
    write_atomically(folder / PAGE, page.encode())
    for name in STATIC:
        write_atomically(folder / name, files("theory.harness.site").joinpath("static", name).read_bytes())
    write_atomically(folder / "code.css", colours().encode())
    write_absent(folder / "index.html", "Theorems and their verdicts", "python -m theory.report")
    return folder / PAGE
