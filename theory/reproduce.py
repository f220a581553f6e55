"""Reproduce figures: `python -m theory.reproduce fig5 [fig6 ...] | all`. Exit status as for `theory.verify`.

The id of a claim, or a pattern, asks for the picture of its checks, which every claim has: `reproduce 'min2021.*'`.
"""

import argparse
import io
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from theory.catalogue import CATALOGUE
from theory.harness import options
from theory.harness.catalogue import Catalogue, Entry
from theory.harness.data import accepting, refuse_data
from theory.harness.discovery import Stated, stated_claims
from theory.harness.places import with_figures

if TYPE_CHECKING:
    from theory.claims import Evidence
    from theory.claims.study import Study


FOREST = "figures.forest"  # draws the checks of any claim
# How each is saved, with no date in it: equal evidence gives equal bytes.
FORMATS = {
    "png": {"format": "png"},
    "svg": {"format": "svg", "metadata": {"Date": None}, "backend": "module://theory.harness.svg"},
    "pdf": {"format": "pdf", "metadata": {"CreationDate": None}},
    "thumbnail": {"format": "png", "dpi": 40},
}


def main(argv: Sequence[str] | None = None, catalogue: Catalogue = CATALOGUE) -> int:
    """The command; returns its exit status."""
    parser = options.parser("reproduce", "Judge the claims behind figures, and draw them.", catalogue.readers)
    parser.add_argument(
        "figures",
        nargs="*",
        metavar="FIGURE",
        help="names, all, claims (ids or patterns), or your own file of claims, with a function that draws them or not",
    )
    arguments = parser.parse_args(argv)
    respond = _list if arguments.list else _reproduce
    return options.answer("reproduce", lambda: respond(arguments, catalogue))


def _list(arguments: argparse.Namespace, catalogue: Catalogue) -> int:
    for name, entry in catalogue.figures.items():
        print(f"{name}  {entry.title}  ({', '.join(entry.claims)})")
    return options.HOLD


def _reproduce(arguments: argparse.Namespace, catalogue: Catalogue) -> int:
    known = stated_claims(catalogue.stating)
    arguments.figures, figures, known = with_figures(arguments.figures, catalogue.figures, known)
    figures = chosen(arguments, figures, known)
    names = dict.fromkeys(name for entry in figures.values() for name in entry.claims)
    if arguments.show:
        return options.show(arguments, [known[name] for name in names])
    study = options.conditions(arguments)
    results = options.judge(arguments, [known[name] for name in names], study)
    undrawn = False
    for name, entry in figures.items():
        if all(claim in results.evidence for claim in entry.claims):
            evidence = {claim: results.evidence[claim] for claim in entry.claims}
            undrawn |= not _finish(arguments, name, entry, evidence, study)
    status = options.status("reproduce", results, arguments.verbose)
    return max(status, options.FAIL) if undrawn else status


def chosen(
    arguments: argparse.Namespace, figures: Mapping[str, Entry], known: Mapping[str, Stated]
) -> dict[str, Entry]:
    """The figures asked for.

    Raises:
        InvalidArgument: none is named, or one that does not exist, or one whose claims do not accept the data.
    """
    from theory.core.validation import reject

    if not arguments.figures:
        reject("figure", "nothing", f"all, some of {', '.join(figures)}, or the id of a claim")
    named: dict[str, Entry] = {}
    for word in arguments.figures:
        named |= _named(word, figures, known)
    missing = [claim for entry in named.values() for claim in entry.claims if claim not in known]
    if missing:
        reject("figure", ", ".join(named), f"figures of claims that are stated; {', '.join(missing)} is not")
    shown = {name: [known[claim] for claim in entry.claims] for name, entry in named.items()}
    refused = {
        name: [claim for claim in claims if claim not in accepting(claims, arguments.data)]
        for name, claims in shown.items()
    }
    usable = {name: entry for name, entry in named.items() if not refused[name]}
    if not usable or any(refused.get(word) for word in arguments.figures):
        refuse_data(arguments.data, [claim for claims in refused.values() for claim in claims], known.values())
    return usable


def _named(word: str, figures: Mapping[str, Entry], known: Mapping[str, Stated]) -> dict[str, Entry]:
    """The figures that a word of the command line asks for: all, one, or those of the claims that match it."""
    if word == "all":
        return dict(figures)
    if word in figures:
        return {word: figures[word]}
    if "." not in word and "*" not in word:
        options.unknown("figure", word, figures)
    return {claim.id: of_claim(claim.id) for claim in options.matching(word, known)}


def of_claim(id: str) -> Entry:
    """The picture of one claim's checks."""
    return Entry(FOREST, id, (id,))


def _finish(
    arguments: argparse.Namespace, name: str, entry: Entry, evidence: "dict[str, Evidence]", study: "Study"
) -> bool:
    """Draw one figure and write its picture, data and verdicts; False, and one line, if it cannot be drawn."""
    from theory.core.files import write_atomically
    from theory.harness import archive, provenance

    try:
        pictures = draw(entry.module, evidence, options.formats(arguments))
    except Exception as error:  # a figure that cannot be drawn must not keep the others from it
        options.complain("reproduce", f"{name} could not be drawn by {entry.module}: {type(error).__name__}: {error}")
        return False
    own = [] if study.data is None else [study.data.name.split(".")[0]]
    stem = "-".join([name, *own, *arguments.set])  # the paper's own stays there
    for ending, picture in pictures.items():
        write_atomically(arguments.out / f"{stem}.{ending}", picture)
    seconds = sum(item.provenance["seconds"] for item in evidence.values())
    archive.write(arguments.out / stem, list(evidence.values()), provenance.provenance(study, round(seconds, 3)))
    return True


def draw(module: str, evidence: "Mapping[str, Evidence]", endings: Sequence[str]) -> dict[str, bytes]:
    """The picture in each of `FORMATS` that is asked for."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from theory.harness.svg import lay_out

    drawing = import_module(module)
    matplotlib.rcParams["svg.hashsalt"] = "theory"
    figure = drawing.draw(evidence)
    if list(endings)[:1] == ["svg"]:
        lay_out(figure)
    pictures = {}
    for ending in endings:
        buffer = io.BytesIO()
        figure.savefig(buffer, **FORMATS[ending])
        figure.set_layout_engine(None)  # found once, for all formats; at "none" matplotlib would look for it again
        pictures[ending] = buffer.getvalue()
    pyplot.close(figure)
    return pictures


if __name__ == "__main__":
    sys.exit(main())
