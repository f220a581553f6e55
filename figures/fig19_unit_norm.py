"""Figure 19: which norm is the unit norm; depth and balance; whose weights sum up as Halpern's do."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

NETWORKS = ("product, layer", "product, row", "product, batch", "full, layer", "full, row", "full, batch")
BALLS = (
    r"$|\beta|_1$",
    r"$|\beta|_2$",
    r"$|\sigma \circ \beta|_2$",
    r"$|\beta|_2$",
    r"$|\beta|_2 / h^{1/2}$",
    r"$|S^{1/2} \beta|_2$",
)
NONE = 1e-9  # radians: below it two directions are one, to rounding
GREY = {"color": "0.45", "linestyle": "--", "linewidth": 1.1}


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Angles to six solutions, errors against imbalance, pairs of networks on digits, and what is left of the start."""
    title = "The unit norm is the network's own; depth enters as a root, and balance has to be there at the start"
    figure = canvas(title, evidence, width=12.5, height=9.4)
    panels = figure.subplot_mosaic([["angles", "kappa"], ["digits", "left"]], height_ratios=(1.1, 1))
    _draw_angles(figure, panels["angles"], evidence["banburski2019.unit_norm"])
    _draw_imbalance(panels["kappa"], evidence["banburski2019.depth_and_balance"])
    _draw_digits(panels["digits"], evidence["banburski2019.balance_on_digits"])
    _draw_left(panels["left"], evidence["banburski2019.halpern_lambda"])
    return figure


def _draw_angles(figure: Figure, axes: Axes, evidence: Evidence) -> None:
    """Six trained directions (rows) and the solutions of six convex problems (columns), at the middle size."""
    sizes = evidence.curves["sizes"]
    middle = len(sizes) // 2
    angles = np.maximum(evidence.curves["angles"][middle], NONE)
    image = axes.imshow(angles, norm=LogNorm(NONE, 2), cmap="Greys", aspect="auto")
    figure.colorbar(image, ax=axes, label="angle (radians)", fraction=0.05)
    for (i, j), angle in np.ndenumerate(angles):
        text = "0" if angle < 1e-6 else f"{angle:.2g}"
        frame = {"boxstyle": "round,pad=0.3", "edgecolor": COLOURS[1], "facecolor": "none", "linewidth": 1.6}
        colour = "white" if angle > 1e-3 else "black"
        axes.text(j, i, text, ha="center", va="center", color=colour, bbox=frame if i == j else None)
    axes.set_xticks(range(6), BALLS)
    axes.set_yticks(range(6), NETWORKS)
    axes.set(xlabel="solution in the unit ball of", ylabel="trained: first layer, and what is normalised")
    axes.grid(False)
    letter(axes, "A", f"trained directions and six solutions, $\\rho = {sizes[middle]:g}$ (0: below $10^{{-6}}$)")


def _draw_imbalance(axes: Axes, evidence: Evidence) -> None:
    given = evidence.parameters
    kappa = np.array(given["imbalances"])
    for i, depth in enumerate(given["depths"]):
        for name, style in (("gradient flow", "-"), ("weight normalisation", ":")):
            curves = evidence.group(f"{name}, L = {depth}")
            axes.loglog(curves["kappa"], curves["law_of_kappa"], **line(i, style))
            label = f"$L = {depth}$" if name == "gradient flow" else None
            axes.loglog(kappa, curves["reached"], **markers(i), label=label)
            if name == "gradient flow":
                even = curves["law_of_kappa"][0]
                axes.loglog(kappa[[0, -1]], [even, even], **GREY, label="balance ignored" if i == 0 else None)
    axes.plot([], [], color="black", label="gradient flow")
    axes.plot([], [], color="black", linestyle=":", label="weight normalisation")
    axes.set(xlabel=r"imbalance $\kappa$ of the start, of one function", ylabel="error on new examples")
    axes.set_xticks(kappa, [f"{k:g}" for k in kappa])
    axes.minorticks_off()
    axes.legend(loc="center right", ncols=2, title="lines: closed form; markers: trained")
    letter(axes, "B", f"error at margin {given['margin']:g} against imbalance and depth")


def _draw_digits(axes: Axes, evidence: Evidence) -> None:
    """Each pair of networks, and the mean difference with its interval."""
    given = evidence.parameters
    kappa = given["imbalance"]
    most = 0.0
    for i, depth in enumerate(given["depths"]):
        errors, drawn = evidence.group(f"errors, L = {depth}"), evidence.group(f"L = {depth}")
        low, high = 100 * drawn["interval"]
        label = f"$L = {depth}$: +{100 * drawn['effect']:.1f} points [{low:.1f}, {high:.1f}]"
        axes.plot(100 * errors["balanced"], 100 * errors["unbalanced"], **markers(i), label=label)
        most = max(most, 100 * float(errors["unbalanced"].max()))
    least = 100 * min(float(evidence.curves[f"errors, L = {depth}/balanced"].min()) for depth in given["depths"])
    ends = np.array([least - 1, most + 1])
    axes.plot(ends, ends, **GREY, label="layers normalised at the start")
    axes.plot(ends, ends + 100 * given["bound"], color="black", linewidth=0.9, linestyle=":", label="named bound")
    axes.set(xlabel=r"test error of balanced layers, %", ylabel=f"same function, $\\kappa = {kappa:g}$, %")
    axes.set(xlim=(least - 1, None), ylim=(least - 1, most + 1))
    axes.legend(loc="lower right", title=f"{given['draws']} draws; mean and 95 % interval")
    letter(axes, "C", f"digits: {given['images']} images, cross-entropy {given['fitted']:g}")


def _draw_left(axes: Axes, evidence: Evidence) -> None:
    """Of the direction that no example sees: along time, or step by step."""
    normal, batch = evidence.group("weight normalisation"), evidence.group("batch normalisation")
    t = np.exp(normal["tau"][1:, 0])
    axes.loglog(t, normal["law"][1:, 0], **line(0))
    axes.loglog(
        t, normal["left"][1:, 0], **markers(0), label=r"weight normalisation: $e^{-\int 2 \lambda dt}$, time $t$"
    )
    k = np.arange(len(batch["left"]))
    shown = np.unique(np.geomspace(1, len(k) - 1, 24).astype(int))
    axes.loglog(k[1:], batch["law"][1:, 0], **line(1))
    axes.loglog(
        k[shown], batch["left"][shown, 0], **markers(1), label=r"batch normalisation: $|w_0| / |w_k|$, steps $k$"
    )
    axes.loglog(k[1:], batch["halpern"][1:], **GREY, label="Halpern's: $1 / (k + 1)$")
    axes.legend(loc="lower left")
    axes.set(xlabel="time $t$, or steps $k$", ylabel="share left of what no example sees", ylim=(4e-4, 1.6))
    letter(axes, "D", r"Halpern's iteration? $\lambda$ of batch normalisation is summable")
