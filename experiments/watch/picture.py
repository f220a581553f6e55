"""What was found, as a picture: a panel for each observer that has one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from experiments.watch.look import Subject
from experiments.watch.observer import Record
from experiments.watch.table import heading, verdict_of
from theory.claims import VERDICTS

if TYPE_CHECKING:
    from experiments.watch.watch import Judged

COLUMNS, WIDTH, HEIGHT = 3, 3.9, 2.7  # inches a panel
DPI = 160
RED = "#B00020"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")


def picture(subject: Subject, steps: int, judged: Sequence["Judged"]) -> Figure:
    """Panels over the steps, the verdict on each in its title."""
    shown = [each for each in judged if not each.finding.unmet and has_panel(each)]
    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * WIDTH, rows * HEIGHT + 0.5), layout="constrained", dpi=DPI)
    figure.suptitle(heading(subject, steps), x=0.01, ha="left", fontsize=12)
    for i, each in enumerate(shown, start=1):
        axes = figure.add_subplot(rows, COLUMNS, i)
        axes.set_prop_cycle(color=COLOURS)
        each.observer.draw(axes, Record(each.observer.rows))
        for line in axes.lines:
            line.set(markersize=3.5, markerfacecolor="none", linewidth=1.3)
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(0, max(steps, 1))
        wrong = each.evidence is not None and VERDICTS[each.evidence.verdict] != 0
        axes.set_title(
            f"{each.observer.title}\n{verdict_of(each)}", loc="left", fontsize=11, color=RED if wrong else "k"
        )
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(frameon=False, fontsize=9, handlelength=1.6)
    for axes in figure.axes[-COLUMNS:]:
        axes.set_xlabel("step")
    return figure


def has_panel(judged: "Judged") -> bool:
    """Whether the observer recorded something, and draws it."""
    return bool(judged.observer.rows) and judged.observer.has_panel
