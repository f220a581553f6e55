"""Figure 17: sampled weights averaged. Variance against the number of samples, restart, and rises of the loss."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import canvas, letter, line, markers
from theory.claims import Evidence

WAYS = ("iterates", "averages", "restarted")
LABELS = ("weights themselves", "average, looked at", "average, gone on from")
METHODS = ("SGD", "momentum", "Adam")
LEAST = 1e-5  # rises that are drawn


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Variance of averages at several periods, restart in two directions, and networks by three methods."""
    title = "Averages of sampled weights are quiet; going on from them takes nearly twice as long where noise is little"
    figure = canvas(title, evidence, width=13.5, height=8.0)
    panels = figure.subplot_mosaic([["variance", "fast", "slow"], ["SGD", "Adam", "rises"]])
    _draw_variance(panels["variance"], evidence["weight_sampling.variances"])
    _draw_restart(panels["fast"], panels["slow"], evidence["weight_sampling.restart"])
    _draw_networks(panels, evidence["tripathi2019.less_volatile"])
    return figure


def _draw_variance(axes: Axes, evidence: Evidence) -> None:
    """Of the direction of least curvature, in units of the variance of w."""
    curves = evidence.curves
    last = int(np.argmin(curves["curvatures"]))
    V = curves["variance"][last]
    for i, period in enumerate(np.unique(curves["periods"])):
        law, chosen = evidence.group(f"P = {period}"), curves["periods"] == period
        axes.loglog(law["samples"], law["predicted"][:, last] / V, **line(i))
        label = f"a sample every {period} step{'' if period == 1 else 's'}"
        axes.loglog(curves["samples"][chosen], curves["found"][chosen, last] / V, **markers(i), label=label)
    fine = law["samples"]
    axes.loglog(fine, 1.0 / fine, color="0.55", linestyle="--", linewidth=1.1, label="if uncorrelated, $1/K$")
    axes.legend(loc="lower left", title="lines: law; markers: trained")
    product = curves["curvatures"][last] * evidence.parameters["learning_rate"]
    axes.set(xlabel="$K$, samples averaged", ylabel="variance of the average / variance of $w$")
    letter(axes, "A", f"variance of an average of $K$ samples, $\\eta h$ = {product:.2g}")


def _draw_restart(fast: Axes, slow: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    order = np.argsort(curves["curvatures"])
    chosen = order[max(len(order) - 2, 0)], order[min(1, len(order) - 1)]
    for axes, direction, (name, speed) in zip((fast, slow), chosen, (("B", "fast"), ("C", "slow"))):
        for i, (way, label) in enumerate(zip(("plain", "averaged", "restarted"), LABELS)):
            losses = evidence.group(way)
            axes.plot(curves["epoch"], losses["predicted"][:, direction], **line(i))
            axes.plot(curves["epoch"], losses["losses"][:, direction], **markers(i), label=label)
        axes.axhline(1, color="0.55", linestyle="--", linewidth=1.1, zorder=0)
        product = evidence.parameters["learning_rate"] * curves["curvatures"][direction]
        axes.set(xlabel=f"epochs of {int(curves['n'])} steps", ylabel=r"$\mathbb{E}\,L$ / ($h V / 2$)", ylim=(0, None))
        letter(axes, name, f"a {speed} direction, $\\eta h$ = {product:.2g}")
    slow.legend(loc="upper right", title="lines: law; markers: trained")


def _draw_networks(panels: Mapping[str, Axes], evidence: Evidence) -> None:
    """The median network of two methods, epoch by epoch, and by how much the loss of all of them rises."""
    steps = evidence.parameters["examples"] // evidence.parameters["batch"]
    for name, method in (("D", "SGD"), ("E", "Adam")):
        axes, curves = panels[method], evidence.group(method)
        last = curves["iterates"][-1]
        run = int(np.argsort(last)[len(last) // 2])
        epochs = np.arange(1, len(curves["iterates"]) + 1)
        for i, way in enumerate(WAYS):
            axes.plot(epochs, curves[way][:, run], **markers(i, linestyle="-", linewidth=0.8))
        axes.set(xlabel=f"epochs of {steps} steps", ylabel="training loss where epochs end")
        letter(axes, name, f"a network, {method}, trained")
    _draw_rises(panels["rises"], evidence)


def _draw_rises(axes: Axes, evidence: Evidence) -> None:
    for place, method in enumerate(METHODS):
        curves = evidence.group(method)
        total = {way: np.maximum(np.diff(curves[way], axis=0), 0).sum(0) for way in WAYS}
        for i, way in enumerate(WAYS):
            at, mean = place + 0.27 * (i - 1), total[way].mean()
            beside = at + np.linspace(-0.08, 0.08, len(total[way]))
            axes.semilogy(beside, np.maximum(total[way], LEAST), **markers(i, markersize=2, alpha=0.5))
            axes.semilogy([at - 0.1, at + 0.1], [mean, mean], **line(i, linewidth=2.5))
            share = "" if i == 0 else f"{100 * mean / total['iterates'].mean():.2g} %"
            axes.text(at, 1.3 * total[way].max(), share, ha="center", va="bottom", fontsize=8)
    axes.set_xticks(range(len(METHODS)), METHODS)
    axes.grid(axis="x", visible=False)
    axes.set(ylabel="rises of the loss from epoch to epoch, summed", ylim=(0.7 * LEAST, None))
    letter(axes, "F", "rises of all networks (bottom: none), means")
