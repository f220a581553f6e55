"""The user's own data: of which kinds they are, and which claims can be judged on them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from theory.harness.catalogue import Reader
from theory.harness.discovery import Stated


@dataclass(frozen=True)
class Data:
    """The user's own data: what reads them, and where they are."""

    reader: Reader
    name: str

    @property
    def path(self) -> Path:
        return Path(self.name)

    @cached_property
    def missing(self) -> Mapping[str, str]:
        """What keeps the data from being of each kind that their reader knows, in a line; "" where nothing does.

        Raises:
            InvalidArgument: they cannot be read, or are of no kind at all.
        """
        module, _, function = self.reader.function.rpartition(".")
        return getattr(import_module(module), function)(self.path)

    def suit(self, claim: Stated) -> bool:
        """Whether the claim can be judged on them; they are read only if it may be."""
        return claim.accepts_data in self.reader.kinds and not self.missing[claim.accepts_data]


def accepting(claims: Collection[Stated], data: Data | None) -> list[Stated]:
    """The claims that can be judged on `data`: all of them where there is none."""
    return [claim for claim in claims if data is None or data.suit(claim)]


def left_out(claims: Collection[Stated], data: Data | None) -> Iterator[str]:
    """What keeps the data from some of `claims`, a line for each kind that these accept and the data are not of."""
    for kind in data.reader.kinds if data else ():
        names = [claim.id for claim in claims if claim.accepts_data == kind]
        if data and names and data.missing[kind]:
            yield f"{data.missing[kind]} (left out: {', '.join(names)})"


def refuse_data(data: Data, claims: Collection[Stated], known: Collection[Stated]) -> NoReturn:
    """Refuse to judge `claims` on data: say what keeps these from being of the kind, or which claims accept them."""
    from theory.core.validation import InvalidArgument, reject

    for claim in claims:
        if claim.accepts_data in data.reader.kinds:
            raise InvalidArgument(f"{data.missing[claim.accepts_data]} (for {claim.id})")
    kinds = data.reader.kinds
    if len(kinds) > 1:
        kinds = tuple(kind for kind in kinds if not data.missing[kind])
    able = ", ".join(claim.id for claim in accepting(known, data)) or "none does"
    refused = ", ".join(claim.id for claim in claims)
    reject("data", data.path, f"claims that accept data for {' or '.join(kinds)} ({able}), not {refused}")
