"""Judge claims: `python -m theory.verify [CLAIM ...]`. Exit 0: all hold. 1: one fails. 2: the request is wrong."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from theory.catalogue import CATALOGUE
from theory.harness import options
from theory.harness.catalogue import Catalogue, Entry
from theory.harness.data import Data, accepting, left_out, refuse_data
from theory.harness.discovery import Stated, stated_claims
from theory.harness.places import figures_at, with_claims

CLAIMS = "id, pattern such as 'min2021.*', or your own file my_theorem.py (default: all claims of the package)"


def main(argv: Sequence[str] | None = None, catalogue: Catalogue = CATALOGUE) -> int:
    """The command; returns its exit status."""
    parser = options.parser("verify", "Judge claims: each theorem against trained networks.", catalogue.readers)
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help=CLAIMS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the verdicts to this file, too")
    text = "say what changed from this evidence file, as --json writes it; with two files, from the first to the second"
    parser.add_argument("--compare", type=Path, nargs="+", metavar="FILE", help=text)
    parser.add_argument(
        "--seeds", metavar="A:B", help="judge on the seeds A to B - 1; adds to the survey in --json FILE"
    )
    text = "judge at each value of a parameter (values of a list apart by ;), and draw what comes of it"
    parser.add_argument("--sweep", metavar="NAME=V1,V2", help=text)
    parser.add_argument("--report", type=Path, metavar="DIR", help="write pages that show them under this folder, too")
    arguments = parser.parse_args(argv)
    return options.answer("verify", lambda: _answer(arguments, stated_claims(catalogue.stating)))


def _answer(arguments: argparse.Namespace, known: dict[str, Stated]) -> int:
    drawn = figures_at(arguments.claims)
    arguments.claims, known = with_claims(arguments.claims, known)
    if arguments.list:
        return _list(chosen(arguments.claims, known, arguments.data))
    if arguments.show:
        return options.show(arguments, chosen(arguments.claims, known, arguments.data))
    if arguments.sweep is not None:
        return _sweep(arguments, chosen(arguments.claims, known, arguments.data))
    if arguments.compare and len(arguments.compare) > 1:
        return _compare_files(arguments.compare, arguments.claims)
    if arguments.seeds:
        return _survey(arguments, chosen(arguments.claims, known, arguments.data))
    return _verify(arguments, known, drawn)


def _list(claims: Sequence[Stated]) -> int:
    name = max((len(claim.id) for claim in claims), default=0)
    file = max((len(str(claim.file)) for claim in claims), default=0)
    print("\n".join(f"{claim.id:{name}}  {claim.file!s:{file}}  {claim.source}" for claim in claims))
    return options.HOLD


def _verify(arguments: argparse.Namespace, known: dict[str, Stated], drawn: Mapping[str, Entry]) -> int:
    claims = chosen(arguments.claims, known, arguments.data)
    matching = [claim for word in arguments.claims or ["*"] for claim in options.matching(word, known)]
    for line in left_out(matching, arguments.data):
        options.complain("verify", line)
    if arguments.json:
        _check_file(arguments.json)
    if arguments.report:
        options.writable_folder("report", arguments.report)
    old = _load(arguments.compare[0]) if arguments.compare else None
    study = options.conditions(arguments)
    results = options.judge(arguments, claims, study)
    if arguments.json or old:
        import json

        from theory.harness import archive, compare, provenance

        evidence = list(results.evidence.values())
        seconds = sum(item.provenance["seconds"] for item in evidence)
        text = archive.document(evidence, provenance.provenance(study, round(seconds, 3)))
        if arguments.json:
            _write(arguments.json, text)
        if old:
            print("\n".join(compare.compare(_only(old, arguments.claims), json.loads(text)).lines()))
    if arguments.report and results.evidence:
        from theory.report import write

        print(write(arguments.report, results.evidence, known, {**CATALOGUE.figures, **drawn}, arguments.jobs))
    return options.status("verify", results, arguments.verbose)


def _survey(arguments: argparse.Namespace, claims: Sequence[Stated]) -> int:
    """Exit status 0 if every claim holds on every seed."""
    from theory.core.validation import reject
    from theory.harness.fingerprint import fingerprint
    from theory.harness.provenance import ROOT, commit
    from theory.harness.seeds import Survey, conditions, seed_range

    if arguments.compare:
        reject("compare", arguments.compare[0], "nothing beside --seeds: an evidence file is of one seed")
    seeds = seed_range(arguments.seeds)
    if arguments.json:
        _check_file(arguments.json)
    asked = options.tasks(arguments, claims, options.conditions(arguments))
    survey, source = Survey.read(arguments.json) if arguments.json else Survey(), commit(ROOT)
    records = {
        claim.id: survey.record(claim.id, conditions(study), fingerprint(claim.module), source)
        for claim, study in asked
    }
    for seed, results in options.run_seeds(arguments, asked, seeds, lambda id, seed: seed not in records[id].seeds):
        for id, evidence in results.evidence.items():
            records[id].add(seed, evidence.checks)
        for stopped in results.stopped:
            records[stopped.id].stop(seed, stopped.reason)
        if arguments.json:
            _write(arguments.json, survey.document())
    print("\n".join(survey.lines()))
    return options.HOLD if survey.holds else options.FAIL


def _sweep(arguments: argparse.Namespace, claims: Sequence[Stated]) -> int:
    """Each claim at each value of the parameter. Exit status 0 if every one of them holds."""
    from theory.core.files import write_atomically
    from theory.core.validation import reject
    from theory.harness import archive, provenance, report
    from theory.reproduce import draw

    if arguments.compare or arguments.seeds:
        reject("sweep", repr(arguments.sweep), "neither --compare nor --seeds beside it")
    if arguments.json:
        _check_file(arguments.json)
    study = options.conditions(arguments)
    swept = options.swept(arguments, claims, study)
    everything = {f"{id} {value}": task for id, tasks in swept.items() for value, task in tasks.items()}
    results = options.run_tasks(arguments, everything)
    for id, tasks in swept.items():
        found = {value: results.evidence[f"{id} {value}"] for value in tasks if f"{id} {value}" in results.evidence}
        report.sweep(id, found)
        if len(found) > 1:
            for ending, picture in draw("figures.sweep", found, options.formats(arguments)).items():
                name = f"{id}-by-{arguments.sweep.partition('=')[0]}.{ending}"
                write_atomically(arguments.out / name, picture)
    if arguments.json:
        evidence = list(results.evidence.values())
        seconds = sum(item.provenance["seconds"] for item in evidence)
        _write(arguments.json, archive.document(evidence, provenance.provenance(study, round(seconds, 3))))
    return options.status("verify", results, arguments.verbose)


def _compare_files(files: Sequence[Path], patterns: Sequence[str]) -> int:
    """Exit status 0 if every verdict is what it was and no check is lost."""
    from theory.core.validation import reject
    from theory.harness import compare

    if len(files) > 2:
        reject("compare", f"{len(files)} files", "one or two")
    comparison = compare.compare(*(_only(_load(file), patterns) for file in files))
    print("\n".join(comparison.lines()))
    return options.HOLD if comparison.agrees else options.FAIL


def _load(file: Path) -> Mapping[str, Any]:
    from theory.harness.compare import load

    return load(file)


def _only(content: Mapping[str, Any], patterns: Sequence[str]) -> Mapping[str, Any]:
    asked = [claim for claim in content["claims"] if any(fnmatchcase(claim["id"], word) for word in patterns or "*")]
    return {**content, "claims": asked}


def chosen(patterns: Sequence[str], known: dict[str, Stated], data: Data | None) -> list[Stated]:
    """The claims that match one of `patterns` (none: all), in the order in which they are stated.

    Raises:
        InvalidArgument: a pattern matches no claim; or data is given, and a claim named in full does not accept it.
    """
    named = []
    for pattern in patterns or ["*"]:
        matches = options.matching(pattern, known)
        usable = accepting(matches, data)
        if data and not usable:
            refuse_data(data, matches, known.values())
        named += usable
    return [claim for claim in known.values() if claim in named]


def _write(file: Path, text: str) -> None:
    """A device is written to; a link stays one, and what it points to is replaced."""
    from theory.core.files import write_atomically

    if file.is_char_device():
        file.write_text(text)
    else:
        write_atomically(file.resolve(), text.encode())


def _check_file(file: Path) -> None:
    from theory.core.validation import reject

    if file.is_dir():
        reject("json", file, "a file, not a folder")
    if file.exists() and not (file.is_file() or file.is_char_device()):
        reject("json", file, "a regular file or a new name")
    if file.exists() and not os.access(file, os.W_OK):
        reject("json", file, "a file that can be written to")
    options.writable_folder("json", file.resolve().parent)


if __name__ == "__main__":
    sys.exit(main())
