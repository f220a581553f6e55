"""Tables and numbers in prose, made from the evidence in figures/rendered: `python -m theory.tables [--check]`.

They stand on the pages between a marker and `<!-- end -->`:

    <!-- table: min2021 -->                 the claims whose id begins with `min2021.`; `others`: those without a table
    <!-- abstract: min2021 -->              what theory/papers/min2021.md says of the paper's abstract
    <!-- told: frontier -->                 all that theory/papers/frontier.md says
    <!-- figures -->                        where the names of figures lead
    <!-- seeds -->                          on how many seeds claims were judged by their code as it is
    <!-- accelerator -->                    what `make gpu` has timed
    <!-- sweep: rate-by-width :: width -->  the verdict at each value of `width` in the evidence file rate-by-width.json

The last may stand on any page, the others in paper_repro.md. How a number stands in prose is said in
`theory.harness.prose`.
"""

import argparse
import json
import re
import sys
import textwrap
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
PAPERS = Path("theory/papers")
ABSTRACT = "Its abstract, sentence by sentence"
OTHERS = "others"
TABLE = re.compile(r"(?P<begin><!-- table: (?P<name>\S+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
SWEEP = re.compile(r"(?P<begin><!-- sweep: (?P<file>\S+) :: (?P<name>\S+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
TOLD = re.compile(r"(?P<begin><!-- told: (?P<name>\S+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
DIGEST = re.compile(r"(?P<begin><!-- abstract: (?P<name>\S+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
LINKS = re.compile(r"(?P<begin><!-- figures -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
SEEDS = re.compile(r"(?P<begin><!-- seeds -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
ACCELERATOR = re.compile(r"(?P<begin><!-- accelerator -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
WIDTH = 120  # of a line of prose
MANY = 100  # seeds that every claim is to be judged on
HEADINGS = ("theorem", "claim", "verdict", "figure")


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """The command: 0 if all pages are fresh (now), 1 if `--check` finds one stale, 2 if there is nothing to do."""
    parser = options.Parser(prog="python -m theory.tables", description="Rewrite the tables and numbers of the pages.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a table or number is stale")
    arguments = parser.parse_args(argv)
    return options.answer("tables", lambda: _rewrite(arguments, root))


def _rewrite(arguments: argparse.Namespace, root: Path) -> int:
    from theory.core.files import write_atomically
    from theory.core.validation import reject

    if not (root / PAGE).is_file():
        reject("page", root / PAGE, "a checkout of this project, whose pages hold the tables")
    pages = {PAGE, Path("README.md"), *(file.relative_to(root) for file in (root / PAPERS).glob("*.md"))}
    written = {name: (root / name).read_text(encoding="utf-8") for name in sorted(pages)}
    fresh = {name: _swept(_numbered(page, root), root) for name, page in written.items()}
    fresh[PAGE] = _tabled(fresh, root)
    stale = {name: page for name, page in fresh.items() if page != written[name]}
    if stale and arguments.check:
        names = " and ".join(str(name) for name in stale)
        options.complain("tables", f"tables or numbers of {names} are stale; `make paper` makes them anew")
        return options.FAIL
    for name, page in stale.items():
        write_atomically(root / name, page.encode())
    return options.HOLD


def _numbered(page: str, root: Path) -> str:
    from theory.harness import prose

    return prose.written(page, {stem: _by_id(_claims(root, stem)) for stem in {prose.USUAL} | prose.files(page)})


def _swept(page: str, root: Path) -> str:
    return SWEEP.sub(
        lambda match: match["begin"] + swept(_claims(root, match["file"]), match["name"]) + match["end"], page
    )


def _tabled(pages: Mapping[Path, str], root: Path) -> str:
    page = rewritten(pages[PAGE], _claims(root, VERDICTS.stem), CATALOGUE.figures)
    page = LINKS.sub(lambda match: match["begin"] + _links(CATALOGUE.figures) + match["end"], page)
    page = SEEDS.sub(lambda match: match["begin"] + _judged_on_seeds(root) + match["end"], page)
    page = ACCELERATOR.sub(lambda match: match["begin"] + _on_an_accelerator(root) + match["end"], page)
    page = TOLD.sub(lambda match: match["begin"] + told(pages[PAPERS / f"{match['name']}.md"]) + match["end"], page)
    return DIGEST.sub(
        lambda match: match["begin"] + abstract(pages[PAPERS / f"{match['name']}.md"]) + match["end"], page
    )


def abstract(paper: str) -> str:
    """What a paper's file says of its abstract, without the comments that say where its numbers are from.

    Raises:
        InvalidArgument: it has no section of that name.
    """
    from theory.core.validation import reject

    found = re.search(rf"^## {ABSTRACT}\n(?P<said>.*?)(?=^## |\Z)", paper, re.DOTALL | re.MULTILINE)
    if not found:
        reject("paper", paper.partition("\n")[0], f"one with a section '{ABSTRACT}'")
    return COMMENT.sub("", found["said"]).strip() + "\n"


def told(paper: str) -> str:
    """All that a paper's file says in prose under its heading, a level down, without the comments."""
    text = re.sub(r"^(#+ )", r"#\1", COMMENT.sub("", paper.partition("\n")[2]), flags=re.MULTILINE)
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return "\n\n".join(textwrap.fill(each, WIDTH, break_on_hyphens=False) for each in paragraphs if each) + "\n"


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


def _judged_on_seeds(root: Path) -> str:
    return judged_on_seeds(_claims(root, "seeds"), _claims(root, VERDICTS.stem))


def judged_on_seeds(records: Sequence[Mapping[str, Any]], claims: Sequence[Mapping[str, Any]]) -> str:
    """One row a set of conditions: how many claims were judged on how many seeds by their code as it is now."""
    from theory.harness.seeds import of_ranges

    now = {claim["id"]: claim["fingerprint"] for claim in claims}
    several = f"on {MANY} seeds or more", f"on 1 to {MANY - 1}", "on none", "failed or undecided", "by earlier code"
    rows: list[Sequence[str]] = [("profile", "claims", *several), ["---"] * 7]
    for under in sorted({record["conditions"] for record in records}):
        counts, failed, before = dict.fromkeys(now, 0), 0, 0
        for record in (record for record in records if record["conditions"] == under):
            found = len(record["failures"]) + len(record["stopped"])
            before += sum(len(past["failures"]) + len(past["stopped"]) for past in record["earlier"])
            if now.get(record["claim"]) == record["code"]:
                counts[record["claim"]], failed = len(of_ranges(record["seeds"])), failed + found
            else:
                before += found
        many, none = sum(n >= MANY for n in counts.values()), sum(n == 0 for n in counts.values())
        rows.append((under, *map(str, (len(now), many, len(now) - many - none, none, failed, before))))
    return _table(rows)


def _on_an_accelerator(root: Path) -> str:
    file = root / EVIDENCE / "accelerator.json"
    return on_an_accelerator(json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None)


def on_an_accelerator(timed: Mapping[str, Any] | None) -> str:
    """One row a step that `make gpu` timed on both devices, or that nothing has been timed."""
    if timed is None:
        return (
            "Not measured: no machine with one was at hand. On one `make gpu` judges all claims in smoke, compares\n"
            "them with the evidence of the CPU, and writes here what a step takes on both.\n"
        )
    rows: list[Sequence[str]] = [("one step of", timed["cpu"], timed["device"], "ratio"), ["---"] * 4]
    for row in timed["rows"]:
        times = (f"{row[name] * 1e3:.3g} ms" for name in ("cpu", "device"))
        rows.append((row["step"], *times, f"{row['cpu'] / row['device']:.3g}"))
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


def _source(claim: Mapping[str, Any]) -> str:
    """Where a claim is from, without the paper that its table is of; what else it draws on stands on its own page."""
    first = claim["source"].partition(";")[0]
    paper = claim["id"].split(".")[0]
    name = paper.rstrip("0123456789")
    year = paper.removeprefix(name)
    return re.sub(rf"^{name}\b[^,(]*{year}(?: \([^)]*\))?, ", "", first, flags=re.IGNORECASE) if year else first


def _links(figures: Mapping[str, Entry]) -> str:
    """Where the names of figures lead."""
    return "".join(f"[{name}]: figures/rendered/{name}.png\n" for name in figures)


def _row(claim: Mapping[str, Any], figures: Mapping[str, Entry]) -> list[str]:
    shown = [name for name, entry in figures.items() if claim["id"] in entry.claims]
    kind = "" if claim["source_kind"] in claim["source"] else f" (*{claim['source_kind']}*)"
    return [
        _cell(_source(claim)) + kind,
        f"`{claim['id']}`",
        claim["in_words"],
        ", ".join(f"[{name}]" for name in shown),
    ]


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
