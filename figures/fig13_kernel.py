"""Figure 13: two-layer ReLU networks near their kernel. Loss, movement, pattern changes, steps that are too long."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

BLACK = "#000000"


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Loss against steps at growing widths, how far neurons move, how many patterns change, and the catapult."""
    title = "Wide two-layer networks: the loss falls far below its bound, onto the curve of infinite width"
    figure = canvas(title, evidence, width=12.0, height=8.6)
    panels = figure.subplot_mosaic([["loss", "moves"], ["patterns", "catapult"]])
    _draw_loss(panels["loss"], evidence["du2019.theorem_4_1"])
    _draw_moves(panels["moves"], evidence["du2019.corollary_4_1"])
    _draw_patterns(panels["patterns"], evidence["kernel.pattern_changes"])
    _draw_catapult(panels["catapult"], evidence["kernel.catapult"])
    return figure


def _draw_loss(axes: Axes, theorem: Evidence) -> None:
    curves = theorem.curves
    k, floor = curves["k"], 0.3 * curves["lazy"][-1]
    axes.semilogy(k, curves["bound"], **line(6, "--"), label=r"bound $(1 - \eta\lambda_0/2)^k$")
    axes.semilogy(k, curves["lazy"], **line(6), label=r"$m \to \infty$: $(I - \eta H^\infty)^k$")
    shown = np.unique(np.linspace(0, len(k) - 1, 16).round().astype(int))
    for i, m in enumerate(curves["widths"]):
        loss = theorem.group(f"m = {m}")["loss"]
        axes.semilogy(k[shown], loss[shown], **markers(i), label=f"trained, $m = {m}$")
    axes.set(xlabel="steps $k$", ylabel=r"$\|u(k) - y\|^2 / \|u(0) - y\|^2$", ylim=(floor, 4))
    axes.legend(loc="lower left", ncols=2)
    letter(axes, "A", "loss: the wider, the nearer to the curve of infinite width")


def _draw_moves(axes: Axes, corollary: Evidence) -> None:
    curves = corollary.curves
    widths = curves["widths"]
    axes.loglog(
        widths, curves["bound"], **line(6, "--"), label=r"bound $4\sqrt{n}\,\|y - u(0)\| / (\sqrt{m}\,\lambda_0)$"
    )
    axes.loglog(
        widths,
        curves["farthest_law"],
        **line(0),
        label=r"$m \to \infty$: $m^{-1/2} \max_r \|\sum_i c_i x_i 1\{\cdot\}\|$",
    )
    axes.loglog(widths, curves["farthest"], **markers(0), label="trained: farthest neuron")
    axes.loglog(widths, curves["typical_law"], **line(1), label=r"$m \to \infty$: mean neuron")
    axes.loglog(widths, curves["typical"], **markers(1), label="trained: mean neuron")
    axes.set(xlabel="width $m$", ylabel=r"$\|w_r(\infty) - w_r(0)\|$", ylim=(None, 3 * curves["bound"].max()))
    axes.legend(loc="upper right")
    letter(axes, "B", r"movement of the weights, slope $-1/2$")


def _draw_patterns(axes: Axes, patterns: Evidence) -> None:
    curves = patterns.curves
    widths, shares = curves["widths"], curves["shares"]
    at = np.geomspace(widths.min() / 2, widths.max() * 2, 50)
    axes.loglog(at, curves["law"] / np.sqrt(at), **line(2), label=r"law: $m^{-1/2}$ and its constant")
    axes.loglog(at, 1.2 * curves["law"] / np.sqrt(at), linestyle="--", color="0.6", label="control: 20 % more changes")
    mean, spread = shares.mean(1), shares.std(1, ddof=1)
    axes.errorbar(widths, mean, spread, capsize=3, **markers(2), label="trained (bars: spread of runs)")
    axes.set(xlabel="width $m$", ylabel="share of patterns changed")
    axes.legend(loc="upper right")
    letter(axes, "C", f"activation patterns after {patterns.parameters['steps']} steps")


def _draw_catapult(axes: Axes, catapult: Evidence) -> None:
    for i, step in enumerate(catapult.parameters["steps"]):
        curves = catapult.group(f"eta = {step:g} / lambda")
        colour = COLOURS[i % len(COLOURS)]
        axes.plot(curves["k"], curves["law"], **line(i), label=rf"closed form, $\eta = {step:g} / \lambda$")
        axes.plot(curves["k"], curves["trained"][:, 0], **markers(i, color=colour), label="trained, one network")
        frozen = curves["law"][0] * (1 - step) ** curves["k"]
        within = np.abs(frozen) < 0.5
        label = "control: no neuron dies" if i == 0 else None
        axes.plot(curves["k"][within], frozen[within], linestyle="--", color="0.6", label=label)
    axes.set(xlabel="steps $k$", ylabel=r"residual $(y - u(k)) / \sqrt{m}$, one input", ylim=(-0.45, 0.45))
    axes.legend(loc="lower right")
    letter(axes, "D", r"steps beyond $2/\lambda$: neurons die until $\eta\lambda \leq 2$")
