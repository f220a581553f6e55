"""Figure 4: images. The examples that hold the smallest weights up, what they are good for, and what they cost."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, MARKERS, canvas, letter, line, markers
from theory.claims import Evidence

Curves = Mapping[str, np.ndarray]
STYLES = ("-", "--", "-.", ":")
COLUMNS = 12  # of the montage
CERTIFICATE = ("stationarity", "radius", "gap", "violation")


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Montage, multipliers, ROC, accuracy, and convergence of the norm."""
    clean, flipped = evidence["minnorm.images_clean"].curves, evidence["minnorm.images_flipped"].curves
    norm = evidence["minnorm.images_norm"].curves
    name, count = flipped["images"], flipped["train_size"]
    title = f"Minnorm's multipliers find the flipped labels; fitting them costs accuracy ({name}, {count} for training)"
    figure = canvas(title, evidence, width=13.0, height=9.4)
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
    _draw_montage(panels["montage"], flipped)
    _draw_multipliers(panels["multipliers"], flipped)
    _draw_roc(panels["roc"], flipped, "C", "flipped labels found")
    _draw_roc(panels["difficult"], clean, "E", "right labels: difficult examples found")
    _draw_accuracy(panels["accuracy"], clean, flipped)
    _draw_norm(panels["norm"], norm)
    _draw_violation(panels["violation"], norm)
    _draw_certificate(panels["certificate"], norm)
    return figure


