"""Figure 42: from saddle to saddle. When each mode is learned, by what law, and how long small chains wait."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from figures.agreement import GREY, WRONG
from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

SHOWN = 12.0  # of the time of a mode, to either side of its jump
DEPTHS = (3, 4)
TICKS = (1, 2, 3, 5, 10, 20, 30, 50)


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Staircases over the laws of their steps; the sigmoid, what neighbours change; the elliptic integral."""
    title = "Small starts are learned from saddle to saddle: each mode waits for the logarithm of its own chi-square"
    figure = canvas(title, evidence, width=15.0, height=8.6)
    left, right = figure.subfigures(1, 2, width_ratios=(1.25, 1))
    stairs, times = left.subplots(2, 1, sharex=True, height_ratios=(1.35, 1))
    (path, neighbours), (elliptic, common) = right.subplots(2, 2)
    saddles, jumps, escape = (
        evidence[name] for name in ("deep_linear.saddle_to_saddle", "deep_linear.jump_times", "chain.escape_time")
    )
    _draw_staircases(stairs, jumps)
    _draw_times(times, jumps)
    _draw_path(path, saddles)
    _draw_neighbours(neighbours, saddles)
    _draw_elliptic(elliptic, escape)
    _draw_common(common, escape)
    return figure


def _draw_staircases(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.group("losses")
    plateaus, runs = curves["plateaus"], curves["loss"].shape[1]
    axes.plot(curves["fine"], curves["staircase"], **line(0, linewidth=0.7, alpha=0.55))
    axes.plot(curves["t"], curves["loss"], **markers(1, markersize=1.9, markeredgewidth=0.5))
    axes.plot([], [], **line(0), label="law, from the start of each run alone")
    axes.plot([], [], **markers(1, markersize=3), label=f"trained, {runs} starts")
    names = ["saddle at 0", *(f"saddle: {k} learned" for k in range(1, len(plateaus) - 1)), "minimum"]
    for height, name in zip(plateaus, names):
        axes.axhline(height, color="0.75", linewidth=0.7, linestyle=":", zorder=0)
        axes.annotate(name, (1, height), (-2, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
                      fontsize=8, color="0.4", ha="right")  # fmt: skip
    axes.set(ylabel=r"loss $\frac{1}{2} \|Y - W_2 W_1 X\|^2$")
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.9))
    letter(
        axes,
        "A",
        r"staircases: $u_k = s_k / (1 + e^{-2 x^2 s_k (t - t_k)})$, $t_k = \log(s_k / R_{kk}^2)\, /\, 2 x^2 s_k$",
    )


def _draw_times(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    h, density = curves["degrees"][0], curves["density"]
    for k, (times, x, law, alike) in enumerate(zip(curves["times"].T, curves["x"], density, curves["alike"])):
        axes.hist(times, bins=45, density=True, color=COLOURS[k], alpha=0.25, edgecolor="white", linewidth=0.3)
        axes.plot(x, law, **line(k))
        axes.plot(x, alike, **GREY, label=rf"if every mode had $\chi^2_{{{h}}}$" if k == 1 else None)
        peak = law.argmax()
        label = rf"$t_{k + 1}$: $\chi^2_{{{curves['degrees'][k]}}}$"
        axes.annotate(label, (x[peak], law[peak]), (8, 0), textcoords="offset points", fontsize=11, color=COLOURS[k])
    axes.plot([], [], color="0.2", label="density, no parameter fitted")
    axes.set(xlabel=r"$t$ = step $\times$ learning rate", ylabel="density", xlim=(0, None))
    axes.set_ylim(top=1.12 * density.max())
    axes.legend(loc="upper right")
    runs, r = curves["times"].shape
    letter(axes, "B", f"when modes are learned: {runs} Gaussian starts, {r} independent laws")


def _draw_path(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.group("path")
    x = np.linspace(-SHOWN, SHOWN, 200)
    axes.plot(x, 1 / (1 + np.exp(-x)), **line(0))
    for k, strength in enumerate(evidence.parameters["strengths"]):
        since, share = (curves[name][..., k].ravel() for name in ("since", "share"))
        near = np.flatnonzero(np.abs(since) < SHOWN)
        near = near[:: max(len(near) // 60, 1)]
        axes.plot(since[near], share[near], **markers(k, markersize=3.2), label=f"$s_{k + 1} = {strength:g}$, trained")
    axes.set(xlabel="$2 x^2 s_k (t - t_k)$", ylabel="$u_k / s_k$")
    axes.legend(loc="upper left")
    letter(axes, "C", "one sigmoid, whenever a mode jumps")


def _draw_neighbours(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.group("neighbours")
    sizes, s = curves["sizes"], evidence.parameters["strengths"]
    for k, name in enumerate((r"1 - s_2 / s_1", r"s_1 / s_2 - 1")):
        axes.loglog(sizes, curves["law"][:, k], **line(k))
        label = rf"$t_{k + 1}$: power ${curves['powers'][k]:.2g} = 2({name})$"
        axes.loglog(sizes, curves["changed"][:, k], **markers(k), label=label)
    wrong = curves["changed"][0, 1] * (sizes / sizes[0]) ** (2 * (1 - s[2] / s[1]))
    axes.loglog(sizes, wrong, **GREY, label="$t_2$, if the next mode alone mattered")
    axes.set(xlabel="size of the start", ylabel="change of $t_k$")
    axes.legend(loc="lower right", fontsize=7.5)
    letter(axes, "D", "what is left: the nearer neighbour")


def _draw_elliptic(axes: Axes, evidence: Evidence) -> None:
    for i, L in enumerate(DEPTHS):
        curves = evidence.group(f"depth {L}")
        R, law, balanced, time = (curves[name].ravel() for name in ("R", "law", "balanced", "time"))
        order = R.argsort()
        axes.loglog(R[order], law[order], **line(i))
        axes.loglog(R, time, **markers(i), label=f"$L = {L}$, trained")
        axes.loglog(balanced, time, **WRONG, label="at $R$ of equal weights" if i else None)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(TICKS))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    axes.set(xlabel="elliptic integral $R(w)$", ylabel=r"$\sigma s\, t$ at half the target")
    axes.legend(loc="upper left")
    letter(axes, "E", "chains wait for Carlson's $R_F$")


def _draw_common(axes: Axes, evidence: Evidence) -> None:
    for i, L in enumerate(DEPTHS):
        curves = evidence.group(f"path, depth {L}")
        axes.plot(curves["common"], curves["shares"], **line(i))
        since, share = curves["since"].ravel(), curves["share"].ravel()
        near = np.flatnonzero((since > curves["common"][0]) & (since < curves["common"][-1]))
        near = near[:: max(len(near) // 70, 1)]
        axes.plot(since[near], share[near], **markers(i, markersize=3.2), label=f"$L = {L}$")
    axes.set(xlabel=r"$\sigma s\, t - R(w)$", ylabel="product / $s$")
    axes.legend(loc="upper left", title="trained, every start")
    letter(axes, "F", "and then are all alike")
