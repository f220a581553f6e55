"""Figure 31: rotations in training. Flows and where they end, random starts, blocks of coordinates, and the gain."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY, controls, diagonal, named, room
from figures.style import canvas, letter, line, markers
from theory.claims import Evidence
from theory.core.arrays import Array

PROCRUSTES, BRACKET, TWO_SIDED, GAP = (
    "orthogonal.procrustes_flow",
    "orthogonal.double_bracket",
    "orthogonal.two_sided",
    "orthogonal.expressivity_gap",
)
COMPARED = (
    ("few", "learned less fixed, {width} neurons"),
    ("random", "random less fixed, {width} neurons"),
    ("many", "learned less fixed, {wide} neurons"),
)


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Two flows, the losses where they end, edges of spectra, the clock of blocks, their rounds, and a gain."""
    title = "Rotations in training follow closed forms: where they end, and at what speed in blocks of the coordinates"
    figure = canvas(title, evidence, width=14.0, height=9.8)
    panels = figure.subplot_mosaic(
        [
            ["coordinates", "ends", "edges"],
            ["sorting", "ends apart", "edges"],
            ["blocks", "rounds", "gain"],
        ],
        height_ratios=(2.5, 1.8, 4),
    )
    _draw_coordinates(panels["coordinates"], evidence[PROCRUSTES])
    _draw_sorting(panels["sorting"], evidence[BRACKET])
    _draw_ends(panels["ends"], panels["ends apart"], evidence)
    _draw_edges(panels["edges"], evidence["liu2021.spectrum"])
    _draw_blocks(panels["blocks"], evidence["liu2021.scalability"])
    _draw_rounds(panels["rounds"], evidence["liu2021.stochastic"])
    _draw_gain(panels["gain"], evidence["liu2021.coordinate_system"])
    return figure


def _draw_coordinates(axes: Axes, evidence: Evidence) -> None:
    """One line a plane: the slope is the rate. Grey: the fastest, were it twice as fast."""
    curves = evidence.group("tight frame")
    t, law = curves["t"], curves["law"]
    order = np.argsort(curves["rates"])
    axes.semilogy(t, law[:, order], **line(0, linewidth=1.0))
    axes.semilogy(t, curves["trained"][:, order], **markers(0, markersize=3))
    fastest = order[-1]
    axes.semilogy(t, law[0, fastest] * np.exp(-2 * curves["rates"][fastest] * t), **GREY)
    for k in order[[0, -1]]:
        axes.annotate(f"rate {curves['rates'][k]:.3g}", (t[-1], law[-1, k]), xytext=(4, 0), va="center", fontsize=7.5,
                      textcoords="offset points")  # fmt: skip
    axes.plot([], [], **line(0, linewidth=1.0), label=r"$|A_{ij}(0)|\,e^{-(s_i + s_j) t / 2}$")
    axes.plot([], [], **markers(0, markersize=3), label="trained")
    axes.plot([], [], **GREY, label="twice as fast")
    axes.set(ylabel=r"$|A_{ij}|$ of $R(t)$", ylim=(law.min() / 30, None), xlim=(0, 1.22 * t[-1]))
    room(axes, 0.25)
    axes.legend(loc="upper right", fontsize=7.5, ncols=3, columnspacing=1.0)
    letter(axes, "A", "one rotation: every plane turns at its own rate")


def _draw_sorting(axes: Axes, evidence: Evidence) -> None:
    """Neurons along each direction of the inputs: the largest end where the inputs are least."""
    curves = evidence.group("sorting")
    t = curves["t"]
    axes.plot(t, curves["twice_as_fast"], **(GREY | {"linewidth": 0.9}))
    for i in range(curves["law"].shape[1]):
        axes.plot(t, curves["law"][:, i], **line(i))
        axes.plot(t, curves["trained"][:, i], **markers(i, markersize=3))
    axes.plot([], [], **line(0), label="double bracket, integrated")
    axes.plot([], [], **markers(0, markersize=3), label="trained")
    axes.plot([], [], **GREY, label="twice as fast")
    axes.set(xlabel=r"time $t$ (step $\times$ learning rate)", ylabel="$H_{ii}$ along input $i$")
    room(axes, 0.3)
    axes.legend(loc="upper right", fontsize=7.5, ncols=3, columnspacing=1.0)


