"""Figure 36: the kernel of wide two-layer networks: how fast it settles, when it is singular, and what it foretells."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY, controls, named
from figures.ratios import percents, ratios
from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

BOUNDS = ("hoeffding", "markov", "printed", "chernoff")


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Deviation by width, widths asked for, eigenvalues, near-parallel inputs, null vectors, and laws of training."""
    title = "The kernel at the start: its error falls as the root of the width; it is singular where inputs meet"
    figure = canvas(title, evidence, width=14.0, height=9.0)
    panels = figure.subplot_mosaic(
        [
            ["deviation", "widths", "least"],
            ["deviation apart", "widths", "least"],
            ["parallel", "null", "laws"],
        ],
        height_ratios=(3, 1.4, 4.2),
    )
    _draw_deviation(panels["deviation"], panels["deviation apart"], evidence["kernel.gram_deviation"])
    _draw_widths(panels["widths"], evidence["du2019.lemma_3_1"])
    _draw_least(panels["least"], evidence["du2019.theorem_3_1"])
    _draw_parallel(panels["parallel"], evidence["kernel.near_parallel"])
    _draw_null(panels["null"], evidence["kernel.null_space"])
    _draw_laws(panels["laws"], evidence)
    return figure


def _draw_deviation(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    widths, norms = evidence.curves["widths"], evidence.curves["norms"]
    size = np.sqrt(np.square(norms).mean(1))
    low, high = np.quantile(norms, [0.1, 0.9], axis=1)
    axes.fill_between(widths, low, high, color=COLOURS[0], alpha=0.15, linewidth=0)
    axes.loglog(widths, size[0] * np.sqrt(widths[0] / widths), **line(0), label=r"slope $-\frac{1}{2}$")
    axes.loglog(widths, size, **markers(0), label=f"{norms.shape[1]} networks (band: middle 80 %)")
    axes.loglog(widths, size[0] * widths[0] / widths, **GREY, label="were it to fall like $1 / m$")
    axes.set(ylabel=r"$\|H(W) - H^\infty\|$")
    axes.legend(loc="lower left", fontsize=7.5)
    for check in named(evidence, "over its law"):
        at = float(check.case.removeprefix("m = "))
        residual.errorbar(at, check.measured, yerr=check.tolerance, elinewidth=1.1, capsize=2.5, **markers(1))
    residual.axhline(1, color="black", linewidth=0.9)
    for check in controls(evidence, "p in place", "10 % more"):
        residual.axhline(1 + percents(check) / 100, **(GREY | {"linewidth": 0.8}))
    residual.annotate("$p$ for $p (1 - p)$", (1, 0.58), xytext=(0, 3), textcoords="offset points", fontsize=7.5,
                      color="0.35")  # fmt: skip
    residual.set(xscale="log", xlabel="width $m$", ylabel="mean square\n/ law", ylim=(0.5, 1.15))
    letter(axes, "A", "the kernel of a network, by its width")


def _draw_widths(axes: Axes, evidence: Evidence) -> None:
    needed = named(evidence, "Markov: width")[0].measured
    for y, name in enumerate(BOUNDS):
        bound = float(evidence.curves[name])
        axes.plot([needed, bound], [y, y], **(GREY | {"linewidth": 0.9}))
        axes.plot(bound, y, marker="|", markersize=18, markeredgewidth=2, color=COLOURS[0], linestyle="none")
        axes.annotate(f"{bound / needed:.1f} times", (bound, y), xytext=(8, 0), va="center", textcoords="offset points")
    axes.axvline(needed, color=COLOURS[1], linewidth=1.4, label="needed by four networks of five")
    axes.plot([], [], marker="|", markersize=12, markeredgewidth=2, color=COLOURS[0], linestyle="none",
              label="width that the lemma asks for, by its proof")  # fmt: skip
    texts = {"printed": "Hoeffding,\nas printed", "hoeffding": "Hoeffding", "markov": "Markov", "chernoff": "Chernoff"}
    axes.set_yticks(range(len(BOUNDS)), [texts[name] for name in BOUNDS])
    axes.set(xscale="log", xlabel="width $m$", ylim=(len(BOUNDS) - 0.4, -1.5), xlim=(500, 60_000))
    axes.grid(visible=False, axis="y")
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "B", "Lemma 3.1: enough, and how much more than enough")


