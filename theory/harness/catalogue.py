"""What can be asked for, as a project describes it: packages of claims, figures, readers of the user's data."""

from collections.abc import Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """A figure: the module that draws it (`draw(evidence) -> Figure`), its title, and the claims it shows."""

    module: str
    title: str
    claims: tuple[str, ...]


class Reader(NamedTuple):
    """Data the user can bring: the option that names them, and the kinds they may be of.

    Claims name the kind they accept. The function says of the data at a path, and of each kind, what keeps them from
    being of it: a line, "" where nothing does.
    """

    option: str
    metavar: str
    help: str
    function: str
    kinds: tuple[str, ...]


class Catalogue(NamedTuple):
    """Packages or modules that state claims, figures by name, and readers of the user's data.

    `group` names the entry points by which installed packages offer claims of their own, "" for none.
    """

    packages: tuple[str, ...]
    figures: Mapping[str, Entry]
    readers: tuple[Reader, ...] = ()
    group: str = ""

    @property
    def stating(self) -> tuple[str, ...]:
        """Every package or module that states claims, those that installed packages offer among them."""
        if not self.group:
            return self.packages
        from importlib.metadata import entry_points

        return (*self.packages, *(point.value for point in entry_points(group=self.group)))
