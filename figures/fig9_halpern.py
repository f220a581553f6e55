"""Figure 9: norm-minimising descent. Weights that vanish, but are not summable, find the solution of least norm."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

Curves = Mapping[str, np.ndarray]
STYLES = ("-", "-", "--", ":")


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Four schedules on least squares, the flow, Lieder's bound, and the duals of a max-margin classifier."""
    title = "Anchored to 0 ever less, but not too little, gradient descent finds the solution of least norm"
    figure = canvas(title, evidence, width=14.5, height=8.8)
    panels = figure.subplot_mosaic(
        [
            ["null", "distance", "flow"],
            ["null_residual", "distance_residual", "flow_residual"],
            ["broken", "broken", "duals"],
            ["bound", "bound", "duals"],
        ],
        height_ratios=(3, 1, 1.2, 2.2),
    )
    schedules = evidence["banburski2019.nmgd_schedules"]
    _draw_schedules(panels["null"], schedules, "null")
    panels["null"].set(ylabel=r"$|P_n w_k|$")
    panels["null"].legend(loc="lower left", title="lines: formula; markers: trained")
    letter(panels["null"], "A", "what the data do not see")
    _draw_schedules(panels["distance"], schedules, "distance")
    panels["distance"].set(ylabel=r"$|w_k - X^+ Y|$")
    letter(panels["distance"], "B", "distance to the solution of least norm")
    _draw_rounding(panels["null_residual"], schedules.curves, "null_residual")
    _draw_rounding(panels["distance_residual"], schedules.curves, "distance_residual")
    _draw_flow(panels["flow"], panels["flow_residual"], evidence["banburski2019.nmgd_flow"].curves)
    _draw_bound(panels["bound"], evidence["lieder2021.bound"])
    _draw_broken(panels["broken"], panels["bound"], evidence["lieder2021.bound"].group("start away"))
    _draw_duals(panels["duals"], evidence["halpern.squared_hinge"].curves)
    return figure


def _draw_schedules(axes: Axes, schedules: Evidence, name: str) -> None:
    curves, predicted, trained = schedules.curves, schedules.curves[name], schedules.curves[f"{name}_trained"]
    for i, label in enumerate(_labels(schedules.parameters["weight"])):
        shown = slice(i % 2, None, 2)
        axes.loglog(curves["steps"], predicted[:, i], **line(i, STYLES[i]))
        axes.loglog(curves["steps"][shown], trained[shown, i], **markers(i, linestyle="none"), label=label)
    axes.set(ylim=(predicted[:, 1].min() / 2, 2 * predicted.max()))
    axes.tick_params(labelbottom=False)


def _labels(weight: float) -> tuple[str, ...]:
    return (
        r"$\lambda_k = 0$: gradient descent",
        r"$\lambda_k = 1/(k+2)$: Halpern",
        r"$\lambda_k = 1/(k+2)^2$: summable",
        rf"$\lambda_k = {weight:g}$: ridge regression",
    )


def _draw_rounding(axes: Axes, curves: Curves, name: str) -> None:
    for i in range(curves[name].shape[1]):
        axes.semilogx(curves["steps"], 1e15 * curves[name][:, i], **markers(i, markersize=3))
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set(xlabel=r"$k + 1$ (steps)", ylabel=r"trained $-$" + "\nformula\n" + r"($10^{-15} |w_0|$)")


def _draw_flow(axes: Axes, residual: Axes, curves: Curves) -> None:
    for i, c in enumerate(curves["c"]):
        axes.loglog(curves["fine_u"], curves["flow"][:, i], **line(i, STYLES[i % len(STYLES)]))
        label = f"$c = {c:g}$" + (": gradient flow" if c == 0 else "")
        axes.loglog(curves["u"], curves["trained"][:, i], **markers(i), label=label)
        residual.semilogx(curves["u"], 1e6 * curves["residual"][:, i], **markers(i, markersize=3))
    residual.axhline(0, color="0.3", linewidth=0.8)
    axes.tick_params(labelbottom=False, which="both")
    axes.legend(loc="lower left")
    axes.set(ylabel=r"$|w(t) - X^+ Y|$")
    residual.set(xlabel=r"$1 + t$, $t$ = step $\times$ learning rate", ylabel="trained, at rate 0,\n/ flow $- 1$ (ppm)")
    letter(axes, "C", r"the flow $\dot w = -\nabla L - c\,w / (1 + t)$")


