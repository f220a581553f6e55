"""Figure 39: averages of sampled weights: who ends ahead, how much they vary by any method, how often they rise."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY, controls, named, room
from figures.ratios import ratios
from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

KINDS = {
    "iterates": "iterates",
    "averages": "averages of each epoch",
    "restarted": "restarted from averages",
}
METHODS = ("SGD", "momentum", "Adam")


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Losses by epoch under three methods, variances of any method, and rises and reshuffling over their laws."""
    title = "Averages end ahead of iterates and of restart, vary alike by any method, and rise as often as not"
    figure = canvas(title, evidence, width=14.0, height=8.8)
    panels = figure.subplot_mosaic([[*METHODS], ["variances", "rises", "laws"]])
    for name, method in zip("ABC", METHODS):
        _draw_losses(panels[method], name, method, evidence["tripathi2019.faster"])
    _draw_variances(panels["variances"], evidence["weight_sampling.any_method"])
    _draw_rises(panels["rises"], evidence["weight_sampling.up_moves"])
    _draw_laws(panels["laws"], evidence["weight_sampling.reshuffling"], evidence["weight_sampling.up_moves"])
    return figure


def _draw_losses(axes: Axes, name: str, method: str, evidence: Evidence) -> None:
    """Training losses, geometric mean of the runs and the middle 80 %; the last quarter is what is judged."""
    curves = evidence.group(method)
    epochs = np.arange(1, len(curves["iterates"]) + 1)
    for i, (kind, label) in enumerate(KINDS.items()):
        low, high = np.quantile(curves[kind], [0.1, 0.9], axis=1)
        axes.fill_between(epochs, low, high, color=COLOURS[i], alpha=0.12, linewidth=0)
        mean = np.exp(np.log(curves[kind]).mean(1))
        axes.semilogy(epochs, mean, **markers(i, linestyle="-", linewidth=1.0), label=label)
    axes.axvspan(0.75 * epochs[-1] + 0.5, epochs[-1] + 0.5, color="0.5", alpha=0.12, linewidth=0)
    (gain,) = named(evidence, f"gain of averages, by {method}")
    text = f"loss of iterates: +{100 * np.expm1(gain.measured):.0f} %"
    axes.annotate(text, (0.98, 0.03), xycoords="axes fraction", ha="right", fontsize=8,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.8})  # fmt: skip
    ticks = (0.15, 0.2, 0.3, 0.5, 0.8)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlabel="epochs (grey: judged)", ylabel="training loss")
    room(axes, 0.3)
    axes.legend(loc="upper right", fontsize=7.5)
    letter(axes, name, f"{method}: averages end ahead")


def _draw_variances(axes: Axes, evidence: Evidence) -> None:
    """The largest variance along a direction, by method: of averages the same, of iterates not."""
    limits = named(evidence, "n to infinity")
    iterates = named(evidence, ": Cov w")
    for x, check in enumerate(limits):
        axes.plot([x - 0.3, x + 0.3], [check.predicted] * 2, color="black", label=None if x else "law")
        axes.plot(x, check.measured, **markers(0, markersize=8), label=None if x else "averages: $n$ Cov, trained")
        entry = ", ".join(part.split()[-1] for part in check.where.split(", "))
        axes.annotate(f"entry {entry}", (x, check.predicted), xytext=(0, 9), ha="center", textcoords="offset points",
                      fontsize=7.5)  # fmt: skip
    names = [check.case for check in limits]
    for i, check in enumerate(iterates):
        x = names.index(check.case)
        axes.plot([x - 0.3, x + 0.3], [check.predicted] * 2, color="black")
        axes.plot(x, check.measured, **markers(1, markersize=7), label=None if i else "iterates: Cov, an entry")
    wrong = controls(evidence, "limit D Sigma", "H^-1", "momentum helps")
    at = names.index("heavy ball")
    for i, check in enumerate(wrong):
        axes.plot([at - 0.3, at + 0.3], [check.predicted] * 2, **GREY, label=None if i else "by other laws")
    axes.set_yscale("log")
    axes.set_yticks([0.05, 0.1, 0.2, 0.5, 1, 2, 5], ["0.05", "0.1", "0.2", "0.5", "1", "2", "5"])
    axes.minorticks_off()
    axes.set_xticks(range(len(names)), [name.replace(" ", "\n") for name in names])
    axes.set(ylim=(0.03, 60), xlim=(-0.5, len(names) - 0.5), ylabel="covariance, its worst entry")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper right", fontsize=7.5)
    letter(axes, "D", "averages vary alike, by whatever method")


def _draw_rises(axes: Axes, evidence: Evidence) -> None:
    """The mean rise over the mean loss, of one direction: by the correlation of the ends of epochs."""
    c = np.linspace(0, 1, 101)
    axes.plot(c, 2 / np.pi * np.sqrt(1 - c**2), **line(0), label=r"$\frac{2}{\pi} (1 - c^2)^{1/2}$")
    axes.plot([0, 1], [2 / np.pi] * 2, **GREY, label="without correlations")
    rises = named(evidence, "mean rise over mean loss")
    for i, (correlation, check) in enumerate(zip(evidence.curves["correlations"], rises)):
        name = {"w": "iterates"}.get(check.case, check.case)
        axes.errorbar(correlation, check.measured, yerr=check.tolerance, elinewidth=1.1, capsize=3,
                      **markers(i + 1, markersize=6), label=f"{name}, trained")  # fmt: skip
    axes.set(xlabel="correlation $c$ of one end of an epoch with the next", ylabel="mean rise / mean loss")
    axes.set(ylim=(0, 0.95), xlim=(0, 1))
    axes.legend(loc="lower left", fontsize=7.5)
    letter(axes, "E", "how much the loss rises, by law")


def _draw_laws(axes: Axes, reshuffling: Evidence, rises: Evidence) -> None:
    chances = [check for check in named(rises, "chance of a rise") if "across" not in check.case]
    ratios(
        axes,
        {
            "chance of\na rise": (chances, controls(rises, "averages rise less")),
            "noise across\ncurvatures": (named(rises, "noise across"), controls(rises, "whatever the dir")),
            "mean rise": (
                [c for c in named(rises, "mean rise over prediction") if "3 dir" not in c.name],
                controls(rises, "without correl", "like standard"),
            ),
            "in three\ndirections": (named(rises, "3 directions"), []),
            "reshuffled,\nends of epochs": (
                named(reshuffling, "where epochs end"),
                controls(reshuffling, "without the n/"),
            ),
            "averages of\nepochs": (
                named(reshuffling, "variance of averages"),
                controls(reshuffling, "averages over m", "orders with replacement: averages"),
            ),
        },
    )
    axes.set(xlim=(-98, 100))
    letter(axes, "F", "rises and reshuffled epochs, over their laws")
