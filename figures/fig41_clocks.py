"""Figure 41: one constant of direction, a clock for each descent; where Minnorm is faster, slower, or trapped."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, MARKERS, canvas, letter, line, markers
from theory.claims import Evidence

Curves = Mapping[str, np.ndarray]
METHODS = ("gradient descent", "normalised", "accelerated", "rescaled", "Minnorm")  # as the scoreboard calls them
CLOCKS = (
    r"descent: $\tau = \log \eta T$",
    r"normalised: $\tau = \eta \gamma^2 T$",
    r"accelerated: $\tau = \frac{1}{4} \eta \gamma^2\, T (T + 3)$",
    r"rescaled: $\tau \propto c^n$",
    r"Minnorm: $\rho^T$ times Chebyshev's $U_T$",
)
MOMENTUM = 5  # its colour
FLOOR = 1e-15


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """A race with laws, the plane of two condition numbers, and what the laws are made of."""
    figure = canvas(
        "Every descent finds the max margin by one constant over its own clock. Minnorm's error falls exponentially, "
        "and so does that of rescaling, within borders",
        evidence,
        width=15.0,
        height=9.2,
    )
    above, below = figure.subfigures(2, 1, height_ratios=(1.5, 1))
    race, plane = above.subplots(1, 2, width_ratios=(1.55, 1))
    one, left, board, frozen, trapped = below.subplots(1, 5)
    _draw_race(race, evidence["shallow.scoreboard"])
    _draw_plane(plane, evidence["shallow.rescaling"].group("plane"))
    _draw_constant(one, evidence["shallow.three_clocks"])
    _draw_forgetting(left, evidence["shallow.three_clocks"])
    _draw_board(board, evidence["shallow.scoreboard"])
    _draw_frozen(frozen, evidence["shallow.large_steps_freeze"].curves)
    _draw_trapped(trapped, evidence["shallow.alternating_traps"].group("six examples"))
    return figure


def _draw_race(axes: Axes, board: Evidence) -> None:
    for i, (method, label) in enumerate(zip(METHODS, CLOCKS)):
        curves = board.group(f"race, {method}")
        seen = curves["error"] > FLOOR
        axes.loglog(curves["steps"], curves["law"], **line(i))
        axes.loglog(curves["steps"][seen][:: _every(seen)], curves["error"][seen][:: _every(seen)], **markers(i))
        axes.plot([], [], **markers(i, linestyle="-"), label=label)
    axes.set(xlim=(1, None), ylim=(1e-12, 2), xlabel="steps $T$", ylabel=r"direction error $|w/|w| - \hat w/|\hat w||$")
    axes.legend(
        loc="lower left",
        fontsize=10,
        title=r"descents: error $= |P \tilde w|\, \gamma\, /\, \tau(T)$",
        alignment="left",
    )
    letter(axes, "A", "one problem: lines are laws without a free parameter, markers are trained")


def _every(seen: np.ndarray) -> int:
    """So that no method has more than forty markers."""
    return max(1, int(seen.sum()) // 40)


def _draw_plane(axes: Axes, curves: Curves) -> None:
    kappa_G, kappa_M, arrived = curves["kappa_G"], curves["kappa_M"], curves["arrived"]
    first = curves["minnorm"] < curves["rescaled"]
    for chosen, i, label in ((first, 4, "Minnorm was first"), (~first, 3, "rescaled descent was first")):
        shown = arrived & chosen
        axes.loglog(kappa_G[shown], kappa_M[shown], **markers(i, markersize=5), label=label)
    ends = np.array([kappa_G[arrived].min() / 1.5, kappa_G[arrived].max() * 1.5])
    axes.loglog(ends, np.sqrt(ends), color="black", linewidth=1.8)
    axes.text(ends[1] / 1.1, 1.25 * np.sqrt(ends[1]), r"$\kappa_M = \sqrt{\kappa_G}$", fontsize=12, ha="right")
    axes.set(xlim=ends, xlabel=r"$\kappa_G$, with the direction $\hat w$", ylabel=r"$\kappa_M$, across it")
    axes.legend(loc="upper left", fontsize=9)
    letter(axes, "B", "who is first at an error of $10^{-10}$, and the border")


def _draw_constant(axes: Axes, clocks: Evidence) -> None:
    names = ("gradient descent", "normalised", "accelerated", "momentum")
    for name, i in zip(names, (0, 1, 2, MOMENTUM)):
        curves = clocks.group(name)
        with np.errstate(divide="ignore", invalid="ignore"):
            axes.semilogx(curves["steps"], curves["error"] / curves["law"], **markers(i, linestyle="-", linewidth=0.7))
        axes.plot([], [], **markers(i), label=name)
    axes.axhline(1, color="0.3", linewidth=0.8)
    axes.set(ylim=(0.4, 1.6), xlabel="steps $T$", ylabel="trained error over its law")
    axes.legend(fontsize=7.5, loc="lower right")
    letter(axes, "C", "one constant")


def _draw_forgetting(axes: Axes, clocks: Evidence) -> None:
    for name, i, label in (
        ("normalised", 1, "$(1 - q)^t$"),
        ("accelerated", 2, r"$(1 - q)^{t/2} P_t(\sqrt{1 - q})$"),
        ("momentum", MOMENTUM, r"momentum: $t^{-1/2}$"),
    ):
        curves = clocks.group(f"forgetting, {name}")
        axes.semilogy(curves["t"], np.abs(curves["law"]), **line(i), label=label)
        axes.semilogy(curves["t"], np.abs(curves["left"]), **markers(i, markersize=3.5))
    axes.set(ylim=(1e-6, 300), xlabel="steps $t$", ylabel="left of a deviation")
    axes.legend(fontsize=7.5, loc="upper right")
    letter(axes, "D", "what is forgotten how")


def _draw_board(axes: Axes, board: Evidence) -> None:
    errors, runs = board.curves["errors"], board.parameters["runs"]
    places = np.arange(len(errors))
    bottom = np.zeros(len(errors))
    firsts = np.array([board.group(f"steps, {method}")["first"] for method in METHODS], dtype=float)
    shares = firsts / np.maximum(firsts.sum(0), 1)
    for i, (method, share) in enumerate(zip(METHODS, shares)):
        axes.bar(places, share, bottom=bottom, color=COLOURS[i], width=0.85, label=method)
        bottom += share
    axes.set_xticks(places, [f"{error:g}" for error in errors], rotation=45)
    axes.set(ylim=(0, 1), xlabel="direction error", ylabel="share of the problems")
    axes.grid(False)
    axes.text(len(errors) - 2, 0.5, "Minnorm", color="black", fontsize=9, rotation=90, va="center", ha="center")
    letter(axes, "E", f"first at an error, {runs} problems")


def _draw_frozen(axes: Axes, curves: Curves) -> None:
    axes.semilogx(curves["steps"], np.full(len(curves["steps"]), curves["frozen"]), **line(0), label="first step's")
    axes.semilogx(curves["steps"], curves["error"], **markers(0), label="trained")
    digits = -float(curves["log_loss"][-1]) / np.log(10)
    axes.set(ylim=(0, 1.6 * float(curves["frozen"])), xlabel="steps $T$", ylabel="direction error")
    axes.text(
        0.05, 0.3, f"loss below $10^{{-{int(digits)}}}$\nfrom the first step on", transform=axes.transAxes, fontsize=9
    )
    axes.legend(fontsize=8, loc="upper right")
    letter(axes, "F", r"large steps, $\eta = 100$, freeze it")


def _draw_trapped(axes: Axes, curves: Curves) -> None:
    for name, i, label in (("best_for_all", 1, r"best for $|Z|^2$"), ("safe", 2, r"safe: $B < 2 / |Z|^2$")):
        error = np.maximum(curves[name], FLOOR)
        axes.semilogy(curves["steps"][1:], error[1:], color=COLOURS[i], marker=MARKERS[i], markevery=25, label=label)
    axes.set(ylim=(1e-11, 10), xlabel="steps $T$", ylabel="direction error")
    axes.legend(fontsize=8, loc="lower left")
    letter(axes, "G", "Minnorm: trapped, or safe")
