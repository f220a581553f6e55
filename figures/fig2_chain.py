"""Figure 2: the linear chain. Minnorm forgets its start without bias, weight decay pays in time or in bias."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

MINNORM = 6  # its place among the colours: black
DASHES = ("-", "-.", "-.", "-.", "--", ":")  # gradient flow, three of weight decay, annealed, two phases
TIMES = {
    "best_fixed": (1, r"L2, best $\gamma$ for each $\varepsilon$"),
    "annealed": (4, r"annealed L2, $\gamma = 1/(1 + t)$"),
    "two_phases": (5, r"two-phase L2, told $\varepsilon$"),
}


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Distance and times of seven methods; orbits at depth 2; stability against the augmentation."""
    title = "Minnorm forgets its start at rate $2a$ without bias, if its augmentation exceeds the critical one"
    figure = canvas(title, evidence, width=13.0, height=8.8)
    panels = figure.subplot_mosaic(
        [["distance", "times"], ["residual", "times"], ["orbits", "stability"]], height_ratios=(3, 1, 3.4)
    )
    times = evidence["minnorm.chain_times"].curves
    _draw_distance(panels["distance"], times)
    _draw_residual(panels["residual"], times)
    _draw_times(panels["times"], times)
    _draw_orbits(panels["orbits"], evidence["minnorm.chain_lotka_volterra"].curves)
    _draw_stability(panels["stability"], evidence["minnorm.chain_critical_augmentation"].curves)
    return figure


def _draw_distance(axes: Axes, curves: Mapping[str, np.ndarray]) -> None:
    t = curves["t"]
    for i, method in enumerate(curves["methods"]):
        axes.semilogy(t, curves["flow"][:, i], **line(i, DASHES[i]))
        shown = slice(i % 3, None, 3)
        label = str(method).replace("gamma", r"$\gamma$")
        axes.semilogy(t[shown], curves["trained"][shown, i], **markers(i), label=label)
    axes.semilogy(curves["t_minnorm"], curves["flow_minnorm"], **line(MINNORM))
    trained = slice(None, None, 2)
    axes.semilogy(
        curves["t_minnorm_trained"][trained],
        curves["trained_minnorm"][trained],
        **markers(MINNORM),
        label=r"Minnorm, best $b$, $c$: slope $-2a$",
    )
    axes.set(ylabel=r"$|w - w^*|$", ylim=(1e-9, 200), xlim=(0, t[-1]))
    axes.tick_params(labelbottom=False)
    axes.legend(loc="lower right", title="lines: flow; markers: trained (torch)")
    letter(axes, "A", "distance to the minimum norm ($L = 3$)")


def _draw_residual(axes: Axes, curves: Mapping[str, np.ndarray]) -> None:
    for i in range(len(curves["methods"])):
        axes.plot(curves["t"][i % 3 :: 3], 100 * curves["residual"][i % 3 :: 3, i], **markers(i))
    axes.plot(curves["t_minnorm_trained"], 100 * curves["residual_minnorm"], **markers(MINNORM))
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set(
        xlabel=r"$t$ = step $\times$ learning rate", ylabel="training /\nflow $- 1$ (%)", xlim=(0, curves["t"][-1])
    )


def _draw_times(axes: Axes, curves: Mapping[str, np.ndarray]) -> None:
    for name, (i, label) in TIMES.items():
        axes.loglog(curves["epsilons"], curves[name], **line(i, DASHES[i]), label=label)
    formula = r"$\frac{\kappa}{2\varepsilon}\log\frac{1}{\varepsilon}$ with its next term"
    axes.loglog(curves["epsilons"], curves["best_fixed_formula"], color="0.6", linewidth=3, alpha=0.5, label=formula)
    axes.loglog(curves["minnorm_epsilons"], curves["minnorm_times"], **line(MINNORM), label="Minnorm")
    axes.loglog(curves["trained_epsilons"], curves["trained_times"], **markers(MINNORM), label="Minnorm, trained")
    axes.loglog(
        curves["trained_fixed_epsilons"], curves["trained_fixed"], **markers(1), label=r"L2, best $\gamma$, trained"
    )
    axes.set(
        xlabel=r"accuracy $\varepsilon$ of $|w - w^*|$",
        ylabel=r"time until $|w - w^*| < \varepsilon$ for good",
        xlim=(0.15, 3e-9),
    )
    axes.legend(loc="upper right")
    axes.text(0.98, 0.46, "gradient flow: never", transform=axes.transAxes, ha="right", fontsize=8)
    letter(axes, "B", "time to an accuracy")


def _draw_orbits(axes: Axes, curves: Mapping[str, np.ndarray]) -> None:
    for word, i, style, label in (
        ("naive", 0, "-", r"$c = 0$: closed orbits (descent drifts outwards)"),
        ("augmented", 1, "--", r"$c > 0$: to the minimum"),
    ):
        axes.plot(curves[f"{word}_p"][:, :3], curves[f"{word}_multiplier"][:, :3], **line(i, style))
        trained = curves[f"{word}_p_trained"][::3, :3], curves[f"{word}_multiplier_trained"][::3, :3]
        axes.plot(*trained, **markers(i))
        axes.plot([], [], **markers(i, linestyle=style), label=label)
    axes.plot(curves["target"], 1, marker="*", markersize=11, color=COLOURS[6], linestyle="none", label="minimum norm")
    axes.set(xlabel=r"product $p = w_1 w_2$", ylabel=r"multiplier $x \lambda$", ylim=(None, 2.55))
    axes.legend(loc="upper right")
    letter(axes, "C", "depth 2: lines flow, markers trained (torch)")


def _draw_stability(axes: Axes, curves: Mapping[str, np.ndarray]) -> None:
    for i, depth in enumerate(curves["depths"]):
        axes.plot(curves["c"], curves["largest"][i], **line(i), label=f"$L = {depth}$")
        axes.plot(curves["c_trained"], curves["largest_trained"][i], **markers(i, markersize=3.5))
        if curves["critical"][i] >= 0:
            axes.plot(curves["critical"][i], 0, marker="v", markersize=9, color=COLOURS[i], markeredgecolor="k")
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.plot(
        [], [], marker="v", markersize=8, color="0.6", markeredgecolor="k", linestyle="none", label="critical $c$"
    )
    axes.plot([], [], **markers(0, color="0.4"), label="from steps of training")
    axes.set(xlabel=r"augmentation $c$", ylabel=r"largest $\mathrm{Re}\, z$ (per unit of time)", ylim=(-1.2, None))
    axes.legend(loc="upper right", ncols=2)
    letter(axes, "D", r"minima attract below 0: $c > (L-2)/(L s^{2-2/L})$")
