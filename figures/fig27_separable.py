"""Figure 27: exact laws of linear classifiers. Margins, directions and duals, of data separable, degenerate or not."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY, controls, named, room
from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Check, Evidence
from theory.core.arrays import Array

SHOWN = 8  # runs of many


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Margins on their closed forms, two limits in log time, multipliers without bound, steps, and duplicates."""
    title = "Linear classifiers: margins, directions and multipliers obey laws whose constants the duals give"
    figure = canvas(title, evidence, width=13.5, height=8.8)
    panels = figure.subplot_mosaic(
        [
            ["closed", "direction", "growth"],
            ["closed apart", "direction apart", "growth apart"],
            ["margin", "steps", "duals"],
        ],
        height_ratios=(3, 1.1, 3.2),
    )
    _draw_closed_forms(panels["closed"], panels["closed apart"], evidence["shallow.closed_forms"])
    _draw_direction(panels["direction"], panels["direction apart"], evidence["soudry2018.direction"])
    _draw_growth(panels["growth"], panels["growth apart"], evidence["minnorm.shallow_nonseparable"].curves)
    _draw_margin(panels["margin"], evidence["soudry2018.margin"])
    _draw_steps(panels["steps"], evidence["minnorm.shallow_heavy_ball"])
    _draw_duals(panels["duals"], evidence["minnorm.shallow_degenerate"])
    return figure


