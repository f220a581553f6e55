"""Figure 26: Minnorm as a method for any network. Which steps are stable, and what multipliers and weights end as."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY, ROUNDING, WRONG, apart, controls, diagonal, named
from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Check, Evidence
from theory.core.arrays import Array
from theory.minnorm.stability import Mode, critical_augmentation, largest_learning_rate, linear_chain

ORDERS = ("simultaneous", "alternating")
SINGULAR_VALUES = np.linspace(1.5, 0.8, 4)  # of the examples of the regression, in six dimensions
TRIED = 0.5  # the learning rate at which its critical augmentation is looked for
CHAIN = 0.1  # both learning rates of the chain
DEGREES = {"|w|^2": 1, "|theta|^2 = 2": 2, "|theta|^2 = 3": 3}


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Regions of stable steps, their edges found by training; norms against multipliers; closed forms."""
    title = "Minnorm around any network: stable just where two inequalities say so, and it ends where theory says"
    figure = canvas(title, evidence, width=12.5, height=9.4)
    panels = figure.subplot_mosaic(
        [["regression", "chain"], ["degrees", "closed"], ["degrees apart", "closed apart"]], height_ratios=(4, 3.2, 1.3)
    )
    stable, method = evidence["minnorm.stable_range"], evidence["minnorm.method"]
    _draw_regression(panels["regression"], stable)
    _draw_chain(panels["chain"], stable)
    _draw_degrees(panels["degrees"], panels["degrees apart"], method)
    _draw_closed_forms(panels["closed"], panels["closed apart"], method, stable)
    return figure


def _draw_regression(axes: Axes, evidence: Evidence) -> None:
    """Least-norm regression: for each augmentation the largest learning rate of the weights."""
    B, c = evidence.parameters["integration"], evidence.parameters["augmentation"]
    modes = [Mode(1.0, 0.0), *(Mode(1.0, s**2) for s in SINGULAR_VALUES)]
    _regions(axes, modes, B, (-0.5, 1.1))
    for i, order in enumerate(ORDERS):
        edge = _edge(evidence, f"{order}: largest")
        axes.errorbar(c, edge.measured, yerr=edge.tolerance, capsize=2, **markers(i, zorder=3, markersize=6))
    edge = _edge(evidence, "simultaneous: critical")
    axes.errorbar(edge.measured, TRIED, xerr=edge.tolerance, capsize=2, **markers(0, zorder=3, markersize=6))
    axes.set(xlabel="augmentation $c$", ylabel="learning rate $A$ of the weights", ylim=(0, 2.9))
    axes.legend(loc="upper right", title="lines: theory; markers: edges that training finds")
    letter(axes, "A", f"least-norm regression, learning rate $B = {B:g}$ of the multipliers")


def _draw_chain(axes: Axes, evidence: Evidence) -> None:
    target = evidence.parameters["target"]
    _regions(axes, linear_chain(3, target), CHAIN, (0.0, 0.7))
    for i, order in enumerate(ORDERS):
        edge = _edge(evidence, f"{order}: chain")
        axes.errorbar(edge.measured, CHAIN, xerr=edge.tolerance, capsize=2, **markers(i, zorder=3, markersize=6))
    axes.set(xlabel="augmentation $c$", ylabel="learning rate $A$ of the weights", ylim=(0, 1.5))
    axes.legend(loc="upper right", title="lines: theory; markers: edges that training finds")
    letter(axes, "B", f"three weights whose product is {target:g}, $B = {CHAIN:g}$")


def _regions(axes: Axes, modes: Sequence[Mode], B: float, span: tuple[float, float]) -> None:
    """Where steps are stable, of both orders: alternating steps feel c + B; and the region moved by 5 %."""
    critical = critical_augmentation(modes, B)
    for i, (order, added) in enumerate(zip(ORDERS, (0.0, B))):
        c, largest = _boundary(modes, B, added, span[1])
        axes.plot(c, largest, **line(i, ("-", "--")[i], linewidth=1.6), label=f"{order} steps: stable in here")
        axes.fill_between(c, 0, largest, color=COLOURS[i], alpha=0.08, linewidth=0)
        axes.plot(c + 0.05 * abs(critical - added), 1.05 * largest, **(GREY | {"linestyle": ":"}))
    axes.plot([], [], **(GREY | {"linestyle": ":"}), label="5 % larger")
    axes.set_xlim(*span)


def _boundary(modes: Sequence[Mode], B: float, added: float, last: float) -> tuple[Array, Array]:
    """(c, A): up at the critical augmentation, then down along the largest learning rate."""
    critical = critical_augmentation(modes, B) - added
    c = critical + np.geomspace(1e-6, last - critical, 200)
    largest = np.array([largest_learning_rate(modes, B, value + added) for value in c])
    return np.append(c[0], c), np.append(0.0, largest)


def _edge(evidence: Evidence, label: str) -> Check:
    return next(c for c in evidence.checks if c.kind == "rate" and c.label.startswith(label))


def _draw_degrees(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    """|theta|^2 against the sum of the multipliers: a line of slope L for a network of degree L."""
    most = 0.0
    names = ("linear model", "two linear layers", "squared rectifier")
    for i, ((words, degree), name) in enumerate(zip(DEGREES.items(), names)):
        for check in named(evidence, words):
            total = check.predicted / degree
            most = max(most, 1.25 * total)
            axes.plot(total, check.measured, **markers(i, markersize=6))
            residual.semilogy(total, max(apart(check) / check.predicted, ROUNDING), **markers(i))
        axes.plot([], [], **markers(i, linestyle="-"), label=f"$L = {degree}$: {name}")
    for i, degree in enumerate(DEGREES.values()):
        axes.plot([0, most], [0, degree * most], **line(i, linewidth=1.0))
    for word, degree in (("degree 3", 3), ("degree 2", 2), ("bias", 2)):
        for check in controls(evidence, word):
            total = check.predicted / degree
            axes.plot([total] * 2, [check.measured, check.predicted], **GREY)
            axes.plot(total, check.predicted, **WRONG)
            if word == "bias":
                axes.plot(total, check.measured, **markers(1, marker="v"))
            residual.semilogy(total, apart(check) / check.predicted, **WRONG)
    axes.plot([], [], **markers(1, marker="v"), label="with a bias: not homogeneous")
    axes.plot([], [], **WRONG, label="another degree")
    axes.tick_params(labelbottom=False)
    axes.set(ylabel=r"$|\theta|^2$, trained", xlim=(0, most), ylim=(0, None))
    axes.legend(loc="upper left")
    residual.set(xlabel=r"$\Sigma\, \lambda_i$, trained", ylabel="relative\ndifference", xlim=axes.get_xlim())
    letter(axes, "C", r"at the end $|\theta|^2 = L \Sigma\, \lambda_i$")


def _draw_closed_forms(axes: Axes, residual: Axes, method: Evidence, stable: Evidence) -> None:
    series = {
        "descent with weight decay, by hand": named(method, "SGD with"),
        "alternating is simultaneous, $c + B$": named(method, "alternating steps"),
        "multipliers: duals": named(method, "duals of"),
        "powers of the modes' matrices": named(stable, "powers"),
    }
    wrong = [c for c in controls(method, "removed", "projected", "shuffled", "augmentation c", "duals without")]
    diagonal(axes, residual, series, [check for check in wrong if abs(check.measured) < 3])
    axes.legend(loc="upper left", fontsize=7.5, labelspacing=0.35)
    letter(axes, "D", "the wrapper's steps and multipliers, worst entry of each")
