"""Figure 17: cost-sensitive losses. Regions of the simplex, equal recalls, and what is left in the limit."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
LOSSES = ("plain", "weights", "shift", "factors")
LABELS = ("cross-entropy", "weights $g$", "shift $\\log g$ (logit adjustment)", "factors $g^{-1/2}$ of margins")
SHOWN = 26  # rounds, the start among them
GREY = {"color": "0.45", "linestyle": "--", "linewidth": 1.1}


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Labels all over the simplex, recalls round by round, direction and rare recall of four losses."""
    title = "Cost-sensitive losses reach what they are for; on separable examples weights and shifts wash out"
    figure = canvas(title, evidence, width=12.5, height=8.6)
    panels = figure.subplot_mosaic([["simplex", "recalls"], ["direction", "rare"]])
    _draw_simplex(panels["simplex"], evidence["narasimhan2021.proposition_4"])
    _draw_recalls(panels["recalls"], evidence["narasimhan2021.worst_case_recall"])
    _draw_direction(panels["direction"], evidence["cost_sensitive.implicit_bias"])
    _draw_rare(panels["rare"], evidence["narasimhan2021.reweighting"])
    return figure


def _draw_simplex(axes: Axes, evidence: Evidence) -> None:
    """What the trained hybrid loss predicts, the edges of the Bayes rule, and those of cross-entropy."""
    curves = evidence.group("simplex")
    at = curves["eta"] @ CORNERS
    for label in range(3):
        chosen = curves["trained"] == label
        axes.plot(*at[chosen].T, **markers(label, markersize=2.2), label=f"trained: {label + 1}")
    halo = [withStroke(linewidth=4, foreground="white")]  # lines have to show among the markers
    for G, style in ((np.eye(3), GREY), (curves["G"], {"color": "black", "linewidth": 1.5})):
        for ends in _edges(G):
            axes.plot(*(ends @ CORNERS).T, **style, zorder=5, path_effects=halo)
    axes.plot([], [], color="black", label=r"$\arg\max\, G^\top \eta$")
    axes.plot([], [], **GREY, label="cross-entropy's")
    sides = ("right", "left", "left")
    for i, (corner, side) in enumerate(zip(CORNERS, sides), start=1):
        name = f"$\\eta_{i} = 1$"
        axes.annotate(name, corner, xytext=(-5 if side == "right" else 5, 0), textcoords="offset points", ha=side)
    axes.set(aspect="equal", xlim=(-0.2, 1.75), ylim=(-0.05, 0.95))
    axes.axis("off")
    axes.legend(loc="upper right")
    letter(axes, "A", "labels predicted by the hybrid loss, all over the simplex")


def _edges(G: np.ndarray) -> list[np.ndarray]:
    """Segments of the simplex on which two labels earn most, as ends (2, 3) in shares."""
    segments = []
    for i, k in ((0, 1), (0, 2), (1, 2)):
        other = 3 - i - k
        shares = np.linspace(0, 1, 2001)
        along = G[:, i] - G[:, k]
        points = []
        for a, b in ((0, 1), (0, 2), (1, 2)):
            if along[a] * along[b] <= 0 and along[a] != along[b]:
                t = along[a] / (along[a] - along[b])
                point = np.zeros(3)
                point[a], point[b] = 1 - t, t
                points.append(point)
        points = np.unique(np.round(points, 12), axis=0)  # at a corner two of them meet
        if len(points) == 2:
            line_of = points[0] + shares[:, None] * (points[1] - points[0])
            best = line_of @ G[:, i] >= line_of @ G[:, other]
            if best.any():
                segments.append(line_of[best][[0, -1]])
    return segments


def _draw_recalls(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    rounds = np.arange(min(len(curves["recalls"]), SHOWN))
    for i in range(curves["recalls"].shape[1]):
        axes.plot(rounds, curves["predicted"][: len(rounds), i], **line(i))
        axes.plot(rounds, curves["recalls"][: len(rounds), i], **markers(i), label=f"class {i + 1}")
    axes.axhline(float(curves["value"]), color="black", linewidth=0.9, linestyle=":")
    axes.annotate(
        f"equaliser, {float(curves['value']):.5f}", (rounds[-1], float(curves["value"])),
        xytext=(0, 5), textcoords="offset points", ha="right",
    )  # fmt: skip
    axes.legend(loc="upper right", title="lines: law; markers: trained")
    axes.set(xlabel="rounds of training", ylabel="recall")
    letter(axes, "B", "worst-case recall by exponentiated gradient")


def _draw_direction(axes: Axes, evidence: Evidence) -> None:
    """Of one set of examples: how far from the max-margin direction, and factors from their own."""
    for i, (loss, label) in enumerate(zip(LOSSES, LABELS)):
        curves = evidence.group(loss)
        axes.loglog(curves["steps"], _angle(curves["svm"]), **markers(i, linestyle="-", linewidth=0.9), label=label)
    own = evidence.group("factors")
    style = GREY | {"color": COLOURS[LOSSES.index("factors")]}
    axes.loglog(own["steps"], _angle(own["cost_sensitive"]), **style, label="factors, from the cost-sensitive SVM")
    axes.legend(loc="lower left")
    axes.set(xlabel=r"steps on $\log L$", ylabel="angle from the max-margin direction")
    letter(axes, "C", "direction of $w$: only factors change its limit")


def _angle(cosine: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(cosine, -1, 1))


def _draw_rare(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    for i, (loss, label) in enumerate(zip(LOSSES, LABELS)):
        axes.semilogx(curves["length"], curves[loss], **markers(i, linestyle="-", linewidth=0.9), label=label)
    axes.legend(loc="upper right")
    axes.set(xlabel="$|w|$ of cross-entropy", ylabel="recall of the rare class")
    sizes = evidence.parameters
    letter(axes, "D", f"{sizes['common']} and {sizes['rare']} examples in {sizes['inputs']} dimensions, all fitted")
