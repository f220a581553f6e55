"""Figure 3: deep linear students. Minnorm forgets its start, early stopping and gradient descent pay for it."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

Arrays = Mapping[str, np.ndarray]
# Gradient descent, stopped early, weight decay, Minnorm: their places among the colours and markers.
PLACES, DASHES = (1, 4, 2, 0), ("-", "--", "-.", "-")
FLOOR = 1e-17  # of the spreads: where none is drawn
LABELS = ("gradient descent, $t = \\infty$", "stopped at its best time", r"L2, best $\gamma$", "Minnorm")


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Test error against scale of the start, time and number of examples; spreads; learning curves."""
    title = "Minnorm generalises alike from every start; whether that is best depends on the noise of the labels"
    figure = canvas(title, evidence, width=13.5, height=8.2)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.45))
    scale, residual = left.subplots(2, 1, height_ratios=(5, 1))
    (time, modes), (descent, spread) = right.subplots(2, 2, height_ratios=(1.1, 1))
    test_error = evidence["minnorm.deep_test_error"]
    _draw_scales(scale, residual, test_error)
    _draw_times(time, evidence["advani2017.generalisation_error"].curves)
    _draw_modes(modes, evidence["saxe2014.modes"].curves)
    _draw_descent(descent, evidence["minnorm.deep_double_descent"])
    _draw_spreads(spread, test_error.curves)
    return figure


