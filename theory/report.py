"""Pages that show what was judged: `python -m theory.report [CLAIM ...]` writes results/report/index.html.

The claims are judged as `theory.verify` judges them; what it has finished is taken from results/. The pages need no
server and no network: the folder can be opened where it is, or sent. Exit status as for `theory.verify`.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from theory.catalogue import CATALOGUE
from theory.harness import options
from theory.harness.catalogue import Catalogue, Entry
from theory.harness.discovery import Stated, stated_claims
from theory.harness.places import figures_at, with_claims
from theory.papers import captions, texts
from theory.reproduce import draw, of_claim
from theory.verify import CLAIMS, chosen

if TYPE_CHECKING:
    from theory.claims import Evidence

FOLDER = "report"


def main(argv: Sequence[str] | None = None, catalogue: Catalogue = CATALOGUE) -> int:
    """The command; returns its exit status."""
    parser = options.parser("report", "Judge claims, and write pages that show them.", catalogue.readers)
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help=CLAIMS)
    arguments = parser.parse_args(argv)
    return options.answer("report", lambda: _report(arguments, catalogue))


def _report(arguments: argparse.Namespace, catalogue: Catalogue) -> int:
    figures = dict(catalogue.figures) | figures_at(arguments.claims)
    arguments.claims, known = with_claims(arguments.claims, stated_claims(catalogue.stating))
    claims = chosen(arguments.claims, known, arguments.data)
    if arguments.list:
        print("\n".join(claim.id for claim in claims))
        return options.HOLD
    if arguments.show:
        return options.show(arguments, claims)
    results = options.judge(arguments, claims, options.conditions(arguments))
    if results.evidence:
        print(write(arguments.out / FOLDER, results.evidence, known, figures, arguments.jobs))
    return options.status("report", results, arguments.verbose)


def write(
    folder: Path,
    evidence: "Mapping[str, Evidence]",
    known: Mapping[str, Stated],
    figures: Mapping[str, Entry],
    jobs: int | None = None,
) -> Path:
    """Write the pages of the evidence, with every figure all of whose claims are there; returns the index."""
    import joblib

    from theory.harness.site import Site, write_site

    drawn = {name: entry for name, entry in figures.items() if set(entry.claims) <= set(evidence)}
    shown = {id for entry in drawn.values() for id in entry.claims}
    entries = drawn | {id: of_claim(id) for id in evidence}  # what takes longest first
    formats = {name: ("svg",) if name in shown else ("svg", "thumbnail") for name in entries}
    pictures = _pictures(entries, formats, evidence, jobs)
    drawn = {name: entry for name, entry in drawn.items() if name in pictures}
    stated = {id: known[id].module for id in evidence}
    return write_site(Site(evidence, stated, drawn, pictures, texts(), captions()), folder, jobs or joblib.cpu_count())


def _pictures(
    entries: Mapping[str, Entry],
    formats: Mapping[str, Sequence[str]],
    evidence: "Mapping[str, Evidence]",
    jobs: int | None,
) -> dict[str, dict[str, bytes]]:
    """The pictures by name; one that cannot be drawn is left out, with a line that says so."""
    import joblib

    one = joblib.delayed(_picture)
    parts = [{claim: evidence[claim] for claim in entry.claims} for entry in entries.values()]
    workers = joblib.Parallel(n_jobs=jobs or joblib.cpu_count())
    found = workers(one(entry.module, part, formats[name]) for (name, entry), part in zip(entries.items(), parts))
    pictures = {}
    for name, picture in zip(entries, found):
        if isinstance(picture, str):
            options.complain("report", f"{name} could not be drawn by {entries[name].module}: {picture}")
        else:
            pictures[name] = picture
    return pictures


def _picture(module: str, evidence: "Mapping[str, Evidence]", formats: Sequence[str]) -> dict[str, bytes] | str:
    try:
        return draw(module, evidence, formats)
    except Exception as error:  # a figure that cannot be drawn must not keep the others from it
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main())
