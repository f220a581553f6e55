"""Judge claims: `python -m theory.verify [CLAIM ...]`. Exit 0: all hold. 1: one fails. 2: the request is wrong."""

import argparse
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from theory import options
from theory.catalogue import CATALOGUE, Catalogue
from theory.sourcecode import Stated, stated_claims


def main(argv: Sequence[str] | None = None, catalogue: Catalogue = CATALOGUE) -> int:
    """The command; returns its exit status."""
    parser = options.parser("verify", "Judge claims: each theorem against trained networks.")
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help="id or pattern such as 'min2021.*' (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the verdicts to this file, too")
    arguments = parser.parse_args(argv)
    known = stated_claims(catalogue.settings)
    if arguments.list:
        width = max(map(len, known), default=0)
        print("\n".join(f"{claim.id:{width}}  {claim.source}" for claim in known.values()))
        return options.HOLD
    return options.answer("verify", lambda: _verify(arguments, known))


def _verify(arguments: argparse.Namespace, known: dict[str, Stated]) -> int:
    claims = chosen(arguments.claims, known, arguments.data)
    if arguments.json:
        _check_file(arguments.json)
    study = options.conditions(arguments)
    results = options.judge(arguments, claims, study)
    if arguments.json:
        from theory import archive, provenance
        from theory.files import write_atomically

        evidence = list(results.evidence.values())
        seconds = sum(item.provenance["seconds"] for item in evidence)
        text = archive.document(evidence, provenance.provenance(study, round(seconds, 3)))
        write_atomically(arguments.json, text.encode())
    return options.status("verify", results, arguments.verbose)


def chosen(patterns: Sequence[str], known: dict[str, Stated], data: options.Data | None) -> list[Stated]:
    """The claims that match one of `patterns` (none: all), in the order in which they are stated.

    Raises:
        InvalidArgument: a pattern matches no claim; or data is given, and a claim named in full does not accept it.
    """
    named = []
    for pattern in patterns or ["*"]:
        matches = [claim for claim in known.values() if fnmatchcase(claim.id, pattern)]
        if not matches:
            options.unknown("claim", pattern, known)
        usable = options.accepting(matches, data)
        if data and not usable:
            options.refuse_data(data, matches, known.values())
        named += usable
    return [claim for claim in known.values() if claim in named]


def _check_file(file: Path) -> None:
    from theory.validation import reject

    if file.is_dir():
        reject("json", file, "a file, not a folder")
    options.writable_folder("json", file.parent)


if __name__ == "__main__":
    sys.exit(main())
