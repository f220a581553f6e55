"""Figure 4: images. What the smallest weights gain and cost in accuracy, and the examples that hold them up."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, MARKERS, canvas, letter, line, markers
from theory.claims import Evidence
from theory.claims.verdicts import CONDITIONED

Curves = Mapping[str, np.ndarray]
STYLES = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 2)), ":")
COLUMNS = 12  # of the montage
CERTIFICATE = ("stationarity", "radius", "gap", "violation")


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Montage, multipliers, ROC, accuracy, and convergence of the norm."""
    clean, flipped, norm = (evidence[f"minnorm.images_{word}"] for word in ("clean", "flipped", "norm"))
    name, count = flipped.curves["images"], flipped.curves["train_size"]
    boosted = clean.verdict == CONDITIONED
    beats = (
        "beats cross-entropy, not weight decay" if boosted else "does not clearly beat cross-entropy or weight decay"
    )
    title = f"Minnorm {beats}; its multipliers find hard examples, class means find more"
    figure = canvas(f"{title} ({name}, {count} for training)", evidence, width=13.0, height=9.4)
    panels = figure.subplot_mosaic(
        [
            ["montage", "montage", "norm"],
            ["multipliers", "roc", "norm"],
            ["multipliers", "roc", "violation"],
            ["accuracy", "difficult", "violation"],
            ["accuracy", "difficult", "certificate"],
        ],
        height_ratios=(1.0, 0.6, 1, 0.5, 1),
    )
    _draw_montage(panels["montage"], flipped.group("montage"))
    _draw_multipliers(panels["multipliers"], flipped)
    _draw_roc(panels["roc"], flipped, "C", "flipped labels found")
    _draw_roc(panels["difficult"], clean, "E", "right labels: difficult examples found")
    _draw_accuracy(panels["accuracy"], clean, flipped)
    _draw_norm(panels["norm"], norm)
    _draw_violation(panels["violation"], norm.group("Minnorm"))
    _draw_certificate(panels["certificate"], norm)
    return figure


