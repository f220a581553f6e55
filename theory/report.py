"""Evidence as text: the table of verdicts, and the checks behind them."""

import sys
from collections.abc import Iterable

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from theory.claims import FAILS, Check, Evidence
from theory.runner import Stopped

UNJUDGED = "no verdict"


def verdicts(evidence: Iterable[Evidence], stopped: Iterable[Stopped], verbose: bool) -> None:
    """Print the table of verdicts to stdout, then a line for each failed check (with `verbose`: for every check)."""
    evidence = list(evidence)
    table = Table(box=SIMPLE, pad_edge=False)
    for heading in ("claim", "verdict", "checks", "margin", "seconds"):
        table.add_column(heading, justify="left" if heading in ("claim", "verdict") else "right", no_wrap=True)
    for item in evidence:
        margin = min(check.margin for check in item.checks)
        passed = sum(check.passed for check in item.checks)
        colour = "red" if item.verdict == FAILS else "green"
        seconds = f"{item.provenance['seconds']:.1f}"
        table.add_row(item.id, Text(item.verdict, colour), f"{passed}/{len(item.checks)}", f"{margin:.3g}", seconds)
    for missing in stopped:
        table.add_row(missing.id, Text(UNJUDGED, "red"), "", "", "")
    console = _console()
    console.print(table)
    for item in evidence:
        for check in item.checks:
            if verbose or not check.passed:
                console.print(line(item.id, check), markup=False, highlight=False, soft_wrap=True)


def line(claim: str, check: Check) -> str:
    """One check in one line."""
    verdict = "passed" if check.passed else "FAILED"
    numbers = f"predicted {check.predicted:.6g}, measured {check.measured:.6g}, tolerance {check.tolerance:.3g}"
    return f"{verdict}  {claim}: {check.name} ({check.kind}): {numbers}, margin {check.margin:.3g}. {check.reason}"


def _console() -> Console:
    """As wide as the terminal; as wide as the text where there is none."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 1000)
