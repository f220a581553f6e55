"""Figure 15: sums of powers. What lazy training leaves, and what components find that start tiny."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures.style import canvas, letter, line, markers
from theory.claims import Evidence

CONTROL = {"color": "0.6", "linestyle": "--", "linewidth": 1.1}


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """What is left against m / m*, coupons, power methods, the limit alpha -> infinity, and where training is stuck."""
    title = (
        "Lazy training needs m* components, of the order d^(l-1); from a tiny start a few components find a few terms"
    )
    figure = canvas(title, evidence, width=13.5, height=8.6)
    panels = figure.subplot_mosaic([["lazy", "lazy", "coupons"], ["power", "limit", "stuck"]])
    _draw_lazy(panels["lazy"], evidence["wang2020.lazy_training"], evidence["wang2020.beyond_lazy"])
    _draw_coupons(panels["coupons"], evidence["tensor.coupons"])
    _draw_power(panels["power"], evidence["tensor.power_method"])
    _draw_limit(panels["limit"], evidence["tensor.lazy_limit"])
    _draw_stuck(panels["stuck"], evidence["wang2020.stuck"])
    return figure


def _draw_lazy(axes: Axes, lazy: Evidence, beyond: Evidence) -> None:
    axes.plot([0, 1, 1.1], [1, 0, 0], **line(6), label="law, targets without structure: $1 - m d / D$")
    kinds = zip(lazy.parameters["orders"], lazy.parameters["inputs"])
    for i, (l, d) in enumerate(kinds):
        curves = lazy.group(f"l = {l}, d = {d}")
        spread = np.array([curves["means"] - curves["low"], curves["high"] - curves["means"]])
        label = f"lazily trained, $l = {l}$, $d = {d}$ (bars: 90 % of targets)"
        axes.errorbar(curves["directions"], curves["means"], spread, capsize=3, **markers(i, label=label))
    at = beyond.curves["m"] * beyond.parameters["inputs"][-1] / beyond.curves["D"]
    order, terms, inputs = (beyond.parameters[name] for name in ("order", "terms", "inputs"))
    of_terms = f"{terms} terms, $l = {order}$, $d = {inputs[-1]}$, $m = {int(beyond.curves['m'])}$"
    lazily, trained = beyond.curves["lazy"], beyond.curves["trained"]
    axes.plot(np.full(len(lazily), at), lazily, **markers(2, color="0.6"), label=f"control, lazily: {of_terms}")
    axes.plot(np.full(len(trained), at), trained, **markers(3), label=f"from a tiny start: {of_terms}")
    axes.set(
        xlabel="$m d / D$, which is $m / m^*$ but for rounding",
        ylabel=r"left of the target, $\|T - \mathrm{model}\|^2 / \|T\|^2$",
        ylim=(-0.04, 1.04),
    )
    axes.legend(loc="upper right")
    letter(axes, "A", "what is left of a target")


def _draw_coupons(axes: Axes, coupons: Evidence) -> None:
    for i, l in enumerate(coupons.parameters["orders"]):
        curves = coupons.group(f"l = {l}")
        axes.plot(curves["fine"], curves["law"], **line(i), label=f"law, $l = {l}$")
        found, runs = curves["found"], curves["runs"]
        spread = 2 * np.sqrt(found * (1 - found) / runs)
        axes.errorbar(curves["widths"], found, spread, capsize=3, **markers(i, label=f"trained, {int(runs)} runs each"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="components $m$", ylabel="share of runs that find all terms", ylim=(-0.03, 1.05))
    axes.legend(loc="lower right", title=f"$r = {coupons.parameters['terms']}$; of odd $l$ some components die")
    letter(axes, "B", "each component draws a coupon")


def _draw_power(axes: Axes, power: Evidence) -> None:
    l = power.parameters["orders"][0]
    curves, r = power.group(f"l = {l}"), power.parameters["terms"]
    shown = range(min(2, curves["basins"].size))
    for i in shown:
        for j in range(r):
            label = ("law", "trained") if j == 0 else (None, None)
            of = f", component {i + 1}" if j == 0 else ""
            axes.plot(curves["t"], curves["law"][:, i, j], **line(i), label=label[0] and label[0] + of)
            axes.plot(curves["t"], curves["directions"][:, i, j], **markers(i), label=label[1] and label[1] + of)
    axes.set(xlabel="time $t$", ylabel=r"correlations $u \cdot q_j / \|u\|$", ylim=(-1.1, 1.1))
    axes.legend(loc="lower right", ncols=2)
    letter(axes, "C", f"tiny components run power methods, $l = {l}$")


def _draw_limit(axes: Axes, limit: Evidence) -> None:
    curves = limit.curves
    for i in range(min(3, len(curves["limit"]))):
        off = np.abs(curves["left"][:, i] - curves["limit"][i])
        first = np.abs(curves["first"][i]) / curves["alphas"]
        axes.loglog(curves["alphas"], first, **line(i), label="law: first order" if i == 0 else None)
        axes.loglog(curves["alphas"], first / 2, label="control: half of it" if i == 0 else None, **CONTROL)
        axes.loglog(curves["alphas"], off, **markers(i), label=f"trained, target {i + 1}")
    axes.set(xlabel=r"scale $\alpha$", ylabel=r"$|\,\|T - \mathrm{model}\|^2 - \|T - P T\|^2\,|$")
    axes.legend(loc="lower left")
    letter(axes, "D", r"the lazy limit, slope $-1$")


def _draw_stuck(axes: Axes, stuck: Evidence) -> None:
    r, orders = stuck.parameters["terms"], stuck.parameters["orders"]
    for i, l in enumerate(orders):
        curves = stuck.group(f"l = {l}")
        k = np.arange(r + 1)
        counts = [np.mean(np.abs(curves["left"] * r - each) < 0.02) for each in k]
        axes.plot(k / r, curves["law"], **line(i), label=f"law, $l = {l}$")
        axes.plot(k / r, counts, **markers(i), label=f"trained, $l = {l}$")
    axes.set(xlabel="left of the target (multiples of $1/r$)", ylabel="share of runs", ylim=(-0.03, None))
    axes.legend(loc="upper right")
    letter(axes, "E", f"$m = r = {r}$: most runs get stuck")
