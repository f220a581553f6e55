"""A panel of quantities drawn many times: each over its law, with its interval, and what wrong laws would say."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from figures.agreement import WRONG
from figures.style import markers
from theory.claims import Check

LINEAR = 5.0  # percent
TICKS = (-80, -20, -5, 0, 5, 20, 100, 1000)
Rows = Mapping[str, tuple[Sequence[Check], Sequence[Check]]]  # by name: the checks, and the controls


def ratios(axes: Axes, rows: Rows) -> None:
    """Rows from the top; measured over predicted, less 1, in percent: linear up to 5 %, logarithmic beyond."""
    for y, (checks, wrong) in enumerate(rows.values()):
        for i, check in enumerate(checks):
            at = y + 0.16 * (i - (len(checks) - 1) / 2)
            half = 100 * abs(check.tolerance / check.predicted)
            axes.errorbar(percents(check), at, xerr=half, elinewidth=1.1, capsize=2.5, **markers(y, markersize=5))
        for check in wrong:
            axes.plot(percents(check), y, **WRONG)
    axes.axvline(0, color="black", linewidth=1.0, zorder=1)
    axes.plot([], [], **markers(0), label="with its interval")
    axes.plot([], [], **WRONG, label="over another law")
    axes.set_xscale("symlog", linthresh=LINEAR, linscale=1.5)
    axes.set_xticks(TICKS, [f"{tick:+g}" if tick else "0" for tick in TICKS])
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set(ylim=(len(rows) - 0.4, -1.4), xlabel="measured / law - 1, %")
    axes.minorticks_off()
    axes.legend(loc="upper left", ncols=2, fontsize=7.5, columnspacing=1.0)


def percents(check: Check) -> float:
    """measured / predicted - 1, in percent."""
    return 100 * (check.measured / check.predicted - 1)