def _draw_least(axes: Axes, evidence: Evidence) -> None:
    least = evidence.curves["least"]
    (ray,) = controls(evidence, "on one ray")
    axes.hist(least, 30, color=COLOURS[0], alpha=0.55, label=f"{least.size} sets of inputs, no two parallel")
    axes.axvline(ray.measured, **GREY, label="two inputs on one ray")
    axes.set(xlabel=r"least eigenvalue $\lambda_0$ of $H^\infty$", ylabel="sets", xlim=(-0.02, None))
    axes.legend(loc="upper right", fontsize=7.5)
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])
    (entry,) = named(evidence, "H(W) of all")
    letter(axes, "C", f"Theorem 3.1: $\\lambda_0 > 0$; $H$'s entries to {100 * (entry.resolution or 0):.1g} %")


def _draw_parallel(axes: Axes, evidence: Evidence) -> None:
    angles, least = evidence.curves["angles"], evidence.curves["least"]
    at = np.geomspace(angles.min() / 3, angles.max() * 3, 20)
    axes.loglog(at, at / (2 * np.pi), **line(0), label=r"$\theta / 2 \pi$")
    axes.loglog(angles, least, **markers(0, markersize=7), label=r"$\lambda_0$ of inputs, one pair at $\theta$")
    axes.loglog(at, at / np.pi, **GREY, label=r"$\theta / \pi$")
    axes.loglog(at, at**2 / (2 * np.pi), **(GREY | {"linestyle": ":"}), label=r"$\theta^2 / 2 \pi$, were it smooth")
    axes.set(xlabel=r"angle $\theta$ of the pair", ylabel=r"least eigenvalue $\lambda_0$")
    axes.legend(loc="upper left", fontsize=7.5)
    axes.set_ylim(top=axes.get_ylim()[1] * 300)
    letter(axes, "D", "inputs that nearly meet: linear in their angle")


def _draw_null(axes: Axes, evidence: Evidence) -> None:
    """Null vectors of the kernel, by pairs of opposite inputs; and the loss that is left with them."""
    inputs = evidence.parameters["inputs"]
    counts = [c for c in named(evidence, "pairs: null vectors") if c.case.split()[0].isdigit()]
    pairs = [int(check.case.split()[0]) for check in counts]
    at = np.linspace(0, max(pairs) + 0.5, 50)
    axes.plot(at, np.maximum(at - inputs, 0), **line(0), label=f"pairs less dimensions, $k - {inputs}$")
    axes.plot(pairs, [check.measured for check in counts], **markers(0, markersize=7), label="null vectors of $H$")
    axes.plot(at, at, **GREY, label="were each pair to make one")
    for k in pairs:
        (left,) = named(evidence, f"{k} pairs: |y - u|")
        text = f"{left.measured:.3g}" if left.measured > 1e-3 else "0"
        axes.annotate(f"loss left: {text}", (k, max(k - inputs, 0)), xytext=(4, -15), fontsize=7.5,
                      textcoords="offset points")  # fmt: skip
    axes.set_xticks(pairs)
    axes.set(xlabel=f"opposite pairs $\\pm x$ of inputs in {inputs} dimensions", ylabel="null vectors")
    axes.set(ylim=(-0.9, 7.5), xlim=(0, max(pairs) + 0.9))
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "E", "opposite inputs: what no network can fit")


def _draw_laws(axes: Axes, evidence: Mapping[str, Evidence]) -> None:
    lazy, start, step = (evidence[f"kernel.{name}"] for name in ("lazy_limit", "residual_at_start", "longest_step"))
    near, bound, flow = evidence["kernel.near_parallel"], evidence["du2019.lemma_3_2"], evidence["du2019.theorem_3_2"]
    (slow,) = named(flow, "slowest mode")
    ratios(
        axes,
        {
            "movement of\nall weights": (named(lazy, "|W(k)"), controls(lazy, "a movement")),
            "of one,\nmean, farthest": (named(lazy, "mean move", "farthest move"), controls(lazy, "a farthest")),
            "deviation after\na step": (named(lazy, "|deviation"), controls(lazy, "1 / m")),
            "outputs\nat the start": (named(start, "over its law"), controls(start, "|y|^2 + n", "the kernel H")),
            "longest step": (named(step, "longest step over"), controls(step, "2 / lambda")),
            "rate of a\nnear pair": (named(near, "rate of"), controls(near, "10 %")),
            "worst drop,\nLemma 3.2": (named(bound, "worst drop"), controls(bound, "20 %")),
        },
    )
    axes.set(xlim=(-60, 5000))
    times = 1 + (slow.resolution or 0)
    axes.annotate(f"Theorem 3.2: holds up to\n{times:.2f} times its rate", (0.97, 0.04), ha="right", va="bottom",
                  xycoords="axes fraction", fontsize=7.5)  # fmt: skip
    letter(axes, "F", "what it foretells of training")
