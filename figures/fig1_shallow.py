"""Figure 1: gradient descent finds the max-margin direction logarithmically late, Minnorm exponentially soon."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

Curves = Mapping[str, np.ndarray]
LAST = 9.5  # log10 of the latest time drawn
METHODS = ("gradient descent", "loss-normalised", r"Minnorm, $a = b = 1$", r"Minnorm, $b = a / 4 g_{\min}$")
LABELS = (
    (3e3, 0.07, r"gradient descent $\to K / \log t$"),
    (3e4, 3e-4, r"loss-normalised $\to K |\hat w|^2 / t$"),
    (0.4, 1e-5, METHODS[2].replace(", ", ",\n")),
    (100.0, 3e-8, METHODS[3] + r" $\to t\, e^{-a t / 2}$"),
)
STYLES = ("-", "--", ":", "-.")


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Direction error of four methods, the multipliers, the rate's kink, and times and steps on random problems."""
    figure = canvas(
        "Minnorm finds the max-margin classifier exponentially faster than gradient descent, once errors are small",
        evidence,
        width=12.5,
        height=7.0,
    )
    panels = figure.subplot_mosaic(
        [
            ["error", "multipliers", "times"],
            ["error", "rate", "steps"],
            ["residual", "rate_residual", "steps"],
        ],
        height_ratios=(3, 2, 1),
        width_ratios=(1.35, 1, 1),
    )
    race = evidence["minnorm.shallow_hitting_times"].curves
    _draw_error(panels["error"], panels["residual"], race)
    _draw_multipliers(panels["multipliers"], evidence["minnorm.shallow_event_driven"].curves)
    _draw_rate(panels["rate"], panels["rate_residual"], evidence["minnorm.shallow_flow"].curves)
    _draw_times(panels["times"], race)
    _draw_steps(panels["steps"], race)
    return figure


def _draw_error(axes: Axes, residual: Axes, race: Curves) -> None:
    lines = (
        (_time(race["flow_log_t"]), race["flow_error"]),
        (race["flow_s"], race["flow_error"]),
        (race["default_line_t"], race["default_line"]),
        (race["best_line_t"], race["best_line"]),
    )
    trained = (
        (_time(race["late_log_t"]), race["late_error"], race["late_exact"]),
        (race["late_s"], race["late_error"], race["late_exact"]),
        (race["default_t"], race["default_error"], race["default_exact"]),
        (race["best_t"], race["best_error"], race["best_exact"]),
    )
    t = np.geomspace(30, 10**LAST, 100)
    asymptotes = race["constant"][0] / np.log(t), race["constant"][0] * race["squared_norm"][0] / t
    for i, ((x, y), (when, seen, exact)) in enumerate(zip(lines, trained)):
        axes.loglog(x, y, **line(i, STYLES[i]))
        axes.loglog(when, seen, **markers(i))
        residual.semilogx(when, seen / exact - 1, **markers(i))
    for y in asymptotes:
        axes.loglog(t, y, color="0.6", linewidth=0.9, linestyle=(0, (1, 1)), zorder=1)
    for i, (x, y, text) in enumerate(LABELS):
        axes.text(x, y, text, color=COLOURS[i], fontsize=9)
    axes.set(xlim=(0.05, 10**LAST), ylim=(1e-9, 3), ylabel=r"direction error $|w/|w| - \hat w/|\hat w||$")
    axes.tick_params(labelbottom=False)
    letter(axes, "A", "direction error on one problem (lines: exact flows; markers: trained)")
    residual.axhline(0, color="0.4", linewidth=0.8)
    residual.set(xlim=axes.get_xlim(), ylim=(-0.5, 0.5))
    residual.set(xlabel="time (step x learning rate)", ylabel="trained /\nflow $- 1$")


def _time(log_t: np.ndarray) -> np.ndarray:
    """t, where it can be drawn at all."""
    return np.exp(np.minimum(log_t, 50.0))


