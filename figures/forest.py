"""The picture of any claim, made of its checks alone: what agrees lies in the band, and every control outside of it."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.markers import TICKLEFT
from matplotlib.text import Text
from matplotlib.textpath import TextToPath
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

from figures.style import COLOURS, canvas
from theory.claims import Check, Evidence
from theory.claims.check import CONTROL, HAVE_TO_FAIL
from theory.claims.verdicts import LIMIT, percent, times

ROW = 0.2  # inches, as are the next two lines
EDGE, GAP, NUMBERS = 0.04, 0.19, 2.75  # around the picture, and between places and numbers; what these need
UNDER, OVER, TICK = 0.52, 0.34, 0.1  # what the axes have around them: ticks and their label, the legend, a tick's mark
PLACES = 0.59  # of what is left by labels
INCH = 72  # points
LABELS = FontProperties(size=7)
SLACK = 1.04  # as much wider than the font says letters may be in a picture of dots
REACH = 1e4  # tolerances; what lies beyond is drawn at the end
LABEL = 74  # characters of a label, the rest is left out
TICKS = (-1e4, -1e2, -10, -1, 0, 1, 10, 1e2, 1e4)
OWN, SUPPORTING, CONTROLS = GROUPS = ("of the theorem", "supporting", "has to fail, and does")
LOOKS = {
    OWN: {"marker": "o", "color": COLOURS[0], "markerfacecolor": COLOURS[0]},
    SUPPORTING: {"marker": "o", "color": COLOURS[0], "markerfacecolor": "none"},
    CONTROLS: {"marker": "X", "color": COLOURS[1], "markerfacecolor": COLOURS[1]},
}
UPPER, LOWER = ("at_most", "below"), ("at_least", "above", "probability")


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """One row a check, in groups: the theorem's own, the supporting ones, the controls."""
    (item,) = evidence.values()
    rows = sorted(item.checks, key=lambda check: GROUPS.index(group(check)))
    controls = sum(check.is_control for check in rows)
    title = f"What {item.id} rests on: {len(rows) - controls} checks of theory against training, {controls} controls"
    figure = canvas(title, evidence, width=10.0, height=1.5 + ROW * (len(rows) + 2))
    axes, numbers = _arranged(figure, rows)
    _places(axes, rows)
    _numbers(numbers, rows)
    return figure


def _arranged(figure: Figure, rows: Sequence[Check]) -> tuple[Axes, Axes]:
    """Axes for places and for numbers, as a layout engine would arrange them, which takes longer than all the rest."""
    figure.set_layout_engine(None)
    width, height = figure.get_size_inches()
    heading, foot = figure.texts
    heading.set_y(1 - EDGE / height)
    foot.set_y(EDGE / height)
    widths = [TextToPath().get_text_width_height_descent(_label(check), LABELS, False)[0] for check in rows]
    left, right = EDGE + SLACK * max(widths, default=0) / INCH + TICK, width - EDGE
    bottom, top = UNDER + _room(foot), height - OVER - _room(heading)
    middle = min(left + PLACES * (right - GAP - left), right - GAP - NUMBERS)
    sides = ((left, middle), (middle + GAP, right))
    first, second = (((a / width, bottom / height, (b - a) / width, (top - bottom) / height)) for a, b in sides)
    return figure.add_axes(first), figure.add_axes(second)


def _room(text: Text) -> float:
    """Inches that the lines of a text take."""
    return 1.2 * text.get_fontsize() / INCH * (1 + text.get_text().count("\n"))


def group(check: Check) -> str:
    """Which of the three groups a check stands in."""
    return CONTROLS if check.is_control else OWN if check.own else SUPPORTING


def place(check: Check) -> float:
    """Where a check lies, in units of what it may be off by: up to 1 in size if it passes, and beyond for a control.

    The sign is that of measured - predicted; a bound has one side only.
    """
    size = check.headroom if check.is_control else np.inf if check.headroom == 0 else 1 / check.headroom
    above = check.kind in UPPER or (check.kind not in LOWER and check.measured >= check.predicted)
    return float(np.clip(size, 0, REACH)) * (1 if above else -1)


