"""Figure 7: distance to the minimum-norm solution against width, 500 to 10^9 (the paper's Figures 1 and 4)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from figures.style import canvas, letter, line, markers
from theory.claims import Evidence


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """The law through the trained networks, the printed bound above them, and the law's distribution."""
    figure = canvas(
        "Wider networks end nearer to the minimum-norm solution, by a law without parameters", evidence, height=6.8
    )
    left, right = figure.subfigures(1, 2, width_ratios=(1.35, 1))
    law, ratio = left.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    paper, iterations, distribution = right.subplots(3, 1, height_ratios=(1.5, 0.8, 1))
    near, far = evidence["imbalance.width_law"].curves, evidence["min2021.theorem2"].curves
    _draw_law(law, near, far)
    _draw_ratio(ratio, near, far)
    _draw_paper(paper, near)
    _draw_iterations(iterations, near)
    _draw_distribution(distribution, near)
    return figure


def _draw_law(axes: Axes, near: Mapping[str, np.ndarray], far: Mapping[str, np.ndarray]) -> None:
    law = r"law: $\sqrt{\frac{D-r}{h}}\,(1 + \|\hat\Theta\|^2)^{1/4}$"
    axes.loglog(near["law_widths"], near["law"], **line(0), label=law)
    axes.loglog(far["bound_widths"], far["printed_bound"], **line(1, "--"), label="bound of Theorem 2")
    for i, (widths, distance, label) in enumerate(
        (
            (near["widths"], near["distance"], "trained, the paper's widths"),
            (far["wide_widths"], far["wide_distance"], r"trained, beyond $h_0$"),
        )
    ):
        runs = distance.shape[1]
        axes.loglog(np.repeat(widths, runs), distance.ravel(), **markers(2 * i, color="#000000"), label=label)
    axes.axvline(far["widths_needed"][1], color="0.5", linestyle=":")
    axes.text(
        far["widths_needed"][1] * 1.2,
        axes.get_ylim()[1] / 2,
        r"$h_0$: Theorem 2 applies to its right",
        fontsize=8,
        va="top",
    )
    axes.set(ylabel=r"$\|U V^\top(\infty) - \hat\Theta\|_F$")
    axes.legend(loc="lower left")
    letter(axes, "A", r"distance at the end of training, slope $-1/2$")


def _draw_ratio(axes: Axes, near: Mapping[str, np.ndarray], far: Mapping[str, np.ndarray]) -> None:
    for i, (widths, ratio) in enumerate(
        (
            (near["widths"], near["distance"] / near["law_at_widths"][:, None]),
            (far["wide_widths"], far["wide_distance"] / far["wide_law_at_widths"][:, None]),
        )
    ):
        axes.semilogx(np.repeat(widths, ratio.shape[1]), ratio.ravel(), **markers(2 * i, color="#000000"))
    axes.axhline(1, **line(0))
    axes.axhspan(*near["law_band"], color="#0072B2", alpha=0.12, linewidth=0, label=r"95 % of the $\chi^2$ law")
    axes.legend(loc="upper right")
    axes.set(xlabel=r"width $h$", ylabel="distance / law", ylim=(0.85, 1.25))


def _draw_paper(axes: Axes, near: Mapping[str, np.ndarray]) -> None:
    x = near["widths"] ** -0.5
    labels = {"initial_unseen": r"start: $\|U_2 V^\top(0)\|_F$", "distance": r"end: $\|U V^\top - \hat\Theta\|_F$"}
    for i, (name, label) in enumerate(labels.items()):
        mean, spread = near[name].mean(1), near[name].std(1, ddof=1)
        axes.errorbar(x, mean, spread, capsize=3, **markers(2 * i), label=label)
    inside = (near["law_widths"] >= 490) & (near["law_widths"] <= 1.2e4)
    axes.plot(near["law_widths"][inside] ** -0.5, near["law"][inside], **line(0), label="law")
    axes.plot(x, near["law_given_V"].mean(1), **line(1, ":"), label=r"law given $\|V(t)\|$")
    axes.set(xlabel=r"$h^{-1/2}$", xlim=(0, None), ylim=(0, 1.05))
    axes.legend(loc="upper left")
    letter(axes, "B", f"the paper's Figures 1 and 4 ({near['distance'].shape[1]} runs)")


def _draw_iterations(axes: Axes, near: Mapping[str, np.ndarray]) -> None:
    runs = near["iterations"].shape[1]
    axes.semilogx(np.repeat(near["widths"], runs), near["iterations"].ravel() / 1e3, **markers(0, color="#000000"))
    axes.set(xlabel=r"width $h$", ylabel="iterations\n(thousands)")
    letter(axes, "C", r"iterations until $\frac{1}{n}\|Y - X U V^\top\|^2 < 10^{-8}$")


def _draw_distribution(axes: Axes, near: Mapping[str, np.ndarray]) -> None:
    degrees = float(near["degrees_of_freedom"])
    law = stats.chi2(degrees)
    x = np.linspace(law.ppf(1e-4), law.ppf(1 - 1e-4), 200)
    axes.hist(
        near["chi_squared"],
        bins=40,
        density=True,
        color="0.8",
        edgecolor="0.5",
        linewidth=0.4,
        label=f"{near['chi_squared'].size} networks of width 16",
    )
    axes.plot(x, law.pdf(x), **line(0), label=rf"$\chi^2_{{{degrees:.0f}}}$")
    axes.set(xlabel=r"$h^{2a}\,\mathrm{tr}[(V V^\top)^{-1} V U_2^\top U_2 V^\top]$", ylabel="density")
    axes.legend(loc="upper right")
    letter(axes, "D", "the law is exact at every width")
