"""Figure 43: where descent lands from above the edge, and between lazy and rich what the kernel does, and when."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY
from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence
from theory.core.arrays import Array

SHOWN = 60  # markers along a training
NOTE = {"fontsize": 8, "color": "0.35"}


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Sharpness against steps, landings and single steps; loss, angle, kernel and half times from lazy to rich."""
    title = "From above the edge descent lands below it by a law; lazy, rich and delayed learning in closed form"
    figure = canvas(title, evidence, width=15.0, height=8.8)
    top, bottom = figure.subfigures(2, 1)
    steps, landings, single = top.subplots(1, 3, width_ratios=(1.25, 1, 1.1))
    loss, angle, kernel, half = bottom.subplots(1, 4)
    _draw_steps(steps, evidence["chain.landing"])
    _draw_landings(landings, evidence["chain.landing"])
    _draw_single_steps(single, evidence["chain.flow_sharpness"])
    _draw_loss(loss, evidence["imbalance.minimal_model"])
    _draw_angle(angle, evidence["imbalance.minimal_model"])
    _draw_kernel(kernel, evidence["imbalance.kernel_of_product"])
    _draw_half_times(half, evidence["imbalance.mixed_regime"])
    return figure


def _draw_steps(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    sharpness, last = curves["sharpness"], len(curves["sharpness"]) - 1
    room = float(curves["room"][0])
    for i, (start, landing) in enumerate(zip(curves["start"], curves["landing"])):
        settled = int(np.argmax(np.abs(sharpness[:, i] - sharpness[-1, i]) < 1e-3 * room))
        seen = np.unique(np.linspace(0, min(1.6 * settled, last), SHOWN).astype(int))
        axes.plot(seen, sharpness[seen, i], **markers(i), label=f"from $2 + {(start - 2) / room / 2:g}\\,\\delta$")
        axes.axhline(landing, **line(i, "-", linewidth=1.1))
    axes.axhline(2, color="black", linewidth=1.0)
    axes.axhline(2 - room, **GREY)
    place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right", **NOTE}
    axes.annotate("edge of stability", (1, 2), (-2, 3), **place)
    axes.annotate(r"$2 - (1 - \eta\sigma s)$: no run ends lower", (1, 2 - room), (-2, -10), **place)
    axes.set_ylim(bottom=2 - 1.6 * room)
    axes.legend(loc="upper right", title="trained; lines: landing by law")
    axes.set(xlabel="step", ylabel=r"$\eta\,\phi$, sharpness where the flow would end")
    letter(axes, "A", "two weights, from minima above the edge")


def _draw_landings(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    above, room = (curves["start"] - 2) / curves["room"], curves["room"]
    x = np.linspace(0, 1.25 * above.max(), 200)
    axes.plot(x, x / (1 + x), **line(0), label=r"law: $1/u = 1/u_0 + 1/(1 - \eta\sigma s)$")
    axes.plot(above, (2 - curves["sharpness"][-1]) / room, **markers(1), label=rf"trained, $\delta = {2 * room[0]:g}$")
    found = [check for check in evidence.checks if check.name == "height of the landing, delta to 0"]
    axes.plot(x[x < 1.25], x[x < 1.25], **GREY, label="as far below as above")
    axes.axhline(1, color="0.6", linewidth=0.8, linestyle=":")
    axes.annotate(
        f"extrapolated to $\\delta = 0$: within {100 * (found[0].resolution or 0):.2g} %", (0.98, 0.06), **_right()
    )
    axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.3))
    axes.set(
        xlabel=r"start above the edge, $u_0 / (1 - \eta\sigma s)$", ylabel=r"landing below it, $u / (1 - \eta\sigma s)$"
    )
    axes.set(xlim=(0, x[-1]), ylim=(0, 1.3))
    letter(axes, "B", "a mirror, until it saturates")


def _right() -> dict[str, object]:
    return {"xycoords": "axes fraction", "ha": "right", **NOTE}


def _draw_single_steps(axes: Axes, evidence: Evidence) -> None:
    for i, L in enumerate(evidence.parameters["depths"]):
        group = evidence.group(f"depth {L}")
        axes.plot(group["C"], group["ratio"], **markers(i, markersize=2.6, alpha=0.6), label=f"$L = {L}$")
    run = evidence.group("converging")
    grown = run["sharpness"][1:] / run["sharpness"][:-1]
    text = f"a run that converges starts\nat $C = {run['C'][0]:.1f}$, and grows\nby {grown.max():.2f} in a step"
    axes.annotate(text, (0.03, 0.97), xycoords="axes fraction", va="top", **NOTE)
    axes.axhline(1, color="black", linewidth=1.0)
    axes.axvspan(0, 1, color=COLOURS[0], alpha=0.08, linewidth=0)
    axes.axvline(2, **GREY)
    axes.annotate("proved: falls", (0.5, 0.53), ha="center", **NOTE)
    axes.annotate("$C = 2$", (2.03, 0.53), **NOTE)
    axes.legend(loc="center right", markerscale=1.6)
    axes.set(xlabel=r"$C = (\eta\sigma(s - p)\,p / w_{(1)} w_{(2)})^2$", ylabel=r"$\phi(w^+) / \phi(w)$, one step")
    axes.set(xlim=(0, 3.0), ylim=(0.5, 1.28))
    letter(axes, "C", "which steps lower the sharpness")


