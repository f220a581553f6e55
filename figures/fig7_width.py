"""Figure 7: distance to the minimum-norm solution against width, 500 to 10^9 (the paper's Figures 1 and 4)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import canvas, letter, line, markers
from theory.claims import Evidence

BLACK = "#000000"


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """The law through the trained networks, the printed bound above them, and the law's distribution."""
    figure = canvas(
        "Wider networks end nearer to the minimum-norm solution, by a law without parameters", evidence, height=6.8
    )
    left, right = figure.subfigures(1, 2, width_ratios=(1.35, 1))
    law, ratio = left.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    paper, iterations, distribution = right.subplots(3, 1, height_ratios=(1.5, 0.8, 1))
    near, far = evidence["imbalance.width_law"], evidence["min2021.theorem2"]
    _draw_law(law, near, far)
    _draw_ratio(ratio, near, far)
    _draw_paper(paper, near)
    _draw_iterations(iterations, near)
    _draw_distribution(distribution, near)
    return figure


def _draw_law(axes: Axes, near: Evidence, far: Evidence) -> None:
    law, bound, beyond = near.group("law"), far.group("bound"), far.group("beyond h0")
    label = r"law: $\sqrt{\frac{D-r}{h}}\,(1 + \|\hat\Theta\|^2)^{1/4}$"
    axes.loglog(law["widths"], law["distance"], **line(0), label=label)
    axes.loglog(bound["widths"], bound["distance"], **line(1, "--"), label="bound of Theorem 2")
    for i, (trained, label) in enumerate(
        ((near.curves, "trained, the paper's widths"), (beyond, r"trained, beyond $h_0$"))
    ):
        axes.loglog(*_each_run(trained["widths"], trained["distance"]), **markers(2 * i, color=BLACK), label=label)
    needed = beyond["width_needed"]
    axes.axvline(needed, color="0.5", linestyle=":")
    axes.text(needed * 1.2, axes.get_ylim()[1] / 2, r"$h_0$: Theorem 2 applies to its right", fontsize=8, va="top")
    axes.set(ylabel=r"$\|U V^\top(\infty) - \hat\Theta\|_F$")
    axes.legend(loc="lower left")
    letter(axes, "A", r"distance at the end of training, slope $-1/2$")


def _draw_ratio(axes: Axes, near: Evidence, far: Evidence) -> None:
    for i, trained in enumerate((near.curves, far.group("beyond h0"))):
        points = _each_run(trained["widths"], trained["distance_over_law"])
        axes.semilogx(*points, **markers(2 * i, color=BLACK))
    axes.axhline(1, **line(0))
    band = near.group("law")["band"]
    axes.axhspan(*band, color="#0072B2", alpha=0.12, linewidth=0, label=r"95 % of the $\chi^2$ law")
    axes.legend(loc="upper right")
    axes.set(xlabel=r"width $h$", ylabel="distance / law", ylim=(0.85, 1.25))


def _draw_paper(axes: Axes, near: Evidence) -> None:
    trained, law = near.group("against the inverse root"), near.group("law against the inverse root")
    labels = {"initial_unseen": r"start: $\|U_2 V^\top(0)\|_F$", "distance": r"end: $\|U V^\top - \hat\Theta\|_F$"}
    for i, (name, label) in enumerate(labels.items()):
        runs = near.group(f"runs: {name}")
        axes.errorbar(trained["x"], runs["mean"], runs["deviation"], capsize=3, **markers(2 * i), label=label)
    axes.plot(law["x"], law["distance"], **line(0), label="law")
    axes.plot(trained["x"], trained["law_given_V"], **line(1, ":"), label=r"law given $\|V(t)\|$")
    axes.set(xlabel=r"$h^{-1/2}$", xlim=(0, None), ylim=(0, 1.05))
    axes.legend(loc="upper left")
    letter(axes, "B", f"the paper's Figures 1 and 4 ({near.curves['distance'].shape[1]} runs)")


def _draw_iterations(axes: Axes, near: Evidence) -> None:
    widths, iterations = _each_run(near.curves["widths"], near.curves["iterations"])
    axes.semilogx(widths, iterations / 1e3, **markers(0, color=BLACK))
    axes.set(xlabel=r"width $h$", ylabel="iterations\n(thousands)")
    letter(axes, "C", r"iterations until $\frac{1}{n}\|Y - X U V^\top\|^2 < 10^{-8}$")


def _draw_distribution(axes: Axes, near: Evidence) -> None:
    law = near.group("chi squared")
    label = f"{law['drawn'].size} networks of width {near.parameters['width']}"
    axes.hist(law["drawn"], bins=40, density=True, color="0.8", edgecolor="0.5", linewidth=0.4, label=label)
    axes.plot(law["x"], law["density"], **line(0), label=rf"$\chi^2_{{{law['degrees_of_freedom']}}}$")
    axes.set(xlabel=r"$h^{2a}\,\mathrm{tr}[(V V^\top)^{-1} V U_2^\top U_2 V^\top]$", ylabel="density")
    axes.legend(loc="upper right")
    letter(axes, "D", "the law is exact at every width")


def _each_run(widths: np.ndarray, of_runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of every run: widths (W,) and what was measured (W, runs), flat."""
    return np.repeat(widths, of_runs.shape[1]), of_runs.ravel()
