"""Figure 10: hyperspherical energy at a random start, where it is nearly the least, and the cosines in training."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

METHODS = {  # colour, marker, label
    "plain": (6, "X", "plain descent on $W$"),
    "penalty": (3, "D", "squared penalty"),
    "two_iterations": (1, "s", "published step, two iterations"),
    "exact_steps": (5, "P", "Cayley step"),
    "gram_schmidt": (0, "o", "Gram-Schmidt"),
    "loewdin": (2, "^", "Löwdin"),
    "householder": (4, "v", "Householder"),
    "cayley": (6, "+", "Cayley map"),
    "matrix_exp": (3, "x", "exponential"),
}
DOTS = markers(0, color="0.35", markersize=2.5, markeredgewidth=0.6)


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Energy against width with its exact mean, band and minima; ratio to the least; drift of the Gram matrix."""
    figure = canvas(
        "Rotations keep the energy of a random start; it is nearly the least one only where $s < d - 1$",
        evidence,
        width=15.8,
        height=6.4,
    )
    panels = figure.subplot_mosaic(
        [["energy", "ratio", "drift"], ["score", "ratio", "drift"]], height_ratios=(3, 1), width_ratios=(1.1, 1, 1.1)
    )
    start = evidence["liu2021.energy_at_random_start"]
    _draw_energy(panels["energy"], start, evidence["liu2021.energy_minima"])
    _draw_score(panels["score"], start)
    _draw_ratio(panels["ratio"], evidence["liu2021.asymptotic_minimality"])
    _draw_drift(panels["drift"], evidence["liu2021.training"])
    return figure


def _draw_energy(axes: Axes, start: Evidence, least: Evidence) -> None:
    exact, drawn, d = start.group("exact"), start.group("drawn"), start.parameters["inputs"]
    axes.semilogx(exact["widths"], exact["mean"], **line(0), label=rf"exact mean $\mu_1({d})$")
    band = {"color": COLOURS[0], "alpha": 0.13, "linewidth": 0}
    axes.fill_between(exact["widths"], exact["low"], exact["high"], **band, label=r"exact $\pm 2\sigma$")
    axes.semilogx(drawn["widths"], drawn["energy"], **DOTS, label="random starts")
    simplex, polytope, found = (least.group(name) for name in ("simplex", "cross-polytope", "found"))
    axes.semilogx(simplex["widths"], simplex["energy"], **line(1), label="exact minimum (simplex, cross-polytope)")
    bar = {"linestyle": "none", "marker": "_", "markersize": 12, "color": COLOURS[1]}
    axes.semilogx(polytope["widths"], polytope["energy"], **bar)
    axes.semilogx(found["widths"], found["energy"], **markers(1), label="least found by descent")
    axes.set(ylabel=r"energy a pair, $E_1 / N(N-1)$", ylim=(0.45, 1.2))
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper right")
    letter(axes, "A", f"random layers of $N$ neurons, $d = {d}$ inputs, $s = 1$")


def _draw_score(axes: Axes, start: Evidence) -> None:
    drawn = start.group("drawn")
    axes.axhspan(-2, 2, color=COLOURS[0], alpha=0.13, linewidth=0)
    axes.axhline(0, **line(0))
    axes.semilogx(drawn["widths"], drawn["score"], **DOTS)
    axes.set(xlabel="neurons $N$", ylabel="(energy $-$ mean)\n/ standard deviation", ylim=(-4, 6))


def _draw_ratio(axes: Axes, asymptotic: Evidence) -> None:
    N = asymptotic.curves["widths"]
    axes.loglog(N, asymptotic.curves["proved"], **line(0), label="$s = 1$: bound proved")
    axes.loglog(N, asymptotic.group("s = 1")["excess"], **markers(0), label="$s = 1$: mean / least")
    axes.loglog(N, asymptotic.group("s = 0")["excess"], **markers(2), label="$s = 0$: mean / least")
    axes.loglog(N, asymptotic.group("s = 2")["excess"], **markers(4), label="$s = 2 = d - 1$: median / least")
    axes.loglog(N, asymptotic.curves["levy"], **line(1), label="$s = 4$: median of the Lévy law / least")
    axes.loglog(N, asymptotic.group("s = 4")["excess"], **markers(1), label="$s = 4$: median / least")
    axes.text(N[-1], 8, r"$s \geq 2$: mean infinite", fontsize=8, ha="right")
    axes.set(xlabel="neurons $N$", ylabel="|random start / least energy $-$ 1|", ylim=(0.03, 4e4))
    axes.legend(loc="upper left")
    letter(axes, "B", "$d = 3$: falls for $s < 2$, not at 2, rises beyond")


def _draw_drift(axes: Axes, training: Evidence) -> None:
    t = training.curves["t"]
    for i, (method, (colour, marker, label)) in enumerate(METHODS.items()):
        drift = training.group(method)["drift"]
        shown = slice(1 + i % 4, None, max(len(t) // 12, 1))
        axes.semilogy(t[1:], drift[1:], **line(colour, linewidth=0.8))
        axes.semilogy(t[shown], drift[shown], **markers(colour, marker=marker), label=label)
    predicted = training.group("two_iterations")["predicted"]
    axes.semilogy(t[1:], predicted[1:], **line(6, "--"), label="published step: predicted")
    axes.set(xlabel=r"$t$ = step $\times$ learning rate", ylabel=r"largest change of an entry of $W^\top W$")
    axes.set_ylim(5e-17, 1e5)
    axes.legend(loc="upper right", ncols=2)
    letter(axes, "C", "neurons through training")
