"""Panels drawn of checks alone: what was measured against what theory predicts, and how far the two are apart."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from figures.style import markers
from theory.claims import Check, Evidence

GREY = {"color": "0.5", "linestyle": "--", "linewidth": 1.1}  # what it would look like if the theorem were wrong
WRONG = {"color": "0.5", "linestyle": "none", "marker": "x", "markersize": 5}
ROUNDING = 1e-17  # where a difference of 0 is drawn
NOT_NUMBERS = ("order", "slope", "law", "probability")  # kinds whose two numbers are no value of the theorem's

Series = Mapping[str, Sequence[Check]]


def named(evidence: Evidence, *parts: str) -> list[Check]:
    """The checks, but for controls, whose label has one of these parts in it."""
    return [c for c in numbers(evidence) if not c.is_control and any(part in c.label for part in parts)]


def controls(evidence: Evidence, *parts: str) -> list[Check]:
    """The checks that have to fail whose label has one of these parts in it."""
    return [c for c in evidence.checks if c.is_control and any(part in c.label for part in parts)]


def numbers(evidence: Evidence) -> list[Check]:
    """The checks that compare two values."""
    return [check for check in evidence.checks if check.kind not in NOT_NUMBERS]


def depth(check: Check) -> int:
    """L of a check whose case is "depth L"."""
    return int(check.case.removeprefix("depth ").split(",")[0])


def apart(check: Check) -> float:
    """|measured - predicted|, at least `ROUNDING`."""
    return max(abs(check.measured - check.predicted), ROUNDING)


def room(axes: Axes, share: float = 0.5) -> None:
    """Room for a legend above what is drawn, on whichever scale: a share of the height."""
    scale = axes.yaxis.get_transform()
    low, high = scale.transform(np.array(axes.get_ylim()))
    axes.set_ylim(top=float(scale.inverted().transform(np.array([high + share * (high - low)]))[0]))


def diagonal(axes: Axes, residual: Axes, series: Series, wrong: Sequence[Check]) -> None:
    """Measured against predicted, on the line where they are equal, and below it what is between them.

    Each series has its marker; `wrong` are controls: off the line above, and far up below.
    """
    shown = [check for checks in series.values() for check in checks] + list(wrong)
    ends = np.array([min(c.predicted for c in shown), max(c.predicted for c in shown)])
    axes.plot(ends, ends, color="black", linewidth=1.0, zorder=1)
    for i, (label, checks) in enumerate(series.items()):
        predicted = [check.predicted for check in checks]
        axes.plot(predicted, [check.measured for check in checks], **markers(i), label=label)
        residual.semilogy(predicted, [apart(check) for check in checks], **markers(i))
    for check in wrong:
        axes.plot([check.predicted] * 2, [check.predicted, check.measured], **(GREY | {"linewidth": 0.8}))
    predicted = [check.predicted for check in wrong]
    axes.plot(predicted, [check.measured for check in wrong], **WRONG, label="controls: theory changed")
    residual.semilogy(predicted, [apart(check) for check in wrong], **WRONG)
    axes.tick_params(labelbottom=False)
    axes.set(ylabel="trained")
    residual.set(xlabel="predicted", ylabel="difference", xlim=axes.get_xlim())
