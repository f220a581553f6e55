"""What can be asked for, as a project describes it: packages of claims, figures, readers of the user's data."""

from collections.abc import Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """A figure: the module that draws it (`draw(evidence) -> Figure`), its title, and the claims it shows."""

    module: str
    title: str
    claims: tuple[str, ...]


class Reader(NamedTuple):
    """A kind of data the user can bring: the option that names it, and the function that reads and checks it."""

    option: str
    metavar: str
    help: str
    function: str


class Catalogue(NamedTuple):
    """Packages or modules that state claims, figures by name, and readers by the kind of data."""

    packages: tuple[str, ...]
    figures: Mapping[str, Entry]
    readers: Mapping[str, Reader] = {}