def _draw_montage(axes: Axes, montage: Curves) -> None:
    shown, rows, columns = montage["images"].shape
    gap = max(rows // 4, 2)
    for k, (image, label, true) in enumerate(zip(montage["images"], montage["labels"], montage["true"])):
        left, top = (k % COLUMNS) * (columns + gap), (k // COLUMNS) * (rows + 2 * gap)
        extent = (left, left + columns, top + rows, top)
        axes.imshow(image, cmap="gray_r", extent=extent, interpolation="nearest")
        text, colour = (f"{label}", "black") if label == true else (f"{true}\N{RIGHTWARDS ARROW}{label}", COLOURS[1])
        axes.text(left + columns / 2, top - gap / 4, text, ha="center", va="bottom", fontsize=7.5, color=colour)
    lines = -(-shown // COLUMNS)
    axes.set(xlim=(-1, COLUMNS * (columns + gap) - gap + 1), ylim=(lines * (rows + 2 * gap) - gap, -1.6 * gap))
    axes.set_axis_off()
    letter(axes, "A", "images with the largest multipliers, and their labels (orange: flipped, from right to wrong)")


def _draw_multipliers(axes: Axes, flipped: Evidence) -> None:
    for i, (group, label, style) in enumerate(
        (
            ("others", "right labels", {"fill": True, "alpha": 0.35}),
            ("wanted", "flipped labels", {"linewidth": 1.6}),
        )
    ):
        histogram = flipped.group(group)
        axes.stairs(histogram["shares"], histogram["bins"], color=COLOURS[i], label=label, **style)
    axes.set(xlabel=r"multiplier $\lambda_i$ of an example", ylabel="share of the examples", yscale="log")
    axes.legend(loc="upper right")
    letter(axes, "B", f"multipliers, {flipped.parameters['flipped']:.3g} of the labels flipped")


def _draw_roc(axes: Axes, evidence: Evidence, panel: str, title: str) -> None:
    for i, name in enumerate(evidence.curves["scores"]):
        score = evidence.group(name)
        label = f"{name}: area {score['mean_area']:.3f}"
        axes.plot(evidence.curves["false"], score["roc"], **line(i, STYLES[i]), label=label)
    axes.set(xlabel="share of the other examples taken for one", ylabel="share found", xlim=(-0.02, 1), ylim=(0, 1.03))
    axes.legend(loc="lower right")
    letter(axes, panel, title)


def _draw_accuracy(axes: Axes, clean: Evidence, flipped: Evidence) -> None:
    names = clean.curves["methods"]
    for i, (evidence, label) in enumerate(
        ((clean, "right labels"), (flipped, f"{flipped.parameters['flipped']:.3g} of them flipped"))
    ):
        for k, name in enumerate(names):
            method, x = evidence.group(name), k + (0.14 if i else -0.14)
            axes.plot(np.full_like(method["percent"], x), method["percent"], ".", color="0.6", markersize=4, zorder=1)
            ends = [[method["below"]], [method["above"]]]
            style = markers(i, markersize=6, label=label if k == 0 else None)
            axes.errorbar([x], [method["mean_percent"]], ends, capsize=4, **style)
        certified, runs = evidence.curves["certified_runs"], evidence.curves["certified"].size
        if certified < runs:  # under the last method, Minnorm
            lowest = min(method["mean_percent"] - method["below"], method["percent"].min())
            below = {"xytext": (0, -4), "textcoords": "offset points", "ha": "center", "va": "top"}
            axes.annotate(f"{certified} of {runs}\ncertified", (x, lowest), fontsize=7, **below)
    axes.set_xticks(np.arange(len(names)), [str(name).replace(" ", "\n", 1) for name in names], fontsize=8)
    axes.set(ylabel="test accuracy (%)", xlim=(-0.5, len(names) - 0.5))
    axes.margins(y=0.18)
    axes.legend(loc="upper left", ncols=2)
    letter(axes, "D", "equal numbers of steps: 95 % intervals")


def _draw_norm(axes: Axes, norm: Evidence) -> None:
    for i, name in enumerate(("cross-entropy", "Minnorm")):
        method = norm.group(name)
        for k, scale in enumerate(norm.curves["scales"]):
            label = f"{name}, start {scale:g} x He's"
            style = {**line(i, STYLES[k]), "marker": MARKERS[i], "markevery": (k, 3), "label": label}
            axes.loglog(method["steps"], method["mean_norm"][:, k], **style)
            ends = method["least_norm"][:, k], method["largest_norm"][:, k]
            axes.fill_between(method["steps"], *ends, color=COLOURS[i], alpha=0.15, linewidth=0)
    axes.set(ylabel=r"$|\theta|^2$ (mean and range of seeds)", xlim=_but_the_start(method["steps"]))
    axes.tick_params(labelbottom=False)
    axes.set_ylim(bottom=axes.get_ylim()[0] / 2.5)
    axes.legend(loc="lower left", fontsize=7)
    letter(axes, "F", "the norm forgets its start")


def _draw_violation(axes: Axes, minnorm: Curves) -> None:
    steps = minnorm["steps"]
    for k, (middle, least, largest) in enumerate(
        zip(minnorm["mean_violation"].T, minnorm["least_violation"].T, minnorm["largest_violation"].T)
    ):
        axes.loglog(steps, middle, **line(1, STYLES[k]), marker=MARKERS[1], markevery=(k, 3))
        axes.fill_between(steps, least, largest, color=COLOURS[1], alpha=0.15, linewidth=0)
    axes.set(xlabel="steps", ylabel="largest violation\nof a margin of 1", xlim=_but_the_start(steps))
    letter(axes, "G", "Minnorm's constraints are met")


def _but_the_start(steps: np.ndarray) -> tuple[float, float]:
    return steps[1] * 0.8, steps[-1] * 1.2


def _draw_certificate(axes: Axes, norm: Evidence) -> None:
    for i, name in enumerate(CERTIFICATE):
        shares = norm.group(name)["share"].ravel()
        axes.semilogy(i + np.linspace(-0.2, 0.2, shares.size), shares, **markers(i))
    axes.axhline(1, color="0.3", linewidth=0.9)
    axes.text(0.995, 1.15, "certified below", fontsize=7.5, ha="right", transform=axes.get_yaxis_transform())
    axes.set_xticks(range(len(CERTIFICATE)), CERTIFICATE)
    axes.set(ylabel="left over /\nallowed", ylim=(None, 4))
    letter(axes, "H", "residuals of the optimality conditions, every run")