def _draw_montage(axes: Axes, curves: Curves) -> None:
    pictures = curves["top_images"]
    shown, rows, columns = pictures.shape
    gap = max(rows // 4, 2)
    for k in range(shown):
        left, top = (k % COLUMNS) * (columns + gap), (k // COLUMNS) * (rows + 2 * gap)
        extent = (left, left + columns, top + rows, top)
        axes.imshow(pictures[k], cmap="gray_r", extent=extent, interpolation="nearest")
        wrong = curves["top_labels"][k] != curves["top_true"][k]
        text = f"{curves['top_labels'][k]}" + (f" (is {curves['top_true'][k]})" if wrong else "")
        colour = COLOURS[1] if wrong else "black"
        axes.text(left + columns / 2, top - gap / 4, text, ha="center", va="bottom", fontsize=7.5, color=colour)
    lines = -(-shown // COLUMNS)
    axes.set(xlim=(-1, COLUMNS * (columns + gap) - gap + 1), ylim=(lines * (rows + 2 * gap) - gap, -1.6 * gap))
    axes.set_axis_off()
    letter(axes, "A", "the images with the largest multipliers, and their labels for training (orange: flipped)")


def _draw_multipliers(axes: Axes, curves: Curves) -> None:
    multipliers, flipped = curves["multipliers"], curves["wanted"]
    bins = np.linspace(0, np.quantile(multipliers, 0.9995), 40)
    for i, (chosen, label) in enumerate(((~flipped, "right labels"), (flipped, "flipped labels"))):
        style = {"histtype": "stepfilled", "alpha": 0.35} if i == 0 else {"histtype": "step", "linewidth": 1.6}
        weights = np.full(chosen.sum(), 1 / chosen.sum())
        axes.hist(multipliers[chosen], bins=bins, weights=weights, color=COLOURS[i], label=label, **style)
    axes.set(xlabel=r"multiplier $\lambda_i$ of an example", ylabel="share of the examples", yscale="log")
    axes.legend(loc="upper right")
    letter(axes, "B", "multipliers, one label in ten flipped")


def _draw_roc(axes: Axes, curves: Curves, panel: str, title: str) -> None:
    for i, name in enumerate(curves["scores"]):
        area = np.nanmean(curves["areas"][i])
        axes.plot(curves["false"], curves["roc"][i], **line(i, STYLES[i]), label=f"{name}: area {area:.3f}")
    axes.set(xlabel="share of the other examples taken for one", ylabel="share found", xlim=(-0.02, 1), ylim=(0, 1.03))
    axes.legend(loc="lower right")
    letter(axes, panel, title)


def _draw_accuracy(axes: Axes, clean: Curves, flipped: Curves) -> None:
    methods = clean["methods"]
    for i, (curves, label) in enumerate(((clean, "right labels"), (flipped, "one in ten flipped"))):
        x = np.arange(len(methods)) + (0.14 if i else -0.14)
        mean, low, high = 100 * curves["accuracy"].T
        seeds = 100 * curves["test"]
        axes.plot(np.repeat(x, seeds.shape[1]), seeds.ravel(), ".", color="0.6", markersize=4, zorder=1)
        style = markers(i, markersize=6)
        axes.errorbar(x, mean, (mean - low, high - mean), capsize=4, label=label, **style)
        certified = curves["certified"]
        if not certified.all():
            note = f"{certified.sum()} of {certified.size}\ncertified"
            below = {"xytext": (0, -4), "textcoords": "offset points", "ha": "center", "va": "top"}
            axes.annotate(note, (x[-1], min(low[-1], seeds[-1].min())), fontsize=7, **below)
    axes.set_xticks(np.arange(len(methods)), [str(name).replace(" ", "\n", 1) for name in methods], fontsize=8)
    axes.set(ylabel="test accuracy (%)", xlim=(-0.5, len(methods) - 0.5))
    axes.margins(y=0.18)
    axes.legend(loc="upper left", ncols=2)
    letter(axes, "D", "five methods, equal budgets: 95 % intervals")


def _draw_norm(axes: Axes, curves: Curves) -> None:
    steps = np.maximum(curves["steps"], 1)
    for i, (word, label) in enumerate((("cross_entropy", "cross-entropy"), ("minnorm", "Minnorm"))):
        for k, scale in enumerate(curves["scales"]):
            middle = curves[f"{word}_norm"][:, :, k]
            name = f"{label}, start {scale:g} x He's"
            axes.loglog(steps, middle.mean(1), **line(i, STYLES[k]), marker=MARKERS[i], markevery=(k, 3), label=name)
            axes.fill_between(steps, middle.min(1), middle.max(1), color=COLOURS[i], alpha=0.15, linewidth=0)
    axes.set(ylabel=r"$|\theta|^2$ (mean and range of seeds)", xlim=(steps[1] * 0.8, steps[-1] * 1.2))
    axes.tick_params(labelbottom=False)
    axes.set_ylim(bottom=axes.get_ylim()[0] / 2.5)
    axes.legend(loc="lower left", fontsize=7)
    letter(axes, "F", "the norm forgets its start")


def _draw_violation(axes: Axes, curves: Curves) -> None:
    steps = np.maximum(curves["steps"], 1)
    for k in range(len(curves["scales"])):
        violation = np.maximum(curves["minnorm_violation"][:, :, k], 1e-5)
        axes.loglog(steps, violation.mean(1), **line(1, STYLES[k]), marker=MARKERS[1], markevery=(k, 3))
        axes.fill_between(steps, violation.min(1), violation.max(1), color=COLOURS[1], alpha=0.15, linewidth=0)
    axes.set(xlabel="steps", ylabel="largest violation\nof a margin of 1", xlim=(steps[1] * 0.8, steps[-1] * 1.2))
    letter(axes, "G", "Minnorm's constraints are met")


def _draw_certificate(axes: Axes, curves: Curves) -> None:
    for i, name in enumerate(CERTIFICATE):
        left = curves[name] / curves[f"{name}_limit"]
        axes.semilogy(np.full(left.size, i) + np.linspace(-0.2, 0.2, left.size), left.ravel(), **markers(i))
    axes.axhline(1, color="0.3", linewidth=0.9)
    axes.text(len(CERTIFICATE) - 0.55, 1.15, "certified below", fontsize=7.5, ha="right")
    axes.set_xticks(range(len(CERTIFICATE)), CERTIFICATE)
    axes.set(ylabel="left over /\nallowed", ylim=(None, 4))
    letter(axes, "H", "residuals of the optimality conditions, every run")