def _draw_ends(axes: Axes, residual: Axes, evidence: Mapping[str, Evidence]) -> None:
    bracket, two_sided, gap = (evidence[name] for name in (BRACKET, TWO_SIDED, GAP))
    series = {
        "loss that one rotation leaves": named(gap, "loss of trained"),
        "loss that two leave": named(two_sided, "loss at the end"),
        "loss, and entries of $H$, double bracket": named(bracket, "loss at the end", "H at the end"),
        "curvatures where they end": [*named(bracket, "curvatures"), *named(two_sided, "curvatures")],
    }
    wrong = [
        *controls(gap, "both", "nuclear", "free"),
        *controls(two_sided, "sign of", "sum of s", "equal singular"),
        *controls(bracket, "sorted", "without the gaps"),
    ]
    diagonal(axes, residual, series, wrong)
    axes.legend(loc="upper left", fontsize=7.5)
    room(axes, 0.7)
    residual.set(xlabel="formula")
    letter(axes, "B", "where they end: losses and curvatures")


def _draw_edges(axes: Axes, evidence: Evidence) -> None:
    given = evidence.parameters
    ratio = given["neurons"] / given["inputs"]
    ratios = np.linspace(1e-3, 1, 200)
    for sign in (-1, 1):
        axes.plot(ratios, 1 + sign * np.sqrt(ratios), **line(0), label=r"$1 \pm \sqrt{\lambda}$" if sign > 0 else None)
        wrong = 1 + sign * np.sqrt(1.2 * ratios)
        axes.plot(ratios, wrong, **GREY, label=r"edges of $1.2 \lambda$" if sign > 0 else None)
    for i, name in enumerate(("smallest", "largest")):
        (edge,) = named(evidence, f"edges: {name}")
        half = max(edge.tolerance, 0.0)
        axes.errorbar(ratio, edge.measured, yerr=half, elinewidth=1.2, capsize=3, **markers(1, markersize=6),
                      label=None if i else r"random starts, $d$ to infinity")  # fmt: skip
    (finite,) = [check for check in named(evidence, "largest singular value") if not check.case]
    axes.plot(ratio, finite.measured, **markers(2, markersize=5),
              label=f"largest, $d = {4 * given['inputs']}$: below the edge")  # fmt: skip
    moments = [f"${check.predicted:g}$ and {check.measured:.4f}" for check in named(evidence, "E tr")]
    text = r"$E\,\mathrm{tr}\,G^2,\ E\,\mathrm{tr}\,G^3$: law and draws" + "\n" + "\n".join(moments)
    axes.annotate(text, (0.97, 0.40), xycoords="axes fraction", ha="right", va="top", fontsize=8)
    axes.set(xlabel=r"neurons over inputs, $\lambda = N / d$", ylabel="singular values of random starts", xlim=(0, 1))
    axes.set(ylim=(-0.1, 2.9))
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "C", "random starts: the spectrum has edges")


def _draw_blocks(axes: Axes, evidence: Evidence) -> None:
    """The excess loss of random blocks: that of whole rotations on a clock slower by q."""
    curves, given = evidence.curves, evidence.parameters
    d, p = given["inputs"], given["block"]
    grid, law, q = curves["grid"], curves["law"], p * (p - 1) / (d * (d - 1))
    axes.plot(grid, law, **line(0), label=rf"the flow at $q t$, $q = p(p-1)/d(d-1) = {q:.3g}$")
    axes.plot(curves["t"], curves["trained"], **markers(0, markersize=6), label=f"{given['runs']} runs, rate to 0")
    for i, (clock, text) in enumerate(((p / d, "$p / d$"), ((p / d) ** 2, "$(p / d)^2$"), (1.0, "not slowed"))):
        seen = grid <= grid[-1] * q / clock
        axes.plot(grid[seen], _at(clock / q * grid[seen], grid, law), **(GREY | {"linewidth": 0.9 + 0.3 * i}),
                  label="clocks of another speed" if i == 0 else None)  # fmt: skip
        end = float(grid[seen][-1])
        axes.annotate(text, (end, float(_at(clock / q * np.array(end), grid, law))), xytext=(0, -5), ha="center",
                      va="top", textcoords="offset points", fontsize=8, color="0.35")  # fmt: skip
    axes.set(xlabel=r"time $t$ (step $\times$ learning rate)", ylabel="excess loss", ylim=(0, 1.35 * law[0]))
    axes.legend(loc="upper right", fontsize=7.5)
    letter(axes, "D", f"blocks of {p} of {d} coordinates: a slower clock")


