"""Figure 1: gradient descent finds the max-margin direction logarithmically late, Minnorm exponentially soon."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

Curves = Mapping[str, np.ndarray]
LAST = 10**9.5  # the latest time drawn
METHODS = ("gradient descent", "loss-normalised", "Minnorm, default", "Minnorm, best b")  # as the claim calls them
BEST = r"Minnorm, $b = a / 4 g_{\min}$"
# Where what each tends to is written.
PLACES = ((3e3, 0.07), (3e4, 3e-4), (0.4, 1e-5), (100.0, 3e-8))
# And how it steps.
STEPS = (
    "gradient descent, 1/curvature",
    r"loss-normalised, $1/\max |z_i|^2$",
    "Minnorm, simultaneous, default",
    r"Minnorm, alternating, best for all: $|Z|^2$",
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
    left, middle, right = figure.subfigures(1, 3, width_ratios=(1.35, 1, 1))
    error, residual = left.subplots(2, 1, height_ratios=(5, 1))
    multipliers, rate, rate_residual = middle.subplots(3, 1, height_ratios=(3, 2.4, 1))
    time, steps = right.subplots(2, 1)
    times = evidence["minnorm.shallow_hitting_times"]
    _draw_error(error, residual, times)
    _draw_multipliers(multipliers, evidence["minnorm.shallow_event_driven"].curves)
    _draw_rate(rate, rate_residual, evidence["minnorm.shallow_flow"].curves)
    _draw_times(time, times)
    _draw_steps(steps, times)
    return figure


def _labels(times: Evidence) -> tuple[str, str, str, str]:
    """Of the four methods, Minnorm at the speeds that were judged."""
    a, b = times.parameters["a"], times.parameters["b"]
    speeds = f"a = b = {a:g}" if a == b else f"a = {a:g}, b = {b:g}"
    return "gradient descent", "loss-normalised", f"Minnorm, ${speeds}$", BEST


def _limits(times: Evidence) -> tuple[str, str, str, str]:
    """What each of them tends to."""
    descent, normalised, default, best = _labels(times)
    return (
        descent + r" $\to K / \log t$",
        normalised + r" $\to K |\hat w|^2 / t$",
        default.replace("Minnorm, ", "Minnorm,\n"),
        best + r" $\to t\, e^{-a t / 2}$",
    )


def _draw_error(axes: Axes, residual: Axes, times: Evidence) -> None:
    for i, (method, (x, y), text) in enumerate(zip(METHODS, PLACES, _limits(times))):
        curves = times.group(method)
        axes.loglog(curves["line_t"], curves["line_error"], **line(i, STYLES[i]))
        axes.loglog(curves["t"], curves["error"], **markers(i))
        residual.semilogx(curves["t"], curves["deviation"], **markers(i))
        if "asymptote" in curves:
            dotted = {"color": "0.6", "linewidth": 0.9, "linestyle": (0, (1, 1)), "zorder": 1}
            axes.loglog(curves["asymptote_t"], curves["asymptote"], **dotted)
        axes.text(x, y, text, color=COLOURS[i], fontsize=9)
    axes.set(xlim=(0.05, LAST), ylim=(1e-9, 3), ylabel=r"direction error $|w/|w| - \hat w/|\hat w||$")
    axes.tick_params(labelbottom=False)
    letter(axes, "A", "direction error (lines: exact flows; markers: trained)")
    residual.axhline(0, color="0.4", linewidth=0.8)
    residual.set(xlim=axes.get_xlim(), ylim=(-0.5, 0.5))
    residual.set(xlabel="time (step x learning rate)", ylabel="trained /\nflow $- 1$")


def _draw_multipliers(axes: Axes, curves: Curves) -> None:
    for i, dual in enumerate(curves["duals"]):
        colour = COLOURS[i % len(COLOURS)] if dual > 0 else "0.7"
        axes.plot(curves["fine_t"], curves["exact_multipliers"][:, i], color=colour, zorder=2 if dual > 0 else 1)
        axes.plot(curves["t"], curves["trained_multipliers"][:, i], **markers(i, color=colour, markersize=3))
        if dual > 0:
            axes.axhline(dual, color=colour, linestyle="--", linewidth=0.8)
    bottom = np.full_like(curves["events"], axes.get_ylim()[0])
    axes.plot(curves["events"], bottom, "|", color="black", markersize=7, clip_on=False)
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
    residual.semilogx(curves["ratios"], curves["millionths_off"], **markers(0))
    residual.axhline(0, **line(0))
    residual.set(xlabel=r"$b\, g_{\min} / a$", ylabel="trained /\ntheory $- 1$\n(millionths)", xlim=axes.get_xlim())


def _draw_times(axes: Axes, times: Evidence) -> None:
    errors, problems = times.curves["errors"], times.parameters["runs"]
    for i, (method, label) in enumerate(zip(METHODS, _labels(times))):
        curves = times.group(method)
        axes.loglog(errors, curves["median_time"], **line(i, STYLES[i]), marker="." if i else None, label=label)
        axes.fill_between(errors, curves["low_time"], curves["high_time"], color=COLOURS[i], alpha=0.15, linewidth=0)
    axes.set(xlim=(0.5, 5e-9), ylim=(0.1, LAST), xlabel=r"direction error $\varepsilon$", ylabel="time of the flow")
    axes.set_xticks(10.0 ** np.arange(-8, 0, 2))
    axes.minorticks_off()
    letter(axes, "D", f"{problems} random problem{'s' * (problems > 1)}: median, 10-90 %")


def _draw_steps(axes: Axes, times: Evidence) -> None:
    errors, budget = times.curves["errors"], float(times.curves["budget"])
    for i, (method, label) in enumerate(zip(METHODS, STEPS)):
        style = markers(i, linestyle="-", linewidth=0.8)
        axes.loglog(errors, times.group(method)["median_steps"], **style, label=label)
    axes.axhline(budget, color="0.5", linestyle=":")
    axes.text(7e-9, budget / 1.2, "budget of the longest training", fontsize=8, ha="right", va="top")
    axes.set(xlim=(0.5, 5e-9), ylim=(1, 30 * budget))
    axes.set(xlabel=r"direction error $\varepsilon$", ylabel="steps of training (median)")
    axes.set_xticks(10.0 ** np.arange(-8, 0, 2))
    axes.minorticks_off()
    axes.legend(loc="upper left", fontsize=7)
    letter(axes, "E", "steps to error, trained")
