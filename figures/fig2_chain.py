"""Figure 2: speed. Minnorm forgets a chain's start without bias; weight decay pays in time or in bias; in gradients."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

MINNORM = 6  # its place among the colours: black
# Colour and dashes of the methods whose gradients are counted.
ON_CHAINS = {
    "L2": (1, "-"),
    "two-phase L2": (5, ":"),
    "two-phase L2, momentum": (2, "-."),
    "Minnorm": (MINNORM, "-"),
    "Minnorm, momentum": (0, "--"),
}
SHALLOW = {
    "gradient descent": (0, "-"),
    "loss-normalised": (1, "-."),
    "loss-normalised, momentum": (2, "--"),
    "dual acceleration": (3, (0, (5, 1, 1, 1))),
    "annealed L2": (4, ":"),
    "Minnorm, simultaneous": (5, ":"),
    "Minnorm": (MINNORM, "-"),
}
DASHES = ("-", "-.", "-.", "-.", "--", ":")  # gradient flow, three of weight decay, annealed, two phases
TIMES = {
    "best_fixed": (1, r"L2, best $\gamma$ for each $\varepsilon$"),
    "annealed": (4, r"annealed L2, $\gamma = 1/(1 + t)$"),
    "two_phases": (5, r"two-phase L2 of one strength, told $\varepsilon$"),
}


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Distance and times of seven methods; orbits and stability; gradients on chains and on shallow classifiers."""
    title = "Minnorm forgets its start at rate $2a$ without bias, and takes fewer gradients to small errors"
    figure = canvas(title, evidence, width=17.0, height=8.8)
    panels = figure.subplot_mosaic(
        [["distance", "times", "chains"], ["residual", "times", "chains"], ["orbits", "stability", "shallow"]],
        height_ratios=(3, 1, 3.4),
    )
    times, speed = evidence["minnorm.chain_times"], evidence["minnorm.training_speed"]
    _draw_distance(panels["distance"], times)
    _draw_residual(panels["residual"], times)
    _draw_times(panels["times"], times)
    _draw_orbits(panels["orbits"], evidence["minnorm.chain_lotka_volterra"])
    _draw_stability(panels["stability"], evidence["minnorm.chain_critical_augmentation"].curves)
    chains, shallow = times.group("counted"), speed.curves
    _draw_gradients(panels["chains"], times, chains["methods"], chains["accuracies"], ON_CHAINS)
    panels["chains"].set(xlabel=r"accuracy $\varepsilon$ of $|w - w^*|$, on three targets at once")
    letter(panels["chains"], "C", f"gradients on {times.parameters['draws']} random chains, best of equal grids")
    _draw_gradients(panels["shallow"], speed, shallow["methods"], shallow["errors"], SHALLOW)
    panels["shallow"].set(xlabel="error of the direction")
    letter(panels["shallow"], "F", f"gradients on {speed.parameters['draws']} shallow classifiers, best of equal grids")
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
    axes.set(xlabel=label, ylabel="training /\nflow $- 1$ (%)", xlim=(0, decayed["t"][-1]), ylim=(-12, 12))


def _draw_times(axes: Axes, times: Evidence) -> None:
    decayed = times.group("times")
    for name, (i, label) in TIMES.items():
        axes.loglog(decayed["epsilons"], decayed[name], **line(i, DASHES[i]), label=label)
    formula = r"$\frac{\kappa}{2\varepsilon}\log\frac{1}{\varepsilon}$ with its next term"
    axes.loglog(decayed["epsilons"], decayed["best_fixed_formula"], color="0.6", linewidth=3, alpha=0.5, label=formula)
    for name, style, label in (
        ("times of Minnorm", line(MINNORM), "Minnorm"),
        ("times of Minnorm, trained", markers(MINNORM), "Minnorm, trained"),
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


def _draw_gradients(
    axes: Axes, evidence: Evidence, methods: np.ndarray, levels: np.ndarray, styles: Mapping[str, tuple[int, object]]
) -> None:
    """Medians over draws and their middle 80 %, side by side; what is above the budget is drawn on it, open upwards."""
    budget = evidence.parameters["budget"]
    for k, method in enumerate(str(name) for name in methods):
        i, dashes = styles[method]
        group = evidence.group(f"gradients, {method}")
        middle = np.where(group["median"] > budget, np.nan, group["median"])
        aside = levels * 1.035 ** (k - (len(methods) - 1) / 2)
        spread = np.abs(np.stack([middle - group["fewest"], np.minimum(group["most"], budget) - middle]))
        axes.errorbar(aside, middle, spread, elinewidth=0.8, label=method, **markers(i, linestyle=dashes))
    axes.axhline(budget, color="0.5", linewidth=0.9, linestyle="--")
    axes.annotate("budget", (levels[0], budget), (0, 3), textcoords="offset points", fontsize=7.5)
    axes.set(xscale="log", yscale="log", ylabel="gradients until it stays there", ylim=(None, 1.6 * budget))
    axes.invert_xaxis()
    axes.legend(loc="lower right")


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
    letter(axes, "D", "depth 2: lines flow, markers trained (torch)")


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
    letter(axes, "E", r"minima attract below 0: $c > (L-2)/(\sigma L s^{2-2/L})$")
