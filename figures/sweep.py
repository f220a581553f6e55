"""A claim against one of its parameters: where it stops holding, and where it becomes loose."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator, StrMethodFormatter

from figures.style import COLOURS, canvas
from theory.claims import FAILS, UNDECIDED, VERDICTS, Evidence
from theory.core.arrays import Array

LOOKS = {FAILS: (COLOURS[1], "X", "fails"), UNDECIDED: (COLOURS[4], "D", "undecided")}
HOLDS = (COLOURS[0], "o", "holds")


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Headroom and resolution of one claim; the evidence is named NAME=VALUE, in the order of the values."""
    name = next(iter(evidence)).partition("=")[0]
    labels = [value.partition("=")[2] for value in evidence]
    (id,) = {item.id for item in evidence.values()}
    held = sum(VERDICTS[item.verdict] == 0 for item in evidence.values())
    figure = canvas(f"{id} holds at {held} of {len(evidence)} values of {name}", {}, width=7.0, height=5.2)
    above, below = figure.subplots(2, 1, sharex=True)
    places = _places(labels, above)
    for axes, values, what in (
        (above, [item.headroom for item in evidence.values()], "smallest headroom"),
        (below, [100 * item.resolution for item in evidence.values()], "resolution in %"),
    ):
        _against(axes, places, np.array(values), list(evidence.values()))
        axes.set_ylabel(what)
    above.axhline(1, color="black", lw=0.8, ls="--")
    above.set_title("how far the check nearest to failing is from it; below 1 it fails")
    below.set_title("the change of its constant that would have been refused; of a bound, how far it lies above")
    below.set_xlabel(name)
    above.legend(loc="best")
    return figure


def _places(labels: list[str], axes: Axes) -> Array:
    """The values themselves, on a logarithmic axis where they span a decade; of lists, which one it is."""
    lists = any("," in label for label in labels)
    values = np.arange(len(labels)) if lists else np.array([float(label) for label in labels])
    if not lists and (values > 0).all() and values.max() >= 10 * values.min():
        axes.set_xscale("log")
    axes.set_xticks(values, labels)
    axes.xaxis.set_minor_locator(NullLocator())
    return values


def _against(axes: Axes, places: Array, values: Array, evidence: list[Evidence]) -> None:
    shown = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    order = np.argsort(places)
    axes.plot(places[order], shown[order], color="0.6", lw=1, zorder=1)
    looks = [LOOKS.get(item.verdict, HOLDS) for item in evidence]
    for colour, marker, label in dict.fromkeys(looks):
        chosen = np.array([look[-1] == label for look in looks])
        axes.plot(places[chosen], shown[chosen], marker, color=colour, label=label, ms=6)
    if np.isfinite(shown).any():
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
