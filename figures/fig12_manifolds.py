"""Figure 12: weight manifolds. Ranges of norms and their scales, noise under three schedules, every rate predicted."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

MANIFOLDS = ("sphere", "oblique", "Stiefel")
NORMS = ("Frobenius", "spectral", "(2,1)", "nuclear")
SCHEDULES = {"constant": r"$g_t = g$", "c / t": r"$g_t = c/(t + a)$", "c / t^2": r"$g_t = c/(t + a)^2$"}
STYLES = ("-", "--", "-.")
PROBLEMS = {
    "Rayleigh, sphere": ("manifolds.rayleigh", "fine-grained"),
    "Brockett, Stiefel": ("manifolds.brockett", "exponential"),
    "Brockett, retraction": ("manifolds.brockett", "retraction"),
    "rank-one network, two spheres": ("manifolds.rank_one_product", "product"),
    "linear layer, oblique": ("manifolds.oblique", "columns"),
}


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Norms before and after scaling, the noise laws, and measured against predicted contraction."""
    title = "Weights on manifolds: norms have known ranges, noise a known law, and every mode its own rate"
    figure = canvas(title, evidence, width=15.0, height=8.4)
    upper, lower = ("noise", "rates"), ("noise_residual", "rates_residual")
    panels = figure.subplot_mosaic([["before", *upper], ["before", *upper], ["after", *upper], ["after", *lower]])
    norms = evidence["ozay2019.norm_ranges"]
    _draw_norms(panels["before"], norms, ("range", "drawn", "found"))
    rows, columns = norms.parameters["rows"], norms.parameters["columns"]
    letter(
        panels["before"], "A", rf"norms of all points, ${rows} \times {columns}$: bars exact range, markers attained"
    )
    panels["before"].set(ylabel="norm", xticklabels=[])
    panels["before"].legend(loc="upper left", ncols=3, columnspacing=1.2, handlelength=1.5)
    panels["before"].set_ylim(0, 1.3 * columns)
    _draw_norms(panels["after"], norms, ("scaled_range", "scaled_drawn", "scaled_found"))
    panels["after"].axhline(1, color="0.3", linestyle=":")
    letter(panels["after"], "B", r"scaled by $\gamma$: all at most 1, and tight")
    panels["after"].set(ylabel=r"norm $\times\ \gamma$", ylim=(0, 1.15))
    noise = evidence["ozay2019.noise_laws"]
    _draw_noise(panels["noise"], noise)
    _draw_noise_residual(panels["noise_residual"], noise)
    _draw_rates(panels["rates"], panels["rates_residual"], evidence)
    return figure


def _draw_norms(axes: Axes, evidence: Evidence, names: tuple[str, str, str]) -> None:
    """A bar from the least to the greatest value of each norm, drawn points on it, its ends found."""
    for i, manifold in enumerate(MANIFOLDS):
        ends, drawn, found = (evidence.group(manifold)[name] for name in names)
        at = np.arange(len(NORMS)) + 0.26 * (i - 1)
        axes.vlines(at, *ends.T, color=COLOURS[i], linewidth=7, alpha=0.35)
        axes.plot(np.repeat(at[:, None], drawn.shape[1], 1), drawn, ",", color=COLOURS[i])
        axes.plot(np.repeat(at, 2), found.ravel(), **markers(i), label=f"{manifold}")
    axes.set_xticks(np.arange(len(NORMS)), NORMS)


def _draw_noise(axes: Axes, evidence: Evidence) -> None:
    for i, (name, label) in enumerate(SCHEDULES.items()):
        curves = evidence.group(name)
        axes.loglog(curves["times"], curves["exact"], **line(i, STYLES[i]))
        axes.loglog(curves["t"], curves["measured"], **markers(i), label=label)
    axes.set(ylabel=r"$E\,\theta^2$ (squared angle to the minimiser)", xlim=(0.9, 1.2 * curves["t"][-1]))
    axes.tick_params(labelbottom=False)
    axes.legend(loc="lower left", title="lines: exact law; markers: chains (torch)")
    letter(axes, "C", r"noise: only $\sum g_t = \infty,\ \sum g_t^2 < \infty$ lets it die")


def _draw_noise_residual(axes: Axes, evidence: Evidence) -> None:
    for i, name in enumerate(SCHEDULES):
        curves = evidence.group(name)
        beside = curves["t"] * 1.06 ** (i - 1)
        axes.errorbar(beside, curves["off"], curves["error"], elinewidth=0.8, **markers(i))
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set(xscale="log", xlabel="steps", ylabel="chains / law\n$- 1$ (%)", ylim=(-10, 10))
    axes.set(xlim=(0.9, 1.2 * curves["t"][-1]))


def _draw_rates(axes: Axes, residual: Axes, evidence: Mapping[str, Evidence]) -> None:
    predicted = [evidence[claim].group(name)["predicted"].max() for claim, name in PROBLEMS.values()]
    most = max(0.8, 1.1 * max(predicted))
    axes.plot([0, most], [0, most], color="0.3", linewidth=0.8)
    for i, (label, (claim, name)) in enumerate(PROBLEMS.items()):
        curves = evidence[claim].group(name)
        axes.plot(curves["predicted"], curves["measured"], **markers(i), label=label)
        residual.semilogy(curves["predicted"], curves["distance"], **markers(i))
    axes.set(ylabel=r"measured: 1 $-$ contraction of a step", xlim=(0, most), ylim=(0, most))
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper left", title="line: theory; one marker a mode (torch)")
    residual.set(xlim=axes.get_xlim(), xlabel=r"predicted: learning rate $\times$ Hessian eigenvalue")
    residual.set(ylabel="|measured\n$-$ predicted|", ylim=(1e-13, 1e-8))
    letter(axes, "D", "every mode of every solvable problem on the diagonal")