def _places(axes: Axes, rows: Sequence[Check]) -> None:
    axes.axvspan(-1, 1, color=COLOURS[0], alpha=0.1, lw=0)
    for edge in (-1, 1):
        axes.axvline(edge, color=COLOURS[0], lw=0.8)
    axes.axvline(0, color="0.5", lw=0.6)
    marks: dict[tuple[str, bool], list[int]] = {}
    for y, check in enumerate(rows):
        marks.setdefault((group(check), check.passed and not check.is_undecided), []).append(y)
    for (name, passed), ys in marks.items():
        look = LOOKS[name] | ({} if passed else {"color": "black", "marker": "D", "markersize": 7})
        axes.plot([place(rows[y]) for y in ys], ys, linestyle="none", clip_on=False, zorder=3, **look)
    axes.set_xscale("symlog", linthresh=1, linscale=1.2)
    axes.set_xlim(-REACH, REACH)
    axes.xaxis.set_major_locator(FixedLocator(TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.set_xlabel("measured less predicted, over what it may be off by")
    _rows(axes, rows)
    _labels(axes, rows)
    for name in dict.fromkeys(group(check) for check in rows):
        axes.plot([], [], linestyle="none", label=name, **LOOKS[name])
    tight = {"handletextpad": 0, "columnspacing": 0.8, "borderaxespad": 0.2, "fontsize": 7.5}
    axes.legend(loc="lower right", bbox_to_anchor=(1.02, 1), ncols=len(GROUPS), **tight)


def _labels(axes: Axes, rows: Sequence[Check]) -> None:
    """As an axis labels its ticks, which is slow for many."""
    axes.yaxis.set_major_locator(NullLocator())
    edge = axes.get_yaxis_transform()
    ticks = {"marker": TICKLEFT, "markersize": 3.5, "markeredgewidth": 0.8, "color": "black", "linestyle": "none"}
    axes.plot(np.zeros(len(rows)), range(len(rows)), transform=edge, clip_on=False, **ticks)
    beside = edge + ScaledTranslation(-TICK, 0, axes.figure.dpi_scale_trans)
    for y, check in enumerate(rows):
        words = {"transform": beside, "ha": "right", "va": "center_baseline", "fontproperties": LABELS}
        axes.text(0, y, _label(check), **words)


def _tick(x: float, _: object) -> str:
    size = f"{abs(x):g}" if abs(x) < 1000 else f"10^{{{np.log10(abs(x)):.0f}}}"
    return f"${'-' if x < 0 else ''}{size}$"


def _numbers(axes: Axes, rows: Sequence[Check]) -> None:
    columns = {"predicted": 0.22, "measured": 0.5, "resolution": 0.98}
    for heading, x in columns.items():
        axes.text(x, -1.1, heading, ha="right", va="center", fontsize=7.5, color="0.35")
    for y, check in enumerate(rows):
        texts = f"{check.predicted:.4g}", f"{check.measured:.4g}", _fineness(check)
        for text, x in zip(texts, columns.values()):
            axes.text(x, y, text, ha="right", va="center", fontsize=7)
    _rows(axes, rows)
    axes.set_xlim(0, 1)
    axes.axis("off")


def _rows(axes: Axes, rows: Sequence[Check]) -> None:
    """A line between groups; the first row on top."""
    groups = [group(check) for check in rows]
    for y, (before, after) in enumerate(zip(groups, groups[1:])):
        if before != after:
            axes.axhline(y + 0.5, color="0.7", lw=0.6)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def _label(check: Check) -> str:
    text = f"{check.part}, {check.label}" if check.part else check.label
    kind = f" ({check.kind})" if check.kind in HAVE_TO_FAIL and check.kind != CONTROL else ""
    text = f"{text}{kind}".replace("$", r"\$")
    return text if len(text) <= LABEL else f"{text[: LABEL - 1]}…"


def _fineness(check: Check) -> str:
    """The smallest change of the constant that would have been refused; of a control, how far it missed."""
    if check.is_control:
        return f"misses {times(check.headroom - 1)}" if np.isfinite(check.headroom) else "misses"
    if check.is_undecided or not check.passed or check.resolution is None:
        return "undecided" if check.is_undecided else "fails"
    if check.resolution == 0:
        return "exact"
    return (
        f"{times(check.resolution)} above" if check.is_bound and check.resolution > LIMIT else percent(check.resolution)
    )