def _draw_closed_forms(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    """What the formula adds to the margin's exponential is |z|^2 t, of every run and example alike."""
    given = evidence.parameters
    steps = np.round(np.linspace(0, given["steps"], len(evidence.curves["exponential/margins"])))
    added = np.square(given["lengths"]) * (steps * given["horizon"] / given["steps"])[:, None]
    ends = np.array([added[1].min(), added.max()])
    axes.loglog(ends, ends, color="black", linewidth=1.0, label=r"$|z_i|^2 t$")
    axes.loglog(ends, ends / len(given["lengths"]), **GREY, label="were it the mean loss")
    for i, (name, label, of) in enumerate(
        (
            ("exponential", r"exponential loss: $e^m - e^{m(0)}$", np.exp),
            ("logistic", r"logistic loss: $m + e^m - m(0) - e^{m(0)}$", lambda m: m + np.exp(m)),
        )
    ):
        margins = evidence.curves[f"{name}/margins"][:, :SHOWN]
        grown = of(margins[1:]) - of(margins[:1])
        at = np.broadcast_to(added[1:, None], grown.shape)
        axes.loglog(at.ravel(), grown.ravel(), **markers(i), label=label)
        residual.semilogx(at.ravel(), 1e3 * (grown / at - 1).ravel(), **markers(i, markersize=3))
    crossed = np.exp(margins[1:]) - np.exp(margins[:1])
    axes.loglog(at.ravel(), crossed.ravel(), color="0.6", linestyle="none", marker=".", markersize=3,
                label="logistic by the other formula", zorder=1)  # fmt: skip
    axes.legend(loc="upper left", fontsize=7)
    axes.set(ylabel="what the margin has gained", ylim=(None, 40 * ends[-1]))
    axes.tick_params(labelbottom=False)
    residual.axhline(0, color="0.3", linewidth=0.8)
    residual.set(xlabel=r"$|z_i|^2 t$", xlim=axes.get_xlim())
    residual.set(ylabel="trained / law $- 1$\n(thousandths, at\na rate above 0)")
    letter(axes, "A", "orthogonal examples: one line for all margins")


def _draw_direction(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    times, scaled, constant = curves["log_times"], curves["scaled_error"], curves["constant"]
    for i, (each, level) in enumerate(zip(scaled.T, constant)):
        axes.semilogx(times, each, **markers(i, color=_shade(i), linestyle="none"))
        axes.semilogx(times, np.full_like(times, level), **line(i, color=_shade(i), linewidth=0.9))
        residual.loglog(times, 1 - each / level, **markers(i, color=_shade(i), markersize=3))
    axes.plot([], [], color="0.3", label=r"$|P \tilde w| / |\hat w|$, by where each run starts")
    axes.plot([], [], **markers(0, color="0.3"), label="flow, in log time")
    axes.axhline(constant.mean(), **GREY, label="one constant, were the start forgotten")
    slope = (1 - scaled[0] / constant).mean() * times[0] / times
    residual.loglog(times, slope, color="0.3", linewidth=0.9)
    residual.annotate("slope $-1$", (times[1], slope[1]), xytext=(4, 3), textcoords="offset points", fontsize=7)
    for each in (axes, residual):
        each.set_xticks(times, [f"{time:g}" for time in times])
        each.minorticks_off()
    axes.tick_params(labelbottom=False)
    axes.set(ylabel=r"$\log t \times$ direction error", ylim=(None, 1.35 * constant.max()))
    axes.legend(loc="upper left", fontsize=7)
    residual.set(xlabel=r"$\log t$", ylabel=r"$1 -$ flow" + "\n/ constant")
    (trained,) = named(evidence, "training: log t x direction error")
    letter(axes, "B", f"direction: to its constant ({_share(trained)} in training)")


def _draw_growth(axes: Axes, residual: Axes, curves: Mapping[str, Array]) -> None:
    t, multipliers, slopes = curves["t"], curves["multipliers"], curves["slopes"]
    shown = np.unique(np.geomspace(1, len(t), 26).astype(int)) - 1
    order = np.argsort(-slopes)
    for i, n in enumerate(order):
        offset = multipliers[-1, n] - slopes[n] * t[-1]
        colour = _shade(i)
        if slopes[n] > 1e-9:
            axes.loglog(t[1:], slopes[n] * t[1:], color=colour, linewidth=0.9)
        axes.loglog(t[shown], multipliers[shown, n], **markers(i, color=colour, markersize=3))
        residual.semilogx(t[shown], multipliers[shown, n] - slopes[n] * t[shown] - offset, color=colour, linewidth=0.9)
    axes.plot([], [], color="0.3", label=r"$b\, v_i\, t$, $v = (1 - Z w_q)_+$")
    axes.plot([], [], **markers(0, color="0.3"), label=r"trained $\lambda_i$; one of slope 0 dies out")
    axes.set(ylabel=r"multipliers $\lambda_i$")
    axes.set_ylim(bottom=1e-2)
    room(axes, 0.15)
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper left", fontsize=7)
    residual.set(xlabel="time (step x learning rate)", ylabel=r"$\lambda_i - b v_i t$," + "\nless its limit")
    residual.plot(t[1:], 0.1 * slopes.max() * t[1:], **GREY)
    reach = np.abs(multipliers[0] - (multipliers[-1] - slopes * t[-1])).max()
    residual.annotate("slopes\n10 % larger", (9, 1.2 * reach), ha="right", va="center", xytext=(0, 0), color="0.35",
                      textcoords="offset points", fontsize=7)  # fmt: skip
    residual.set(ylim=(-1.4 * reach, 1.9 * reach), xlim=axes.get_xlim())
    letter(axes, "C", "not separable: multipliers grow for ever")


def _draw_margin(axes: Axes, evidence: Evidence) -> None:
    """Two sets of duals; what the law says of each, what training found, what other formulas would say."""
    (unequal,) = named(evidence, "many starts")
    (equal,) = named(evidence, "all duals equal")
    columns = ((unequal, controls(evidence, "smallest", "averaged", "10 %")), (equal, controls(evidence, "where all")))
    texts = {
        "smallest": r"$\alpha_{\min}$ for $\alpha_{\max}$",
        "averaged": "averaged without weights",
        "10 %": "10 % larger",
        "where all": "constant of unequal duals",
    }
    for x, (check, wrong) in enumerate(columns):
        axes.plot([x - 0.32, x + 0.1], [check.predicted] * 2, color="black", linewidth=1.4)
        axes.plot(x - 0.11, check.measured, **markers(x, markersize=7))
        for control in wrong:
            axes.plot([x - 0.32, x + 0.1], [control.predicted] * 2, **GREY)
            text = next(text for part, text in texts.items() if part in control.label)
            axes.annotate(text, (x + 0.12, control.predicted), va="center", fontsize=7.5, color="0.35")
        text = f"{check.measured:.6g}" if check.predicted else f"{check.measured:.0e}"
        axes.annotate(text, (x - 0.11, check.predicted), xytext=(0, -14), textcoords="offset points", ha="center")
    axes.plot([], [], color="black", label="law")
    axes.plot([], [], **markers(0, color="0.3"), label="trained, extrapolated in $1 / \\log t$")
    axes.plot([], [], **GREY, label="were it another formula")
    shares = " : ".join(f"{share:g}" for share in evidence.parameters["shares"])
    axes.set_xticks([-0.11, 0.89], [f"duals {shares}", "duals all equal"])
    axes.set(xlim=(-0.45, 1.75), ylabel=r"$\log t\,(\gamma^* - \min_i z_i \cdot w / |w|)$")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.1), fontsize=7.5)
    letter(axes, "D", f"margin: the gap's constant ({_share(unequal)})")