def _draw_multipliers(axes: Axes, curves: Curves) -> None:
    duals = curves["duals"]
    for i, dual in enumerate(duals):
        colour = COLOURS[i % len(COLOURS)] if dual > 0 else "0.7"
        axes.plot(curves["fine_t"], curves["exact_multipliers"][:, i], color=colour, zorder=2 if dual > 0 else 1)
        axes.plot(curves["t"], curves["trained_multipliers"][:, i], **markers(i, color=colour, markersize=3))
        if dual > 0:
            axes.axhline(dual, color=colour, linestyle="--", linewidth=0.8)
    inside = curves["events"][curves["events"] < curves["fine_t"][-1]]
    axes.plot(inside, np.full_like(inside, axes.get_ylim()[0]), "|", color="black", markersize=7, clip_on=False)
    axes.set(xlabel="time (step x learning rate)", ylabel=r"multiplier $\lambda_i$", xlim=(0, curves["fine_t"][-1]))
    letter(axes, "B", r"multipliers become the SVM duals $\alpha_i$ (dashed)")


def _draw_rate(axes: Axes, residual: Axes, curves: Curves) -> None:
    axes.semilogx(curves["fine_ratios"], curves["predicted_rates"], **line(0), label=r"$\min_k |\mathrm{Re}\, s_k|$")
    axes.semilogx(curves["ratios"], curves["rates"], **markers(0), label="trained")
    axes.axvline(0.25, color="0.5", linestyle=":")
    axes.text(0.27, 0.06, r"$b = a / 4 g_{\min}$", fontsize=8)
    axes.set(ylabel=r"rate $r\,/\,a$", ylim=(0, 0.58))
    axes.tick_params(labelbottom=False)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.15))
    letter(axes, "C", r"the rate saturates at $a/2$")
    residual.semilogx(curves["ratios"], 1e6 * (curves["rates"] / curves["rates_at_ratios"] - 1), **markers(0))
    residual.axhline(0, **line(0))
    residual.set(xlabel=r"$b\, g_{\min} / a$", ylabel="trained /\ntheory $- 1$\n(millionths)", xlim=axes.get_xlim())


def _draw_times(axes: Axes, race: Curves) -> None:
    logs = race["log_times"] / np.log(10)
    for i, (name, log_time) in enumerate(zip(METHODS, logs)):
        low, middle, high = np.quantile(log_time, (0.1, 0.5, 0.9), axis=0).clip(-300, 20)
        axes.loglog(race["errors"], 10.0**middle, **line(i, STYLES[i]), marker="." if i else None, label=name)
        axes.fill_between(race["errors"], 10.0**low, 10.0**high, color=COLOURS[i], alpha=0.15, linewidth=0)
    axes.set(xlim=(0.5, 5e-9), ylim=(0.1, 10**LAST), xlabel=r"direction error $\varepsilon$", ylabel="time of the flow")
    axes.set_xticks(10.0 ** np.arange(-8, 0, 2))
    axes.minorticks_off()
    letter(axes, "D", f"{logs.shape[1]} random problems: median, 10-90 %")


def _draw_steps(axes: Axes, race: Curves) -> None:
    labels = (
        "gradient descent, 1/curvature",
        r"loss-normalised, $1/\max |z_i|^2$",
        "Minnorm, simultaneous, default",
        "Minnorm, alternating, best",
    )
    for i, (label, counts) in enumerate(zip(labels, race["steps"])):
        middle = np.quantile(counts, 0.5, axis=0, method="nearest")
        reached = np.isfinite(middle) & (middle > 0)
        axes.loglog(race["errors"][reached], middle[reached], **markers(i, linestyle="-", linewidth=0.8), label=label)
    axes.axhline(race["budget"], color="0.5", linestyle=":")
    axes.text(4e-9, race["budget"] * 1.15, "budget of training", fontsize=8, ha="right")
    axes.set(xlim=(0.5, 5e-9), ylim=(1, 30 * race["budget"]))
    axes.set(xlabel=r"direction error $\varepsilon$", ylabel="steps of training (median)")
    axes.set_xticks(10.0 ** np.arange(-8, 0, 2))
    axes.minorticks_off()
    axes.legend(loc="upper left", fontsize=7)
    letter(axes, "E", "steps to error, trained")
