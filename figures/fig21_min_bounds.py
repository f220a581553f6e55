"""Figure 21: Theorems 1 and 2 of Min et al. nearly attained, and how large weights become."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

GREY = {"color": "0.45", "linestyle": "--", "linewidth": 1.1}


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Distance from the limit and its bound, by how much it is missed; Theorem 2 on its event; weights and bounds."""
    title = "Theorems 1 and 2 nearly attained: how far parameters are from their end, how far the end from minimum norm"
    figure = canvas(title, evidence, width=12.5, height=8.6)
    panels = figure.subplot_mosaic([["distance", "excess"], ["share", "weights"]])
    sharp = evidence["min2021.parameters_converge"].group("sharp")
    _draw_distance(panels["distance"], sharp)
    _draw_excess(panels["excess"], sharp)
    _draw_share(panels["share"], evidence["min2021.theorem2"])
    _draw_weights(panels["weights"], evidence["imbalance.largest_weights"])
    return figure


def _draw_distance(axes: Axes, curves: Mapping[str, np.ndarray]) -> None:
    """The way that is left, in units of the weights' size."""
    times = curves["times"]
    for i, target in enumerate(curves["targets"]):
        axes.semilogy(times, curves["bound"][:, i], **line(i, linewidth=1.1))
        axes.semilogy(curves["kt"], curves["trained"][:, i], **markers(i), label=_named(target))
    # The bound with a wrong rate, at the sharpest start: the trained markers leave it above them.
    first = int(np.argmin(curves["targets"]))
    axes.semilogy(
        times, curves["bound"][:, first] * np.exp(-0.05 * times) / 1.05, **GREY, label="bound, $k$ 5 % larger"
    )
    axes.legend(loc="lower left", title="lines: bound; markers: trained", ncols=2)
    axes.set(xlabel="$k t$", ylabel=r"$\|Z(t) - Z(\infty)\|\ /\ c^{1/2}$")
    axes.set_ylim(bottom=float(curves["trained"].min()) / 30)
    letter(axes, "A", "what is left of the parameters' way, sharp starts")


def _draw_excess(axes: Axes, curves: Mapping[str, np.ndarray]) -> None:
    for i, target in enumerate(curves["targets"]):
        axes.semilogy(curves["times"], curves["bound"][:, i] / curves["solved"][:, i] - 1, **line(i))
        axes.semilogy(curves["kt"], curves["trained_bound"][:, i] / curves["trained"][:, i] - 1, **markers(i))
        end = float(curves["bound"][-1, i] / curves["solved"][-1, i] - 1)
        place = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
        axes.annotate(_named(target), (float(curves["times"][-1]), end), color=COLOURS[i], **place)
    axes.axhline(0.05, **GREY)
    axes.annotate("5 %", (0, 0.05), xytext=(2, 3), textcoords="offset points", color="0.35", fontsize=8)
    axes.set(xlabel="$k t$", ylabel="bound / distance $- 1$", xlim=(-0.15, 4.75))
    axes.set_xticks(range(5))
    letter(axes, "B", "the same bound over the distance: lines solved, markers trained")


def _named(target: float) -> str:
    return f"$e = {target:g}$"


def _draw_share(axes: Axes, evidence: Evidence) -> None:
    """Distance over its bound in Theorem 2."""
    worst, gaussian = evidence.group("worst starts"), evidence.group("gaussian")
    for i, a in enumerate(worst["exponents"]):
        axes.semilogx(worst["grid"], worst["predicted"][i], **line(i))
        axes.semilogx(worst["outputs"], worst["trained"][i], **markers(i), label=f"worst start, $a = {a:g}$")
    grid = worst["grid"]
    axes.semilogx(grid, np.sqrt(grid / (grid + 1)), **GREY, label=r"$(m/(m+r))^{1/2}$, without $C$")
    axes.axhline(1, color="black", linewidth=0.9)
    axes.annotate("bound", (1, 1), xytext=(2, 3), textcoords="offset points", fontsize=8)
    m = float(gaussian["outputs"])
    colours = {float(a): i for i, a in enumerate(worst["exponents"])}
    for a, trained, predicted in zip(gaussian["exponents"], gaussian["trained"], gaussian["predicted"]):
        i = colours[float(a)]
        axes.semilogx([m / 1.4, m * 1.4], [predicted, predicted], **line(i, linewidth=1.1))
        shown = trained[::4]
        axes.semilogx(m * np.geomspace(0.77, 1.3, len(shown)), shown, **markers(i, marker="x"))
        of_a = f"Gaussian starts, $D = {evidence.parameters['unseen']}$, $a = {a:g}$"
        axes.annotate(
            of_a, (m / 1.45, float(predicted)), xytext=(-4, 0), textcoords="offset points", ha="right", va="center",
            color=COLOURS[i], fontsize=8,
        )  # fmt: skip
    axes.legend(loc="upper center", title="lines: law; markers: trained", ncols=2)
    axes.set(xlabel="outputs $m$", ylabel="distance / bound", ylim=(0, 1.4))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    axes.minorticks_off()
    letter(axes, "C", r"Theorem 2: $\|U V^\top(\infty) - \hat\Theta\|$ over its bound, $h$ just beyond $h_0$")


def _draw_weights(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.group("weights")
    axes.plot(curves["times"], curves["bound"], **line(0), label="bound by $\\Lambda$ and $U_1 V^\\top$")
    axes.plot(curves["times"], curves["without_path"], **line(0, ":"), label="bound known at the start")
    axes.plot(curves["kt"], curves["hidden"], **markers(1), label="$\\|U_1\\|_2^2$, trained")
    axes.plot(curves["times"], curves["bound_output"], **line(2))
    axes.plot(curves["kt"], curves["output"], **markers(2), label="$\\|V\\|_2^2$, trained")
    axes.plot(curves["times"], curves["smaller"], **GREY, label="imbalance 5 % smaller")
    axes.legend(loc="upper right")
    axes.set(xlabel="$k t$", ylabel="squared norm")
    appendix = f"Appendix C allows $\\|Z\\|_F^2$ = {float(curves['appendix']):.3g}, it is {curves['whole'].max():.3g}"
    axes.annotate(appendix, (0.98, 0.03), xycoords="axes fraction", ha="right", fontsize=8)
    letter(axes, "D", "weights are as large as imbalance and product allow: orthogonal rows")
