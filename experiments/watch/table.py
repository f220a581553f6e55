"""What was found, as a table for a terminal."""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from experiments.watch.look import Subject

if TYPE_CHECKING:
    from experiments.watch.watch import Judged

WIDTH = 132
OBSERVATION, NOT_APPLYING = "observation", "does not apply"


def verdict_of(judged: "Judged") -> str:
    """In one or two words: of the list of verdicts for a theorem that applies."""
    if judged.finding.unmet:
        return NOT_APPLYING
    return OBSERVATION if judged.evidence is None else judged.evidence.in_words


def heading(subject: Subject, steps: int) -> str:
    """One line on what is watched: layers, examples, loss, rule and steps."""
    count = len(subject.structure.layers)
    layers = f"{count} layer" if count == 1 else f"{count} layers"
    examples = len(subject.inputs)
    looks = f"{len(subject.seen)} of {examples}" if len(subject.seen) < examples else f"all {examples}"
    kind = f"{subject.kind.name} x {subject.kind.scale:.3g}" if subject.kind.name else "not recognised"
    return f"{layers}, loss: {kind}, {subject.rule.name}, {steps} steps, looked at on {looks} examples"


def table(subject: Subject, steps: int, judged: Sequence["Judged"], points_at: Sequence[str]) -> str:
    """Each theorem and quantity, and below what looks wrong."""
    applying = [each for each in judged if not each.finding.unmet]
    rows = _columns(heading(subject, steps), {"": 29, "predicted": 40, "measured": 40, "verdict": 18})
    for each in applying:
        rows.add_row(each.observer.title, each.finding.predicted, each.finding.measured, verdict_of(each))
    reasons = _columns(None, {NOT_APPLYING: 29, "because": 95})
    for each in judged:
        if each.finding.unmet:
            reasons.add_row(each.observer.title, each.finding.unmet)
    written = StringIO()
    console = Console(file=written, width=WIDTH, color_system=None, markup=False, highlight=False, force_jupyter=False)
    console.print(rows)
    if reasons.rows:
        console.print(reasons)
    for text in dict.fromkeys(points_at):
        console.print(f"look at: {text}", soft_wrap=True)
    return "\n".join(line.rstrip() for line in written.getvalue().strip("\n").splitlines())


def _columns(title: str | None, widths: Mapping[str, int]) -> Table:
    rows = Table(box=SIMPLE, pad_edge=False, title=title, title_justify="left", title_style="")
    for name, width in widths.items():
        rows.add_column(name, overflow="fold", max_width=width)
    return rows
