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
    "two_phases": (5, r"two-phase L2 of one strength, told $\varepsilon$"),
}
TOLD = 0.1  # the accuracy to which two phases tuned for it are the first


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Distance and times of seven methods; orbits at depth 2; stability against the augmentation."""
    title = "Minnorm forgets its start at rate $2a$ without bias, if its augmentation exceeds the critical one"
    figure = canvas(title, evidence, width=13.0, height=8.8)
    panels = figure.subplot_mosaic(
        [["distance", "times"], ["residual", "times"], ["orbits", "stability"]], height_ratios=(3, 1, 3.4)
    )
    times = evidence["minnorm.chain_times"]
    _draw_distance(panels["distance"], times)
    _draw_residual(panels["residual"], times)
    _draw_times(panels["times"], times)
    _draw_orbits(panels["orbits"], evidence["minnorm.chain_lotka_volterra"])
    _draw_stability(panels["stability"], evidence["minnorm.chain_critical_augmentation"].curves)
    return figure


def _draw_distance(axes: Axes, times: Evidence) -> None:
    decayed, flowing, trained = (times.group(name) for name in ("weight decay", "Minnorm", "Minnorm, trained"))
    for i, method in enumerate(decayed["methods"]):
        axes.semilogy(decayed["t"], decayed["flow"][:, i], **line(i, DASHES[i]))
        shown = slice(i % 3, None, 3)
        label = str(method).replace("gamma", r"$\gamma$")
        axes.semilogy(decayed["t"][shown], decayed["trained"][shown, i], **markers(i), label=label)
    axes.semilogy(flowing["t"], flowing["distance"], **line(MINNORM))
    label = r"Minnorm, best $b$, $c$: slope $-2a$"
    axes.semilogy(trained["t"][::2], trained["distance"][::2], **markers(MINNORM), label=label)
    axes.set(ylabel=r"$|w - w^*|$", ylim=(1e-9, 200), xlim=(0, decayed["t"][-1]))
    axes.tick_params(labelbottom=False)
    axes.legend(loc="lower right", title="lines: flow; markers: trained (torch)")
    letter(axes, "A", "distance to the minimum norm ($L = 3$)")


def _draw_residual(axes: Axes, times: Evidence) -> None:
    decayed, trained = times.group("weight decay"), times.group("Minnorm, trained")
    for i in range(len(decayed["methods"])):
        shown = slice(i % 3, None, 3)
        axes.plot(decayed["t"][shown], decayed["percent"][shown, i], **markers(i))
    axes.plot(trained["t"], trained["percent"], **markers(MINNORM))
    axes.axhline(0, color="0.3", linewidth=0.8)
    label = r"$t$ = step $\times$ learning rate"
    axes.set(xlabel=label, ylabel="training /\nflow $- 1$ (%)", xlim=(0, decayed["t"][-1]))


def _draw_times(axes: Axes, times: Evidence) -> None:
    decayed = times.group("times")
    for name, (i, label) in TIMES.items():
        axes.loglog(decayed["epsilons"], decayed[name], **line(i, DASHES[i]), label=label)
    sentence = "Minnorm is the first, whatever the weight decay"
    (first,) = (check.predicted for check in times.checks if check.name == sentence)
    axes.loglog([TOLD], [first], **markers(5, markersize=7), label=rf"two-phase L2 tuned to ${TOLD:g}$, trained: first")
    formula = r"$\frac{\kappa}{2\varepsilon}\log\frac{1}{\varepsilon}$ with its next term"
    axes.loglog(decayed["epsilons"], decayed["best_fixed_formula"], color="0.6", linewidth=3, alpha=0.5, label=formula)
    for name, style, label in (
        ("times of Minnorm", line(MINNORM), "Minnorm"),
        ("times of Minnorm, trained", markers(MINNORM), "Minnorm, trained"),
        ("times of weight decay, trained", markers(1), r"L2, best $\gamma$, trained"),
    ):
        group = times.group(name)
        axes.loglog(group["epsilons"], group["times"], **style, label=label)
    axes.set(
        xlabel=r"accuracy $\varepsilon$ of $|w - w^*|$",
        ylabel=r"time until $|w - w^*| < \varepsilon$ for good",
        xlim=(0.15, 3e-9),
    )
    axes.legend(loc="upper right")
    axes.text(0.98, 0.46, "gradient flow: never", transform=axes.transAxes, ha="right", fontsize=8)
    letter(axes, "B", "time to an accuracy")


def _draw_orbits(axes: Axes, evidence: Evidence) -> None:
    for word, i, style, label in (
        ("naive", 0, "-", r"$c = 0$: closed orbits (descent drifts outwards)"),
        ("augmented", 1, "--", r"$c > 0$: to the minimum"),
    ):
        orbit = evidence.group(word)
        axes.plot(orbit["p"][:, :3], orbit["multiplier"][:, :3], **line(i, style))
        axes.plot(orbit["trained_p"][::3, :3], orbit["trained_multiplier"][::3, :3], **markers(i))
        axes.plot([], [], **markers(i, linestyle=style), label=label)
    star = {"marker": "*", "markersize": 11, "color": COLOURS[6], "linestyle": "none"}
    minimum = evidence.group("minimum")
    axes.plot(minimum["p"], minimum["multiplier"], **star, label="minimum norm")
    axes.set(xlabel=r"product $p = w_1 w_2$", ylabel=r"multiplier $x \lambda$", ylim=(None, 2.55))
    axes.legend(loc="upper right")
    letter(axes, "C", "depth 2: lines flow, markers trained (torch)")


def _draw_stability(axes: Axes, curves: Mapping[str, np.ndarray]) -> None:
    for i, depth in enumerate(curves["depths"]):
        axes.plot(curves["c"], curves["largest"][i], **line(i), label=f"$L = {depth}$")
        axes.plot(curves["trained_c"], curves["trained_largest"][i], **markers(i, markersize=3.5))
        if curves["critical"][i] >= 0:
            axes.plot(curves["critical"][i], 0, marker="v", markersize=9, color=COLOURS[i], markeredgecolor="k")
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.plot(
        [], [], marker="v", markersize=8, color="0.6", markeredgecolor="k", linestyle="none", label="critical $c$"
    )
    axes.plot([], [], **markers(0, color="0.4"), label="from steps of training")
    axes.set(xlabel=r"augmentation $c$", ylabel=r"largest $\mathrm{Re}\, z$ (per unit of time)", ylim=(-1.2, None))
    axes.legend(loc="upper right", ncols=2)
    letter(axes, "D", r"minima attract below 0: $c > (L-2)/(\sigma L s^{2-2/L})$")