def _draw_steps(axes: Axes, evidence: Evidence) -> None:
    """Steps that leave 1 / e of an error, at the best step sizes, against the condition."""
    kappas = evidence.curves["kappas"]
    for i, name in enumerate(("alternating", "simultaneous")):
        axes.loglog(kappas, _steps(evidence.curves[name]), **line(i))
        (trained,) = named(evidence, f"{name}: contraction")
        (search,) = named(evidence, f"{name}: fastest")
        rho = named(evidence, "alternating: contraction")[0].predicted
        kappa = ((1 + rho) / (1 - rho)) ** 2
        axes.loglog(kappa, _steps(search.measured), linestyle="none", marker="x", color="black", markersize=8,
                    label="best of a search" if i else None, zorder=4)  # fmt: skip
        axes.loglog(kappa, _steps(trained.measured), **markers(i, markersize=7), label=f"{name} steps, trained")
    axes.loglog(kappas, _steps((kappas - 1) / (kappas + 1)), **GREY, label="alternating, without the roots")
    axes.annotate(r"$\propto \kappa$", (kappas[-6], _steps(evidence.curves["simultaneous"][-6])), xytext=(-26, 4),
                  textcoords="offset points")  # fmt: skip
    axes.annotate(r"$\propto \sqrt{\kappa}$", (kappas[-6], _steps(evidence.curves["alternating"][-6])), xytext=(-8, 8),
                  textcoords="offset points")  # fmt: skip
    axes.set(xlabel=r"condition $\kappa$ of the Gram matrix", ylabel="steps that leave $1/e$ of an error")
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "E", r"Minnorm's steps: a heavy ball if they alternate")


def _steps(contraction: Array | float) -> Array:
    return -1 / np.log(np.asarray(contraction))


def _draw_duals(axes: Axes, evidence: Evidence) -> None:
    """The plane of the two multipliers: their sum is the dual, their difference is the start's."""
    (total,) = named(evidence, "sum of")
    (kept,) = named(evidence, "difference of")
    (forgotten,) = controls(evidence, "forget")
    alpha = total.predicted
    first = np.array([0.0, alpha])
    axes.plot(first, alpha - first, **line(0), label=r"$\lambda_1 + \lambda_2 = \alpha$: all optimal")
    other = 2 * forgotten.measured - alpha  # the difference of another run, whose first multiplier was measured
    for i, (difference, style) in enumerate(((kept.predicted, "-"), (other, "--"))):
        at = np.array([max(0.0, difference), alpha])
        axes.plot(at, at - difference, **line(1, style, linewidth=0.9),
                  label=None if i else r"$\lambda_1 - \lambda_2$ kept from the start, two runs")  # fmt: skip
    ends = np.array([(total.measured + kept.measured) / 2, forgotten.measured])
    axes.plot(ends, total.measured - ends, **markers(1, markersize=8), label="trained: where each comes to rest")
    axes.plot(alpha / 2, alpha / 2, marker="X", color="0.5", markersize=8, linestyle="none",
              label="were the start forgotten")  # fmt: skip
    axes.set(xlabel=r"multiplier $\lambda_1$ of an example", ylabel=r"$\lambda_2$ of its duplicate")
    axes.set(xlim=(0, alpha), ylim=(0, 1.25 * alpha), aspect="equal")
    axes.legend(loc="upper left", fontsize=7, borderaxespad=0.1)
    letter(axes, "F", "a support vector twice: its dual is shared")


def _share(check: Check) -> str:
    """How finely the theorem's constant was tested."""
    return f"to {100 * (check.resolution or 0):.2g} %"


def _shade(i: int) -> str:
    return COLOURS[i % len(COLOURS)]