def _draw_scales(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    curves = evidence.group("depth 2")
    scales = curves["scales"]
    for i, (place, dash, label) in enumerate(zip(PLACES, DASHES, LABELS)):
        axes.semilogx(curves["fine"], curves["line"][i], **line(place, dash))
        shift = 1.025 ** (i - 1.5)  # so that intervals do not hide each other
        points = curves["trained"][i], curves["band"][i]
        axes.errorbar(scales * shift, *points, capsize=2, elinewidth=0.7, **markers(place), label=label)
        residual.semilogx(scales * shift, curves["residual"][i], **markers(place))
    crossing = float(curves["crossover"]), float(curves["crossover_error"])
    axes.plot(*crossing, marker="*", markersize=15, color="black", linestyle="none", zorder=5)
    axes.annotate(
        f"left of $s^* = {crossing[0]:.2f}$ (trained {curves['crossover_trained']:.2f})\n"
        "stopping early beats exact fitting",
        crossing,
        xytext=(0.05, 0.5),
        textcoords="axes fraction",
        arrowprops={"arrowstyle": "->", "color": "0.4"},
    )
    axes.set(ylabel=r"test error $E_g$", xlim=(scales[0] / 1.12, scales[-1] * 1.12))
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper left", title="lines: theory; markers: trained (torch), 95 % paired")
    d, n = evidence.curves["size"]
    letter(axes, "A", f"depth 2, $d = {d}$, $n = {n}$, label noise {evidence.curves['noise']:g}")
    residual.axhline(0, color="0.4", linewidth=0.8)
    residual.set(xlim=axes.get_xlim(), xlabel="scale $s$ of the start, every layer", ylabel="trained\n$-$ theory")
    for panel in (axes, residual):
        panel.set_xticks(scales, [f"{scale:g}" for scale in scales])
        panel.minorticks_off()


def _draw_times(axes: Axes, curves: Arrays) -> None:
    for i, start in enumerate(curves["starts"]):
        place = (0, 1)[i]
        axes.semilogx(curves["t"], curves["expected"][i], **line(place))
        points = curves["trained"][i], curves["band"][i]
        axes.errorbar(curves["t_trained"], *points, capsize=2, elinewidth=0.7, **markers(place))
        axes.plot(curves["best_times"][i], curves["best_errors"][i], marker="v", markersize=9, color=COLOURS[place])
        axes.text(0.06, curves["expected"][i][0] + 0.02, f"start $s_0 = {start:g}$", color=COLOURS[place], va="bottom")
    axes.axhline(curves["fitted"], **line(6, ":"))
    axes.axhline(curves["ridge"], **line(2, "-."))
    axes.text(60, curves["fitted"] + 0.015, "exact fit", fontsize=8, ha="right")
    axes.text(60, curves["ridge"] - 0.05, "best ridge", fontsize=8, ha="right", color=COLOURS[2])
    axes.plot([], [], marker="v", color="0.4", linestyle="none", markersize=8, label="best time, formula")
    axes.plot([], [], **markers(0, color="0.4"), label="trained, 95 %")
    axes.legend(loc="upper right")
    axes.set(xlabel=r"$t$ = step $\times$ learning rate", ylabel="test error $E_g$")
    axes.set_ylim(curves["ridge"] - 0.12, curves["expected"].max() + 0.12)
    letter(axes, "B", f"one layer, label noise {curves['noise']:g}: when to stop")


def _draw_modes(axes: Axes, curves: Arrays) -> None:
    for i, L in enumerate(curves["depths"]):
        dash = DASHES[i % len(DASHES)]
        axes.plot(curves["t_flow"], curves["flow"][i], **line(i, dash))
        axes.plot(curves["t"], curves["trained"][i], **markers(i, markersize=3, markevery=3))
        axes.plot([], [], **markers(i, linestyle=dash), label=f"$L = {L}$")
    for strength in curves["strengths"]:
        axes.axhline(strength, color="0.6", linewidth=0.7, linestyle=":")
    axes.set(xlabel=r"$t$ = step $\times$ learning rate", ylabel="strength of a mode", xlim=(0, curves["t"][-1]))
    axes.legend(loc="lower right")
    letter(axes, "C", "modes are learned one by one")


def _draw_descent(axes: Axes, evidence: Evidence) -> None:
    trained = evidence.group("trained")
    few = trained["n_over_d"] < 1
    minnorm, descent = PLACES[3], PLACES[0]
    for side, place, shown in (("fewer examples", minnorm, few), ("more examples", descent, ~few)):
        curves = evidence.group(side)
        axes.semilogy(curves["n_over_d"], curves["fitted"], **line(place))
        axes.semilogy(curves["n_over_d"], curves["ridge"], **line(2, "-."))
        points = trained["n_over_d"][shown], trained["error"][shown], trained["band"][shown]
        axes.errorbar(*points, capsize=2, elinewidth=0.7, **markers(place))
    axes.axvline(1, color="0.5", linestyle=":")
    axes.text(1.25, 0.9, "$n = d$", fontsize=8, va="top", transform=axes.get_xaxis_transform())
    axes.text(0.05, 4.5, "Minnorm", color=COLOURS[minnorm], fontsize=9)
    axes.text(1.3, 4.5, "gradient descent", color=COLOURS[descent], fontsize=9)
    axes.text(0.3, max(0.55, 1.1 * axes.get_ylim()[0]), "best ridge", color=COLOURS[2], fontsize=9)
    axes.set(xlabel="examples per input, $n / d$", ylabel="test error $E_g$")
    letter(axes, "D", f"depth 2, label noise {evidence.curves['noise']:g}: double descent")


def _draw_spreads(axes: Axes, curves: Arrays) -> None:
    depths = curves["depths"]
    for i, place in enumerate(PLACES):
        places, heights = np.arange(len(depths)) + 0.2 * (i - 1.5), curves["spreads"][:, i]
        axes.vlines(places, FLOOR, np.maximum(heights, FLOOR), color=COLOURS[place], linewidth=5, alpha=0.35)
        axes.plot(places, np.maximum(heights, FLOOR), **markers(place, markersize=6))
    if max(depths) >= 3:
        axes.text(
            len(depths) - 0.45, 200, r"weight decay can collapse to $W = 0$ from depth 3 on", fontsize=8, ha="right"
        )
    axes.set_yscale("log")
    axes.set_xticks(range(len(depths)), [f"depth {L}" for L in depths])
    axes.set(ylim=(FLOOR, 1e4), ylabel="largest less smallest $E_g$ over starts")
    letter(axes, "E", "spread over starts (markers as A)")
