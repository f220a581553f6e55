"""Figure 40: gradient descent with a finite step: where it converges from, and what it does beyond the edge."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from figures.agreement import GREY
from figures.style import COLOURS, canvas, letter, line, markers
from theory.chain import beyond_the_edge as beyond
from theory.claims import Evidence

DOTS = {"linestyle": "none", "marker": ".", "markersize": 1.1, "markeredgewidth": 0, "color": "0.1", "alpha": 0.55}
CYCLE = {"color": COLOURS[1], "linewidth": 2.0, "zorder": 3}


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """The plane of starts; bifurcations with imbalances under them; the edge, critical steps, annealing, Minnorm."""
    title = (
        "Gradient descent converges from an ellipse, on whose edge it triples an angle; "
        "beyond the edge of stability it cycles, and forgets imbalances at a known rate"
    )
    figure = canvas(title, evidence, width=16.0, height=11.6)
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.9, 1))
    left, right = top.subfigures(1, 2, width_ratios=(1.06, 1.2))
    ellipse, cycles = evidence["imbalance.descent_ellipse"], evidence["chain.two_cycles"]
    forget, chaos = evidence["chain.large_steps_forget"], evidence["chain.solvable_chaos"]
    _draw_plane(left, ellipse)
    panels = right.subplot_mosaic(
        [["two", "law", "three"], ["under two", ".", "under three"]],
        width_ratios=(1, 0.2, 1),
        height_ratios=(1.9, 1),
    )
    for L, panel, name in ((2, "two", "B"), (3, "three", "C")):
        _draw_bifurcation(panels[panel], cycles, L, name)
        _draw_exponents(panels[f"under {panel}"], forget, L)
    _draw_arcsine(panels["law"], panels["two"], chaos)
    _draw_chaotic_exponents(panels["under two"], chaos)
    edge, leaving, critical, annealed, race = bottom.subplots(1, 5)
    _draw_edge(edge, ellipse)
    _draw_leaving(leaving, ellipse)
    _draw_critical(critical, evidence["imbalance.critical_learning_rate"])
    _draw_annealed(annealed, forget)
    _draw_race(race, evidence["chain.minnorm_quadratic"])
    return figure


def _draw_plane(figure: Figure, evidence: Evidence) -> None:
    axes = figure.subplots()
    plane = evidence.group("plane")
    a, axis, taken, escaped = float(plane["a"]), plane["axis"], plane["taken"] + 1, plane["escaped"].astype(bool)
    extent = (axis[0], axis[-1]) * 2
    for shown, colours, label in ((~escaped, "inferno_r", "steps to convergence"), (escaped, "Greys", "to divergence")):
        most = np.quantile(taken[shown], 0.998)
        image = axes.imshow(
            np.where(shown, taken, np.nan),
            origin="lower",
            extent=extent,
            cmap=colours,
            norm=LogNorm(max(taken[shown].min(), 1), most),
            interpolation="nearest",
        )
        bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=45, pad=0.01)
        bar.set_label(label, labelpad=1)
        ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200) if image.norm.vmin <= t <= most]
        bar.set_ticks(ticks, labels=[str(t) for t in ticks])
        bar.minorticks_off()
    phi = np.linspace(0, 2 * np.pi, 600)
    axes.plot(np.sqrt(2 + a) * np.cos(phi), np.sqrt(2 - a) * np.sin(phi), color=COLOURS[5], linewidth=2.2)
    axes.plot(2 / np.sqrt(2) * np.cos(phi), 2 / np.sqrt(2) * np.sin(phi), **(GREY | {"color": COLOURS[2]}))
    U = np.linspace(np.sqrt(a), axis[-1], 200)
    for sign in (1, -1):
        axes.plot(sign * np.concatenate([U[::-1], U]), np.concatenate([np.sqrt(U**2 - a)[::-1], -np.sqrt(U**2 - a)]),
                  color="white", linewidth=0.7, linestyle=":")  # fmt: skip
    axes.annotate(
        r"$\frac{\eta |u + v|^2}{4 (2 + a)} + \frac{\eta |u - v|^2}{4 (2 - a)} = 1$",
        (0.5, 0.965), xycoords="axes fraction", ha="center", va="top", fontsize=15,
        bbox={"facecolor": "white", "edgecolor": COLOURS[5], "boxstyle": "round,pad=0.35"},
    )  # fmt: skip
    axes.annotate("minima", (np.sqrt(a), 0), (6, 0), textcoords="offset points", fontsize=8, va="center", rotation=90)
    axes.annotate("sharpness 4", (0, -np.sqrt(2)), (0, -3), textcoords="offset points", ha="center", va="top",
                  fontsize=8.5, color=COLOURS[2])  # fmt: skip
    axes.set(xlim=extent[:2], ylim=extent[:2], aspect="equal")
    axes.grid(False)
    axes.set(xlabel=r"$\sqrt{\eta}\,(u + v)\, /\, 2$", ylabel=r"$\sqrt{\eta}\,(u - v)\, /\, 2$")
    letter(axes, "A", rf"every pixel a network, trained at $a = \eta y = {a:g}$: the ellipse is the law")


def _draw_bifurcation(axes: Axes, evidence: Evidence, L: int, name: str) -> None:
    curves = evidence.group(f"depth {L}")
    multiple, p = curves["multiple"], curves["p"]
    axes.plot(np.repeat(multiple[None], len(p), 0).ravel(), p.ravel(), **DOTS)
    doubling = float(curves["doubling"])
    stable = curves["cycle_multiple"] <= doubling
    for side in curves["cycle"]:
        axes.plot(curves["cycle_multiple"][stable], side[stable], **CYCLE)
        axes.plot(curves["cycle_multiple"], side, **(CYCLE | {"linewidth": 0.9, "linestyle": "--"}))
    axes.plot([multiple[0], 1, multiple[-1]], [1, 1, 1], color=COLOURS[0], linewidth=1.0, linestyle="--", zorder=2)
    axes.plot([multiple[0], 1], [1, 1], color=COLOURS[0], linewidth=2.0, zorder=2)
    marks = {1: "edge", doubling: r"$\sqrt{5} - 1$" if L == 2 else f"{doubling:.4g}"}
    for at, text in marks.items():
        axes.axvline(at, color="0.5", linewidth=0.8, linestyle=":")
        axes.annotate(text, (at, 1.0), (3, -2), xycoords=("data", "axes fraction"), textcoords="offset points",
                      fontsize=8.5, va="top", color="0.3")  # fmt: skip
    axes.set(xlim=(multiple[0], 2.0), ylim=(-0.02, 2.02 if L == 2 else 1.72))
    axes.tick_params(labelbottom=False)
    axes.grid(False)
    axes.set_ylabel(r"product $p\, /\, s$")
    letter(axes, name, f"depth {L}: dots trained, line the cycle")


def _draw_exponents(axes: Axes, evidence: Evidence, L: int) -> None:
    curves = evidence.group(f"exponents, depth {L}")
    axes.plot(curves["multiple"], curves["trained"], linestyle="none", marker=".", markersize=2.5, color="0.25")
    axes.plot(curves["on_cycle"], curves["law"], **CYCLE)
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.set(xlim=(0.85, 2.0), ylim=(-0.98, 0.1))
    axes.set(xlabel=r"learning rate over the edge, $\eta g\, /\, 2$" + (r" $= \eta \sigma s$" if L == 2 else ""))
    axes.set_ylabel("log of imbalance\na step")
    axes.annotate(r"$\frac{1}{2} \log |5 - 2 (r + r^{-1})|$", (0.03, 0.1), xycoords="axes fraction", fontsize=11,
                  color=COLOURS[1])  # fmt: skip
    if L == 3:
        axes.annotate("chains end\nat $p = 0$", (1.89, -0.6), ha="center", fontsize=7.5, color="0.4")


def _draw_chaotic_exponents(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.group("exponents")
    axes.plot(curves["a"], curves["law"], **markers(0, markersize=6))
    axes.plot(2, 0, **markers(0, markersize=6, markerfacecolor=COLOURS[0]), clip_on=False)
    axes.annotate("exactly 0", (1.97, 0.02), ha="right", fontsize=8, color=COLOURS[0])


def _draw_arcsine(axes: Axes, beside: Axes, evidence: Evidence) -> None:
    law = evidence.group("arcsine")
    bars = {"color": "0.82", "edgecolor": "0.6", "linewidth": 0.3}
    axes.hist(law["drawn"], bins=50, range=(0, 2), density=True, orientation="horizontal", **bars)
    axes.plot(law["density"], law["x"], **line(1))
    axes.set(ylim=beside.get_ylim(), xlim=(0, 1.6), xticks=[], title=r"$\eta \sigma s = 2$")
    axes.tick_params(labelleft=False)
    axes.grid(False)
    axes.set_xlabel("arcsine", fontsize=8)


def _draw_edge(axes: Axes, evidence: Evidence) -> None:
    edge = evidence.group("edge")
    before, after = (edge[name].ravel()[::9] for name in ("before", "after"))
    E = np.linspace(-2, 2, 300)
    axes.plot(E, E**3 - 3 * E, **line(1, linewidth=2), label=r"$E^3 - 3E$", zorder=1)
    few = f"trained, {len(edge['rates'])} learning rates"
    axes.plot(before, after, **markers(0, markersize=3.6, markeredgewidth=0.8), zorder=2, label=few)
    axes.plot([-2, 2], [-2, 2], color="0.7", linewidth=0.7)
    axes.set(xlabel=r"$E_t$", ylabel=r"$E_{t + 1}$", ylim=(-2.15, 3.1))
    axes.legend(loc="upper center", ncols=2, fontsize=7.5, columnspacing=0.8, handlelength=1.4)
    letter(axes, "D", r"on its edge: $\theta \to 3 \theta$")


def _draw_leaving(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.group("leaving")
    axes.plot(curves["a"], curves["law"], **line(1, linewidth=2))
    axes.plot(curves["rates"], curves["trained"], **markers(0), label="trained")
    golden = 2 * np.log(beyond.GOLDEN)
    axes.plot(0, golden, marker="*", color=COLOURS[4], markersize=9, linestyle="none", clip_on=False,
              label=r"$2 \log \frac{1 + \sqrt{5}}{2}$")  # fmt: skip
    law = r"$\mathrm{arcosh}\,\frac{1 + \sqrt{25 - 4 a^2}}{4}$"
    axes.annotate(law, (0.08, 0.42), xycoords="axes fraction", fontsize=12, color=COLOURS[1])
    axes.legend(loc="lower left", fontsize=8)
    axes.set(xlabel=r"$a = \eta y$", ylabel="rate a step", xlim=(0, 2), ylim=(0, 1.05))
    letter(axes, "E", "the edge repels")


def _draw_critical(axes: Axes, evidence: Evidence) -> None:
    law = evidence.group("at 0")
    axes.loglog(law["size"], law["law"], **line(1, linewidth=2))
    axes.loglog(law["size"], 4 / law["size"], **GREY, label=r"4 / sharpness")
    for i, case in enumerate(("u . v = 0", "Gaussian", "aligned")):
        found = evidence.group(case)
        axes.loglog(found["size"], found["trained"], **markers(i, markersize=4.5),
                    label="$u \\cdot v = 0$" if i == 0 else f"{case} (law: dots)")  # fmt: skip
        if i:
            axes.loglog(found["size"], found["law"], linestyle="none", marker=".", markersize=2.2, color=COLOURS[i])
    axes.set(xlabel=r"size $(|u|^2 + |v|^2)\, /\, y$", ylabel=r"critical $\eta y$", ylim=(None, 3))
    axes.legend(loc="lower left", fontsize=7.5)
    letter(axes, "F", "the critical step of a start")


def _draw_annealed(axes: Axes, evidence: Evidence) -> None:
    """Against rate x steps: whatever the depth, e^-x."""
    for i, L in enumerate(evidence.parameters["depths"]):
        curves = evidence.group(f"depth {L}")
        x = float(curves["rate"]) * curves["steps"]
        for values, style in ((curves["imbalance"], {}), (curves["end"], {"markerfacecolor": COLOURS[i]})):
            typical = np.median(values, axis=1)
            axes.semilogy(x, typical[-1] * np.exp(x[-1] - x), **line(i, linewidth=0.9))
            axes.semilogy(x, typical, **markers(i, **style))
        axes.plot([], [], **markers(i, linestyle="-"), label=f"$L = {L}$")
    x, small = evidence.group("depth 2"), evidence.group("small steps")
    axes.semilogy(float(x["rate"]) * small["steps"], np.median(small["end"], axis=1), **GREY, label="small steps only")
    axes.set(xlabel="rate $k$ x number of large steps", ylabel="imbalance; full: distance at the end")
    axes.legend(loc="lower left", fontsize=8)
    letter(axes, "G", "large steps, then small ones")


def _draw_race(axes: Axes, evidence: Evidence) -> None:
    for i, L in enumerate(evidence.parameters["depths"]):
        curves = evidence.group(f"depth {L}")
        left = curves["minnorm"][:11]
        arrived = np.where(left > 1e-15, left, np.nan)
        axes.semilogy(arrived, **markers(i, linestyle="-", linewidth=0.9), label=f"$L = {L}$")
        axes.semilogy(curves["descent"][:11], **(GREY | {"linewidth": 0.8}))
    axes.plot([], [], **GREY, label="descent")
    axes.set(xlabel="steps", ylabel="distance to the minimum norm", ylim=(1e-16, 1))
    axes.legend(loc="lower left", fontsize=8)
    letter(axes, "H", "Minnorm: two steps square it")