def _draw_bound(axes: Axes, evidence: Evidence) -> None:
    rotations = evidence.group("rotations")
    k, n = rotations["steps"], rotations["rotation_steps"]
    drawn = np.arange(2, len(n), 4)
    for j in drawn:
        arch = slice(0, 2 * n[j] + 1)  # up to where the residual is 0 for the first time
        axes.semilogx(k[arch], rotations["predicted"][arch, j], color="0.6", linewidth=0.9, zorder=1)
    axes.plot([], [], color="0.6", linewidth=0.9, label=r"rotations by $\pi / (n + 1)$, formula")
    axes.semilogx(k[n[drawn]], rotations["trained"][n[drawn], drawn], **markers(6), label="each at its step $n$")
    longest = evidence.group("longest step, even k")
    apart = _apart(longest["steps"], 9)
    label = r"descent, $\eta = 2/h_{\max}$, even steps: attained"
    axes.semilogx(longest["steps"][apart], longest["attained"][apart], **markers(1, markersize=9), label=label)
    axes.semilogx(longest["steps"], longest["random_predicted"], **line(0))
    axes.semilogx(longest["steps"][apart], longest["random"][apart], **markers(0), label="the same from a random start")
    for i, word in ((2, "soft thresholding"), (3, "reflections")):
        curves = evidence.group(word)
        nearest = np.flatnonzero(curves["ratio"] > 0.5)  # every other step, and 0 between
        nearest = nearest[_apart(curves["steps"][nearest], 3 + 2 * i)]
        label = f"{word}, every other step"
        axes.semilogx(curves["steps"][nearest], curves["ratio"][nearest], **markers(i), label=label)
    axes.axhline(1, color="black", linewidth=1.2)
    axes.text(1.25, 1.06, "Lieder's bound", fontsize=8)
    axes.set(xlabel=r"$k + 1$ (steps)", ylabel=r"$|x_k - T x_k|\;/\;\frac{2 |x_0 - x^*|}{k + 1}$")
    axes.set(ylim=(0, 1.2), xlim=(0.95, 1.1 * k[-1]))


def _draw_broken(axes: Axes, bound: Axes, away: Curves) -> None:
    """What the bound does not hold for, far above it; and the legend of both."""
    axes.loglog(away["steps"], away["predicted"], color="0.45", linestyle="--", linewidth=1.1)
    apart = _apart(away["steps"], 24)
    axes.loglog(
        away["steps"][apart], away["trained"][apart], **markers(4, color="0.45"), label="start is not the anchor"
    )
    drawn, labels = bound.get_legend_handles_labels()
    broken, names = axes.get_legend_handles_labels()
    axes.legend(drawn + broken, labels + names, loc="upper left", ncols=3, borderaxespad=0.2)
    axes.set(ylim=(2, 1e5), xlim=bound.get_xlim())
    axes.set_yticks([10, 100], ["10", "100"])
    axes.minorticks_off()
    axes.tick_params(labelbottom=False)
    letter(axes, "D", "residual over bound: attained at every step by some map, never exceeded if start = anchor")


def _apart(steps: np.ndarray, count: int) -> np.ndarray:
    """Places of about so many steps, evenly apart on a logarithmic axis."""
    return np.unique(np.searchsorted(steps, np.geomspace(steps[0], steps[-1], count)).clip(max=len(steps) - 1))


def _draw_duals(axes: Axes, curves: Curves) -> None:
    duals, steps = curves["duals"][0], curves["steps"]
    shown = np.unique(np.searchsorted(steps, np.geomspace(1, steps[-1], 36)).clip(max=len(steps) - 1))
    for i, dual in enumerate(duals):
        colour = COLOURS[i % len(COLOURS)] if dual > 0 else "0.6"
        axes.semilogx(steps[shown], curves["duals_read"][shown, 0, i], **markers(i, color=colour))
        if dual > 0:
            axes.axhline(dual, color=colour, linestyle="--", linewidth=0.9)
    axes.set(xlabel=r"$k + 1$ (steps)", ylabel=r"$\eta (k + 1)(1 - z_i \cdot w_k)_+$", ylim=(-0.03, 1.25 * duals.max()))
    letter(axes, "E", r"squared hinge: margins tell the duals $\alpha_i$ (dashed)")
