"""Figure 16: adversarial training. Robust loss against steps and width, the coupling law, steps as polynomials."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import canvas, letter, line, markers
from theory.claims import Evidence

GREY = {"color": "0.55", "linestyle": "--", "linewidth": 1.1}


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Training against an adversary and without, its bound, what width does, coupling, and the step as a polynomial."""
    title = "Adversarial training: the robust loss stays below its bound at widths far below those the theorem asks for"
    figure = canvas(title, evidence, width=13.5, height=8.2)
    panels = figure.subplot_mosaic([["course", "steps", "widths"], ["coupling", "polynomial", "degree"]])
    theorem, degrees = evidence["zhang2020.theorem_4_1"], evidence["adversarial.step_degree"]
    _draw_course(panels["course"], theorem)
    _draw_steps(panels["steps"], theorem)
    _draw_widths(panels["widths"], theorem)
    _draw_coupling(panels["coupling"], evidence["adversarial.coupling"])
    _draw_polynomial(panels["polynomial"], degrees)
    _draw_degree(panels["degree"], degrees)
    return figure


def _draw_course(axes: Axes, theorem: Evidence) -> None:
    ours, without = theorem.group("course"), theorem.group("without adversary")
    t = np.arange(len(ours["robust"]))
    shown = np.unique(np.geomspace(1, len(t), 30).astype(int) - 1)
    axes.semilogy(1 + t[shown], ours["robust"].mean(1)[shown], **markers(0), label="trained against it: robust")
    axes.semilogy(1 + t[shown], ours["clean"].mean(1)[shown], **markers(2), label="trained against it: clean")
    axes.semilogy(1 + t[shown], without["robust"].mean(1)[shown], **GREY, label="control, trained without: robust")
    dotted = {"color": "0.55", "linestyle": ":", "linewidth": 1.1}
    axes.semilogy(1 + t[shown], without["clean"].mean(1)[shown], **dotted, label="control, trained without: clean")
    low = 0.1 * min(ours["clean"].mean(1).min(), without["clean"].mean(1).min())
    axes.set(xscale="log", xlabel="step $t + 1$", ylabel=r"loss $|f - y|$, mean over runs", ylim=(low, 1.5))
    axes.legend(loc="lower left")
    letter(axes, "A", f"one training, $m = {theorem.parameters['width']}$")


def _draw_steps(axes: Axes, theorem: Evidence) -> None:
    curves = theorem.curves
    T = curves["steps"]
    axes.loglog(T, curves["bounds"], **line(0), label=r"bound $s + N_s / \sqrt{2T}$")
    axes.loglog(T, curves["means"].mean(1), **markers(0), label="trained: mean over steps")
    axes.loglog(T, curves["least"].mean(1), **markers(1), label="trained: least")
    axes.loglog(T, curves["bounds"][0] * T[0] / T, **GREY, label="control: $1/T$")
    axes.set(xlabel="steps $T$", ylabel="robust loss", ylim=(curves["least"].mean(1).min() / 8, None))
    axes.set_xticks(T, [f"{int(steps)}" for steps in T])
    axes.minorticks_off()
    axes.legend(loc="lower left")
    letter(axes, "B", "robust loss against steps, each at its learning rate")


def _draw_widths(axes: Axes, theorem: Evidence) -> None:
    curves = theorem.group("widths")
    m = curves["widths"]
    for i, (name, label) in enumerate((("robust", "trained: robust, mean over steps"), ("clean", "trained: clean"))):
        runs = curves[name]
        axes.errorbar(m, runs.mean(1), runs.std(1, ddof=1), capsize=3, **markers(2 * i), label=label)
    axes.axhline(float(curves["bound"]), **line(0), label=r"bound, $m \to \infty$")
    axes.set(xscale="log", xlabel="width $m$", ylabel="loss (bars: spread of runs)", ylim=(0, None))
    axes.legend(loc="upper right")
    letter(axes, "C", f"width helps little beyond some hundred, $T = {int(curves['steps'])}$")


def _draw_coupling(axes: Axes, coupling: Evidence) -> None:
    curves = coupling.curves
    m = curves["widths"]
    axes.loglog(m, curves["worst_law"], **line(1), label=r"law at worst, $\sim R^2 m^{-1/6} / (2 \tau \sqrt{2 \pi})$")
    axes.loglog(m, curves["worst"], **markers(1), label="networks: the worst movement")
    axes.loglog(m, curves["common_law"], **line(0), label="law of one direction")
    axes.loglog(m, curves["common"], **markers(0), label="networks: one direction")
    axes.loglog(m, curves["symmetric_law"], **line(2), label=r"law with signs of $a_r$, $\sim m^{-7/12}$")
    axes.loglog(m, curves["symmetric"], **markers(2), label="networks: root mean square")
    steep = curves["worst_law"][0] * (m / m[0]) ** -0.5
    axes.loglog(m, steep, **GREY, label=r"control: $m^{-1/2}$")
    axes.set(xlabel="width $m$", ylabel=r"$|f - f(0) - g|$", ylim=(curves["symmetric_law"].min() / 8, None))
    axes.legend(loc="lower left", fontsize=7.2)
    letter(axes, "D", "network and pseudo-network")


def _draw_polynomial(axes: Axes, degrees: Evidence) -> None:
    groups = sorted({name.split("/")[0] for name in degrees.curves if name.startswith("degree ")}, key=len)
    for i, name in enumerate(sorted(groups, key=lambda name: int(name.split()[1]))):
        curves = degrees.group(name)
        t, low, high, error = curves["t"], float(curves["low"]), float(curves["high"]), float(curves["error"])
        axes.plot(t, curves["q"], **line(i), label=f"{name}: off by {error:.2g}")
        for left, right, level in ((-1, low, 0), (high, 1, 1)):
            axes.fill_between([left, right], level - error, level + error, alpha=0.15, color=line(i)["color"], lw=0)
    axes.axvspan(low, high, color="0.9", zorder=0, label=r"between the caps, $\gamma/2$ wide")
    axes.set(xlabel=r"$t = \langle x_i, x \rangle$", ylabel="$q(t)$", xlim=(0, 1), ylim=(-0.6, 1.7))
    axes.legend(loc="upper left")
    letter(axes, "E", "the best step of a degree")


def _draw_degree(axes: Axes, degrees: Evidence) -> None:
    curves = degrees.group("errors")
    D, errors, gamma = curves["degrees"], curves["errors"], float(curves["gamma"])
    rate = float(curves["rate"])
    known = errors > 1e-7
    middle = int(known.sum() // 2)
    fine = np.linspace(D.min(), D.max(), 100)

    def law(g: float) -> np.ndarray:
        scale = errors[middle] * np.sqrt(D[middle]) * np.exp(g * D[middle])
        return scale * np.exp(-g * fine) / np.sqrt(fine)

    axes.semilogy(fine, law(rate), **line(0), label=r"law $D^{-1/2} e^{-g D}$ (through the middle)")
    axes.semilogy(D[known], errors[known], **markers(0), label="linear programs")
    axes.semilogy(fine, np.minimum(np.exp(-gamma * fine / 4), 1), **GREY, label=r"bound $e^{-\gamma D / 4}$")
    axes.set(xlabel="degree $D$", ylabel="error of the step")
    axes.legend(loc="lower left")
    letter(axes, "F", rf"$g = {rate:.3g}$, $\gamma = {gamma:.3g}$")
