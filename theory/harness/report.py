"""Evidence as text: a claim with all that was judged of it, and the table of verdicts."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from theory.claims import VERDICTS, Check, Evidence
from theory.claims.parameters import written
from theory.claims.study import PROFILES
from theory.claims.verdicts import LIMIT, percent, times
from theory.harness.runner import Stopped
from theory.harness.statements import readable

UNJUDGED = "no verdict"
WIDTH = 110
TRAININGS = 6  # shown of a claim; the rest is counted


def verdicts(evidence: Iterable[Evidence], stopped: Iterable[Stopped], verbose: bool) -> None:
    """Print each claim in full if there is but one (or `verbose`), else the checks that failed; then the table."""
    evidence = list(evidence)
    console = _console()
    for item in evidence:
        if verbose or len(evidence) == 1:
            lines = story(item)
        else:
            lines = (line(item.id, check) for check in item.checks if not check.passed or check.is_undecided)
        for text in lines:
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    console.print(_table(evidence, stopped))


def story(evidence: Evidence) -> Iterator[str]:
    """The claim as one reads it: statement, hypotheses, what was trained, verdict, checks."""
    yield f"{evidence.id}  ({evidence.source}; {evidence.source_kind}; {evidence.theory_side})"
    yield ""
    yield from (f"    {text}" for text in wrap(readable(evidence.statement), WIDTH - 4))
    yield ""
    yield from _listed("remarks", evidence.remarks)
    yield from _listed("hypotheses", evidence.hypotheses or ("none",))
    yield from _listed("parameters", _parameters(evidence))
    shown = evidence.trained[:TRAININGS] or ("nothing: the checks are of formulas",)
    rest = len(evidence.trained) - len(shown)
    yield from _listed("trained", (*shown, f"and {rest} more networks") if rest > 0 else shown)
    yield from _listed("took", (_cost(evidence),))
    yield from _listed("verdict", (evidence.in_words,))
    yield from (line(evidence.id, check) for check in evidence.checks)


def line(claim: str, check: Check) -> str:
    """One check in one line."""
    verdict = "UNDECIDED" if check.is_undecided else "passed" if check.passed else "FAILED"
    part = f"{check.part}, " if check.part else ""
    numbers = f"predicted {check.predicted:.6g}, measured {check.measured:.6g}, tolerance {check.tolerance:.3g}"
    where = f" at {check.where}" if check.where else ""
    on = f", on {check.data}" if check.data else ""
    subject = f"{claim}: {part}{check.label} ({check.kind}{on})"
    return f"{verdict}  {subject}: {numbers}{where}, headroom {check.headroom:.3g}{_fineness(check)}. {check.reason}"


def _parameters(evidence: Evidence) -> Iterator[str]:
    """What the claim's parameters were: those that were given first, each in a line; the rest in one."""
    values = {name: written(value) for name, value in evidence.parameters.items()}
    yield from (f"{name} = {values[name]}, not the profile's own" for name in evidence.given)
    rest = ", ".join(f"{name} = {value}" for name, value in values.items() if name not in evidence.given)
    yield from wrap(rest, WIDTH - 12)


def parameters(shown: Mapping[str, Sequence[tuple[str, ...]]]) -> None:
    """Print the parameters of each claim, as `theory.harness.settings.shown` has them."""
    table = Table(box=SIMPLE, pad_edge=False)
    for heading in ("claim", "parameter", "value", "range", *PROFILES, "meaning"):
        table.add_column(heading, no_wrap=heading != "meaning")
    for id, rows in shown.items():
        for i, row in enumerate(rows or [("none", *[""] * (4 + len(PROFILES)))]):
            table.add_row(id if i == 0 else "", *row)
    _console().print(table)


def sweep(id: str, results: Mapping[str, Evidence]) -> None:
    """Print a claim's verdict at each value of a parameter, and the check that it rests on."""
    table = Table(box=SIMPLE, pad_edge=False)
    for heading in (id, "verdict", "resolution", "headroom", "rests on"):
        table.add_column(heading, no_wrap=True)
    for value, item in results.items():
        colour = "red" if VERDICTS[item.verdict] else "green"
        decisive = _decisive(item)
        numbers = percent(item.resolution), f"{item.headroom:.3g}"
        table.add_row(value, Text(item.in_words, colour), *numbers, f"{decisive.label} ({decisive.kind})")
    _console().print(table)


def _decisive(evidence: Evidence) -> Check:
    """The check that failed by most or, where none did, the coarsest of the theorem's own."""
    failed = [check for check in evidence.checks if not check.passed]
    if failed:
        return min(failed, key=lambda check: check.headroom)
    return max((check for check in evidence.checks if check.own), key=lambda check: check.resolution or 0.0)


def _fineness(check: Check) -> str:
    """How finely the check resolves; what it has to, where it does not."""
    if check.resolution is None:
        return ""
    role = "" if check.own else " (supporting)"
    if check.is_bound and check.resolution > LIMIT:
        found, asked = f"{times(check.resolution)} above", f"{times(check.resolves)} at most"
    else:
        found = "exact" if check.resolution == 0 else f"resolves {percent(check.resolution)}"
        asked = f"{percent(check.resolves)} at most"
    return f", {found}{role}{f', and has to, {asked}' if check.is_undecided else ''}"


def _cost(evidence: Evidence) -> str:
    """Seconds, and the most memory that the process held where that was measured."""
    memory = evidence.provenance.get("memory")
    held = "" if memory is None else f", {memory} MiB of memory at most, with Python and its libraries"
    return f"{evidence.provenance['seconds']:.1f} s{held}"


def _listed(heading: str, items: Iterable[str]) -> Iterator[str]:
    for i, item in enumerate(items):
        yield f"{heading if i == 0 else '':12}{item}"


def _table(evidence: Iterable[Evidence], stopped: Iterable[Stopped]) -> Table:
    table = Table(box=SIMPLE, pad_edge=False)
    for heading in ("claim", "verdict", "checks", "resolution", "headroom", "seconds"):
        table.add_column(heading, justify="left" if heading in ("claim", "verdict") else "right", no_wrap=True)
    for item in evidence:
        passed = sum(check.passed for check in item.checks)
        colour = "red" if VERDICTS[item.verdict] else "green"
        numbers = f"{item.headroom:.3g}", f"{item.provenance['seconds']:.1f}"
        row = f"{passed}/{len(item.checks)}", percent(item.resolution), *numbers
        table.add_row(item.id, Text(item.in_words, colour), *row)
    for missing in stopped:
        table.add_row(missing.id, Text(UNJUDGED, "red"), "", "", "", "")
    return table


def _console() -> Console:
    """As wide as the terminal; as wide as the text where there is none."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 1000, force_jupyter=False)