def _at(t: Array, grid: Array, law: Array) -> Array:
    return np.interp(t, grid, law)


def _draw_rounds(axes: Axes, evidence: Evidence) -> None:
    """Rounds until every pair of coordinates was in a block, of its law or bound; and what it is for: the loss."""
    curves = evidence.curves
    rounds = np.arange(len(curves["loss_by_random_blocks"]))
    start = curves["loss_by_random_blocks"][0]
    floor = 1e-32
    axes.semilogy(rounds, np.maximum(curves["loss_by_random_blocks"] / start, floor), **markers(0, linestyle="-"),
                  markevery=6, linewidth=0.8, label="a new block each round")  # fmt: skip
    axes.semilogy(rounds, curves["loss_by_one_block"] / start, **(GREY | {"linewidth": 1.4}), label="one block, kept")
    inset = axes.inset_axes((0.5, 0.38, 0.47, 0.3))
    found = sorted(named(evidence, "rounds until"), key=lambda check: int(check.name.split("p = ")[1]))
    (after_n,) = controls(evidence, "after n rounds")
    for x, check in enumerate(found):
        inset.plot([x - 0.3, x + 0.3], [check.predicted] * 2, color="black", linewidth=1.2)
        inset.plot(x, check.measured, **markers(1, markersize=6))
    inset.plot([-0.3, 0.3], [after_n.predicted] * 2, **GREY)
    inset.annotate("$n$", (0.34, after_n.predicted), va="center", fontsize=7.5, color="0.35")
    inset.set_xticks(range(len(found)), [check.name.split(", ")[-1].replace("p = ", "$p$ = ") for check in found])
    inset.set(xlim=(-0.6, len(found) - 0.4))
    inset.set_ylim(bottom=0)
    inset.set_title("rounds until all pairs\n(lines: law, bounds)", fontsize=7.5)
    inset.tick_params(labelsize=7.5)
    axes.set(
        xlabel="rounds of ten steps",
        ylabel="loss, of its start",
        ylim=(floor / 3, 1e6),
        xlim=(-5, max(125, len(rounds))),
    )
    axes.legend(loc="upper left", fontsize=7.5, ncols=2)
    letter(axes, "E", "blocks reach what all coordinates do")


def _draw_gain(axes: Axes, evidence: Evidence) -> None:
    given = evidence.parameters
    for y, (name, text) in enumerate(COMPARED):
        curves = evidence.group(name)
        effect, (low, high) = 100 * float(curves["effect"]), 100 * curves["interval"]
        differences = 100 * curves["differences"]
        spread = y + np.linspace(-0.26, 0.26, len(differences))
        axes.plot(differences, spread, linestyle="none", marker=".", markersize=3, color="0.6", zorder=1)
        axes.errorbar(effect, y, xerr=[[effect - low], [high - effect]], elinewidth=1.6, capsize=4,
                      **markers(y, markersize=7))  # fmt: skip
        axes.annotate(text.format(**given), (effect, y - 0.31), ha="center", va="bottom", fontsize=8,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
    axes.axvline(0, color="0.5", linewidth=0.9)
    axes.axvline(-5, **GREY)
    axes.annotate("five points", (-5, 2.42), xytext=(-3, 0), textcoords="offset points", ha="right", fontsize=7.5,
                  color="0.35")  # fmt: skip
    axes.set(ylim=(2.55, -0.75), yticks=[], xlabel="test error, difference in points (bars: 95 %)")
    axes.plot([], [], linestyle="none", marker=".", color="0.6", label=f"one of {given['seeds']} draws")
    axes.legend(loc="lower left", fontsize=7.5)
    letter(axes, "F", "to learn coordinates helps few neurons")
