"""Figure 20: OPT and FG-SGD judged. Gains over every comparator, bounds over gaps, and where OPT's risk crosses."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

BOUNDS = ("Bartlett", "Neyshabur", "Golowich")
SUPERIORITY, CLOSER, ACCURACY, CROSSING = (
    "liu2021.superiority",
    "ozay2019.closer_to_bounds",
    "ozay2019.accuracy",
    "liu2021.generalises_better",
)
OPT = (
    ("plain", "OPT less plain training"),
    ("L2", "OPT less training with L2"),
    ("neurons of fixed length", "OPT less neurons of fixed length"),
)
SINGLE = ("Stiefel", "sphere", "oblique", "SGD + decay")
COLLECTION = ("SGD", "SGD + decay")


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Differences of errors with 95 % intervals, five methods under three bounds, and two risks with their laws."""
    title = "OPT and FG-SGD judged: a point or two better than plain training, less against fair comparators"
    figure = canvas(title, evidence, width=14.0, height=6.4)
    panels = figure.subplot_mosaic([["gains", "bounds", "crossing"]], width_ratios=[1.25, 1, 1])
    _draw_gains(panels["gains"], evidence)
    _draw_bounds(panels["bounds"], evidence[CLOSER])
    _draw_crossing(panels["crossing"], evidence[CROSSING])
    return figure


def _draw_gains(axes: Axes, evidence: Mapping[str, Evidence]) -> None:
    """One row a comparison: effect and interval, in points of test error; left of 0 is better."""
    opt = evidence.get(SUPERIORITY)
    rows = [(0, label, opt.group(group)) for group, label in OPT] if opt else []
    closer, accuracy = evidence[CLOSER], evidence[ACCURACY]
    for name in SINGLE:
        if curves := closer.group(f"error, {name}"):
            rows.append((2 if "decay" in name else 1, f"{name} less SGD", curves))
    for name in COLLECTION:
        if curves := accuracy.group(f"collection less {name}"):
            rows.append((3, f"three manifolds less {name}", curves))
    for y, (i, _, curves) in enumerate(rows):
        effect, (low, high) = 100 * float(curves["effect"]), 100 * curves["interval"]
        axes.errorbar(effect, y, xerr=[[effect - low], [high - effect]], elinewidth=1.2, capsize=3, **markers(i))
        seeds = int(curves["seeds"])
        axes.annotate(f"{seeds} draws", (high, y), xytext=(5, -3), textcoords="offset points", fontsize=7, color="0.35")
    axes.axvline(0, color="0.5", linestyle="--", linewidth=1.1)
    axes.set_yticks(range(len(rows)), [label for _, label, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(right=max(0.6, axes.get_xlim()[1] + 0.4))
    axes.set(xlabel="test error, difference in points (bars: 95 %, paired)")
    letter(axes, "A", "gain, digits: left of 0 is better")


def _draw_bounds(axes: Axes, evidence: Evidence) -> None:
    """Bound over gap, median and middle 80 % of the draws."""
    methods = [str(name) for name in evidence.curves["methods"]]
    for i, bound in enumerate(BOUNDS):
        ratios = np.array([evidence.group(name)[bound] for name in methods])
        low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9], axis=1)
        at = np.arange(len(methods)) + 0.2 * (i - 1)
        axes.errorbar(at, middle, yerr=[middle - low, high - middle], elinewidth=1.0, label=bound, **markers(i))
        axes.plot(
            [-0.5, len(methods) - 0.5], [middle[0]] * 2, color=COLOURS[i], linestyle="--", linewidth=0.8, alpha=0.6
        )
    axes.set(yscale="log", ylabel="bound / measured gap", xlim=(-0.5, len(methods) - 0.5))
    axes.set_xticks(range(len(methods)), [name.replace(" + ", "\n+ ") for name in methods])
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, 0.16), ncols=3, title="dashed: SGD's median", columnspacing=1.0)
    low, high = axes.get_ylim()
    axes.set_ylim(low / 2.2, high)
    letter(axes, "B", "closer to the bounds, but for Golowich's on Stiefel")


def _draw_crossing(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.group("crossing")
    for i, (name, label) in enumerate((("opt", "OPT"), ("free", "free weights"))):
        axes.loglog(curves["grid"], curves[f"{name}_law"], **line(i))
        half = curves[f"{name}_half"]
        axes.errorbar(curves["n"], curves[name], yerr=half, elinewidth=0.8, label=label, **markers(i))
    at = float(curves["at"])
    axes.axvline(at, color="0.45", linestyle=":", linewidth=1.1)
    axes.axhline(float(curves["gap"]), color="0.45", linestyle="--", linewidth=1.1)
    axes.annotate(f"$n^* = {at:.0f}$", (at, axes.get_ylim()[0]), xytext=(5, 5), textcoords="offset points")
    gap = float(curves["gap"])
    note = {"textcoords": "offset points", "fontsize": 8, "color": "0.3"}
    axes.annotate("what no rotation can fit", (curves["grid"][0], gap), xytext=(3, 4), **note)
    axes.legend(loc="upper right", title="lines: law; markers: trained")
    for axis, ticks in ((axes.xaxis, (300, 1000, 3000, 10_000)), (axes.yaxis, (0.002, 0.005, 0.01, 0.02, 0.05))):
        low, high = axis.get_view_interval()
        axis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    axes.set(xlabel="examples $n$", ylabel="excess risk")
    letter(axes, "C", "linear layers: OPT wins up to $n^*$")
