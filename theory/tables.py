"""Tables and numbers in prose, made from the evidence in figures/rendered: `python -m theory.tables [--check]`.

In paper_repro.md `<!-- table: min2021 -->` ... `<!-- end -->` holds the claims whose id begins with `min2021.`, and the
table of `others` those whose paper or setting has no table of its own. `<!-- sweep: rate-by-width :: width -->` ...
`<!-- end -->` holds the verdict at each value of the parameter `width` in the evidence file `rate-by-width.json`. How
a number stands in the prose of both pages is said in `theory.harness.prose`.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from theory.catalogue import CATALOGUE
from theory.harness import options
from theory.harness.catalogue import Entry

ROOT = Path(__file__).resolve().parents[1]
EVIDENCE = Path("figures/rendered")
VERDICTS = EVIDENCE / "verdicts.json"
PAGE = Path("paper_repro.md")
PROSE = (PAGE, Path("README.md"))
OTHERS = "others"
TABLE = re.compile(r"(?P<begin><!-- table: (?P<name>\S+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
SWEEP = re.compile(r"(?P<begin><!-- sweep: (?P<file>\S+) :: (?P<name>\S+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
HEADINGS = ("theorem", "claim", "verdict", "checks: predicted, measured, headroom, resolution", "figure", "command")


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """The command: 0 if both pages are fresh (now), 1 if `--check` finds one stale, 2 if there is nothing to do."""
    parser = options.Parser(prog="python -m theory.tables", description="Rewrite the tables and numbers of the pages.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a table or number is stale")
    arguments = parser.parse_args(argv)
    return options.answer("tables", lambda: _rewrite(arguments, root))


def _rewrite(arguments: argparse.Namespace, root: Path) -> int:
    from theory.core.files import write_atomically
    from theory.core.validation import reject

    if not (root / PAGE).is_file():
        reject("page", root / PAGE, "a checkout of this project, whose pages hold the tables")
    stale = {}
    for name in PROSE:
        page = (root / name).read_text(encoding="utf-8")
        fresh = _fresh(page, root, name == PAGE)
        if page != fresh:
            stale[name] = fresh
    if stale and arguments.check:
        names = " and ".join(str(name) for name in stale)
        options.complain("tables", f"tables or numbers of {names} are stale; `make paper` makes them anew")
        return options.FAIL
    for name, fresh in stale.items():
        write_atomically(root / name, fresh.encode())
    return options.HOLD


def _fresh(page: str, root: Path, has_tables: bool) -> str:
    from theory.harness import prose

    claims = {stem: _by_id(_claims(root, stem)) for stem in {prose.USUAL} | prose.files(page)}
    if has_tables:
        page = rewritten(page, list(claims[prose.USUAL].values()), CATALOGUE.figures)
    page = SWEEP.sub(
        lambda match: match["begin"] + swept(_claims(root, match["file"]), match["name"]) + match["end"], page
    )
    return prose.written(page, claims)


def _claims(root: Path, stem: str) -> list[Mapping[str, Any]]:
    content = json.loads((root / EVIDENCE / f"{stem}.json").read_text(encoding="utf-8"))
    return list(content["claims"])


def _by_id(claims: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {claim["id"]: claim for claim in claims}


def swept(claims: Sequence[Mapping[str, Any]], name: str) -> str:
    """One row a value of the parameter: verdict, and the check that it rests on."""
    from theory.claims.parameters import written

    rows = [(name, "verdict", "rests on: predicted, measured, headroom, resolution"), ["---"] * 3]
    for claim in claims:
        value = claim["parameters"][name]
        text = written(tuple(value) if isinstance(value, list) else value)
        rows.append((text, claim["in_words"], _cell(_numbers(_decisive(claim["checks"])))))
    return _table(rows)


def _decisive(checks: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The check that failed by most or, where none did, the coarsest of the theorem's own."""
    failed = [check for check in checks if not check["passed"]]
    if failed:
        return min(failed, key=lambda check: float(check["headroom"]))
    return max((check for check in checks if check["own"]), key=lambda check: float(check["resolution"] or 0))


def rewritten(page: str, claims: Sequence[Mapping[str, Any]], figures: Mapping[str, Entry]) -> str:
    """`page` with each table made anew.

    Raises:
        InvalidArgument: a table without claims, or claims without a table.
    """
    from theory.core.validation import reject

    placed = {match["name"] for match in TABLE.finditer(page)}
    stated = {claim["id"].split(".")[0] for claim in claims}
    empty, homeless = placed - stated - {OTHERS}, stated - placed
    if empty or (homeless and OTHERS not in placed):
        reject(f"tables of {PAGE}", sorted(placed), f"one for each of {sorted(stated)}, or one for {OTHERS}")

    def fill(match: re.Match[str]) -> str:
        wanted = homeless if match["name"] == OTHERS else {match["name"]}
        chosen = [claim for claim in claims if claim["id"].split(".")[0] in wanted]
        return match["begin"] + (table(chosen, figures) if chosen else "") + match["end"]

    return TABLE.sub(fill, page)


def table(claims: Sequence[Mapping[str, Any]], figures: Mapping[str, Entry]) -> str:
    """One row a claim."""
    return _table([HEADINGS, ["---"] * len(HEADINGS), *(_row(claim, figures) for claim in claims)])


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(claim: Mapping[str, Any], figures: Mapping[str, Entry]) -> list[str]:
    shown = [name for name, entry in figures.items() if claim["id"] in entry.claims]
    commands = [f"reproduce {name}" for name in shown] or [f"verify {claim['id']}"]
    return [
        f"{_cell(claim['source'])} (*{claim['source_kind']}*)",
        f"`{claim['id']}`",
        claim["in_words"],
        _folded(claim["checks"]),
        "<br>".join(f"[{name}](figures/rendered/{name}.png)" for name in shown),
        "<br>".join(f"`python -m theory.{command}`" for command in commands),
    ]


def _folded(checks: Sequence[Mapping[str, Any]]) -> str:
    """How many checks and controls there are and, unfolded, each with its numbers: hundreds would bury the verdicts."""
    from theory.claims.check import HAVE_TO_FAIL

    controls = sum(check["kind"] in HAVE_TO_FAIL for check in checks)
    failed = sum(not check["passed"] for check in checks)
    counts = [f"{len(checks) - controls} checks", f"{controls} controls", *([f"{failed} FAILED"] if failed else [])]
    numbers = "<br>".join(_cell(_numbers(check)) for check in checks)
    return f"<details><summary>{', '.join(counts)}</summary>{numbers}</details>"


def _numbers(check: Mapping[str, Any]) -> str:
    from theory.claims.verdicts import percent

    predicted, measured, headroom = (f"{float(check[name]):.4g}" for name in ("predicted", "measured", "headroom"))
    failed = "" if check["passed"] else "FAILED "
    part, case = (f"{check[word]}{mark}" if check[word] else "" for word, mark in (("part", ", "), ("case", ": ")))
    resolution = "" if check["resolution"] is None else f", {percent(float(check['resolution']))}"
    role = "" if check["own"] or check["resolution"] is None else ", supporting"
    return (
        f"{failed}{part}{case}{check['name']} ({check['kind']}{role}): {predicted}, {measured}, {headroom}{resolution}"
    )


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.exit(main())