def _draw_loss(axes: Axes, evidence: Evidence) -> None:
    solved, trained, s = evidence.group("solved"), evidence.group("trained"), float(evidence.curves["size"])
    for i, lam in enumerate(evidence.curves["shown"]):
        scale = max(abs(lam), s)
        axes.semilogx(scale * solved["t"], solved["loss"][:, i] / (s * s / 2), **line(i, linewidth=1.1))
        seen = trained["t"] > 0
        axes.semilogx(scale * trained["t"][seen], trained["loss"][seen, i] / (s * s / 2), **markers(i, markersize=3))
    axes.axhline(np.sin(solved["angle"][0, -1]) ** 2, **GREY)
    place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right", **NOTE}
    axes.annotate(r"$\sin^2$ of the start's angle", (0.99, np.sin(solved["angle"][0, -1]) ** 2), (0, 3), **place)
    axes.set(xlabel=r"$t \times \max(|\lambda|, s)$", ylabel=r"loss $/\ \frac{1}{2} s^2$", ylim=(-0.04, None))
    letter(axes, "D", "minimal model: upstream a plateau")


def _draw_angle(axes: Axes, evidence: Evidence) -> None:
    solved, trained, s = evidence.group("solved"), evidence.group("trained"), float(evidence.curves["size"])
    for i, lam in enumerate(evidence.curves["shown"]):
        scale = s * s / max(abs(lam), s)
        axes.plot(scale * solved["t"], solved["angle"][:, i], **line(i, linewidth=1.1))
        axes.plot(scale * trained["t"], trained["angle"][:, i], **markers(i, markersize=3))
        axes.plot([], [], **markers(i, linestyle="-"), label=rf"$\lambda = {lam:g}$")
    x = np.linspace(0, 4, 100)
    axes.plot(x, np.arctan(np.tan(solved["angle"][0, -1]) * np.exp(-x)), **GREY, label=r"$\lambda \to \infty$")
    axes.legend(loc="upper right", title="lines: solution; markers: trained")
    axes.set(xlabel=r"$t \times s^2 / \max(|\lambda|, s)$", ylabel=r"angle between $w$ and $y$", xlim=(-0.05, 4))
    letter(axes, "E", r"while $w$ turns: rich, but delayed")


def _draw_kernel(axes: Axes, evidence: Evidence) -> None:
    for i, (case, label) in enumerate((("lambda above 0", r"$\lambda > 0$"), ("lambda below 0", r"$\lambda < 0$"))):
        group = evidence.group(case)
        axes.loglog(group["size"], group["left"], **markers(i), label=f"trained, {label}")
        fine = np.geomspace(0.8 * group["size"].min(), 1.25 * group["size"].max(), 20)
        axes.loglog(fine, group["left"][-1] * (fine / group["size"][-1]) ** -2, **line(i))
        axes.loglog(group["size"], group["one_term"], **GREY, label="one of its two terms" if i == 0 else None)
    axes.set_xticks(group["size"], [f"{size:g}" for size in group["size"]])
    axes.minorticks_off()
    axes.legend(loc="lower left", title=r"lines: slope $-2$")
    axes.set(xlabel=r"$|\lambda|$", ylabel=r"share of $|\lambda|\,(K - K_0)$ left by the law")
    letter(axes, "F", "how the kernel moves less and less")


def _draw_half_times(axes: Axes, evidence: Evidence) -> None:
    law, rows, wide = (evidence.group(name) for name in ("law", "orthogonal", "gaussian"))
    axes.loglog(law["ratio"], law["law"], **line(0), label="solved: one curve")
    for name, place in (("lazy", law["ratio"] < 3), ("rich", law["ratio"] > 1)):
        axes.loglog(law["ratio"][place], law[name][place], **GREY, label="lazy, rich" if name == "lazy" else None)
    axes.loglog(*_points(rows), **markers(1, markersize=7), label="orthogonal rows")
    for i, (h, *_) in enumerate(zip(wide["h"])):
        one = {"k": wide["k"][i : i + 1], "y": wide["y"], "half_time": wide["half_time"][i : i + 1]}
        axes.loglog(*_points(one), **markers(i + 2, markersize=3.5), label=rf"$h = 10^{{{np.log10(h):.0f}}}$")
    axes.legend(loc="lower right", labelspacing=0.25, fontsize=7.5)
    axes.set(xlabel="$y / k$", ylabel=r"half time $\times\ 2 y$")
    letter(axes, "G", "white data: when a mode is learned")


def _points(group: Mapping[str, Array]) -> tuple[Array, Array]:
    """y / k and half time x 2 y of all runs (runs,) and modes (modes,), flat."""
    return (group["y"] / group["k"][:, None]).ravel(), (2 * group["y"] * group["half_time"]).ravel()
