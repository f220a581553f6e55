"""Figure 38: gains that cover labels, distilled labels, and what lazy or stuck components leave of a tensor."""

from collections.abc import Mapping
from math import comb

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY, controls, diagonal, named, room
from figures.style import canvas, letter, line, markers
from theory.claims import Evidence
from theory.tensor.generic import tangent_dimension

COVERAGE, DISTILLATION, ROUND, GAINS = (
    "narasimhan2021.coverage",
    "narasimhan2021.distillation",
    "cost_sensitive.longest_round",
    "narasimhan2021.proposition_1",
)

SHOWN = ((3, 5), (4, 3), (4, 4))  # orders and inputs
CLASSICAL = 7  # components of the first, of which one dimension is missing


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Coverages round by round, regret by the teacher's share, optima, low rank, stuck points and their dimensions."""
    title = "Gains cover every label, a teacher that knows takes regret out, and lazy training cannot use low rank"
    figure = canvas(title, evidence, width=14.0, height=9.2)
    panels = figure.subplot_mosaic(
        [
            ["coverage", "distilled", "optima"],
            ["coverage", "distilled", "optima apart"],
            ["rank", "stuck", "dimensions"],
        ],
        height_ratios=(3, 1.3, 4),
    )
    _draw_coverage(panels["coverage"], evidence[COVERAGE])
    _draw_distilled(panels["distilled"], evidence[DISTILLATION])
    _draw_optima(panels["optima"], panels["optima apart"], evidence)
    _draw_rank(panels["rank"], evidence["tensor.low_rank_targets"])
    _draw_stuck(panels["stuck"], evidence["tensor.stuck_points"])
    _draw_dimensions(panels["dimensions"], evidence["tensor.tangent_space"])
    return figure


def _draw_coverage(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    rounds = np.arange(len(curves["coverages"]))
    shown = slice(None, None, 3)
    for j in range(curves["coverages"].shape[1]):
        axes.plot(rounds, curves["predicted"][:, j], **line(j))
        axes.plot(rounds[shown], curves["coverages"][shown, j], **markers(j), label=f"label {j + 1}")
    axes.axhline(curves["least"], color="black", linestyle=":", linewidth=1.1)
    axes.annotate("asked for", (rounds[-1], curves["least"]), xytext=(0, -11), ha="right", textcoords="offset points",
                  fontsize=8)  # fmt: skip
    (alone,) = controls(evidence, "diagonal of the gains alone")
    axes.axhline(alone.measured, **GREY, label="by the diagonal of the gains alone")
    axes.set(xlabel="rounds", ylabel="coverage: share of inputs given a label")
    room(axes, 0.35)
    axes.legend(loc="upper right", fontsize=7.5, title="lines: multipliers' law; markers: trained", title_fontsize=8)
    letter(axes, "A", "every label is covered as asked for")


def _draw_distilled(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    share = curves["shares"]
    axes.plot(share, curves["predicted"], **line(0), label="law, over all samples of labels")
    axes.plot(share, curves["found"], **markers(0, markersize=7), label="trained on each of them")
    (astray,) = controls(evidence, "any teacher")
    axes.plot(1, astray.measured, marker="X", color="0.5", linestyle="none", label="by a teacher that is wrong")
    axes.plot([0, 1], [curves["found"][0]] * 2, **GREY, label="regret of labels alone")
    axes.set_yscale("symlog", linthresh=1e-3)
    axes.set_yticks([0, 1e-3, 1e-2, 1e-1, 1], ["0", "0.001", "0.01", "0.1", "1"])
    axes.minorticks_off()
    axes.set(xlabel=r"share $\alpha$ of the teacher", ylabel="regret", ylim=(-1e-4, 20), xlim=(-0.05, 1.08))
    axes.legend(loc="upper right", fontsize=7.5)
    letter(axes, "B", "a teacher that knows the chances takes regret out")


def _draw_optima(axes: Axes, residual: Axes, evidence: Mapping[str, Evidence]) -> None:
    coverage, gains, rounds = evidence[COVERAGE], evidence[GAINS], evidence[ROUND]
    series = {
        "gain of the best labels": named(gains, "earned by the labels"),
        "mean recall, coverages at the end": named(coverage, "mean recall", "bound labels"),
        "modes of a round": named(rounds, "eigenvalues", "distance to"),
    }
    wrong = [
        *controls(gains, "5 % less"),
        *controls(coverage, "5 % larger", "multipliers 5 %"),
        *controls(rounds, "5 % larger", "densities"),
    ]
    diagonal(axes, residual, series, wrong)
    axes.legend(loc="upper left", fontsize=7.5)
    room(axes, 0.7)
    residual.set(xlabel="law")
    letter(axes, "C", "optima of gains, and steps of multipliers")


def _draw_rank(axes: Axes, evidence: Evidence) -> None:
    cases = list(dict.fromkeys(name.rsplit("/", 1)[0] for name in evidence.curves))
    ranks: dict[int, int] = {}
    for x, case in enumerate(cases):
        curves = evidence.group(case)
        r = int(curves["r"])
        axes.plot([x - 0.3, x + 0.3], [curves["law"]] * 2, color="black", label=None if x else "law")
        axes.plot([x - 0.3, x + 0.3], [curves["least"]] * 2, color="black", linestyle=":", linewidth=1.1,
                  label=None if x else "bound")  # fmt: skip
        label = f"trained, rank {r}" if r not in ranks else None
        ranks.setdefault(r, len(ranks))
        axes.plot(x, curves["left"], **markers(ranks[r], markersize=7), label=label)
    (attained,) = named(evidence, "orthonormal components")
    (higher,) = controls(evidence, "5 % higher")
    x = len(cases)
    axes.plot([x - 0.3, x + 0.3], [attained.predicted] * 2, color="black", linestyle=":", linewidth=1.1)
    axes.plot([x - 0.3, x + 0.3], [higher.predicted] * 2, **GREY, label="a bound 5 % higher")
    axes.plot(x, attained.measured, **markers(2, markersize=7), label="orthonormal: attained")
    texts = [case.replace(", ", "\n") for case in cases]
    axes.set_xticks(range(x + 1), [*texts, "l = 3\nd = 6\nm = 6\nr = 6"], fontsize=7.5)
    axes.set(ylabel="share that lazy training leaves", ylim=(0, 1.15))
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper right", fontsize=7.5, ncols=2, columnspacing=1.0)
    letter(axes, "D", "lazy training: targets of low rank fare no better")


def _draw_stuck(axes: Axes, evidence: Evidence) -> None:
    share = evidence.curves["share"][:, 0]
    c = np.linspace(0, 1, 201)
    law = c * (1 - c) * np.abs(1 - 2 * c)
    axes.plot(c, law, **line(0), label=r"$c_1 c_2 |c_2 - c_1|$")
    axes.plot(share, evidence.curves["gain"], **markers(0), label=r"gain over $\delta^3$, $\delta$ to 0")
    axes.plot(c, 1.05 * law, **GREY, label="5 % more")
    (minimum,) = controls(evidence, "a local minimum")
    text = f"trained from there: {minimum.measured:.1g} of the loss is left\n(of a minimum: {minimum.predicted:g})"
    axes.annotate(text, (0.5, 0.72), xycoords="axes fraction", ha="center", fontsize=8)
    axes.set(xlabel="$c_1$: share of the first of two components", ylabel=r"gain over $\delta^3$", ylim=(0, 0.16))
    axes.legend(loc="upper left", fontsize=7.5, ncols=3, columnspacing=1.0)
    letter(axes, "E", "stuck points are no minima: a way out of third order")


def _draw_dimensions(axes: Axes, evidence: Evidence) -> None:
    """Of sums of m powers of order l in d dimensions: each component brings d, up to all there are, but for a few."""
    for i, (order, inputs) in enumerate(SHOWN):
        m = np.arange(1, 12)
        law = [tangent_dimension(inputs, order, int(each)) for each in m]
        axes.plot(m, np.minimum(m * inputs, max(law)), **(GREY | {"linewidth": 0.9}))
        axes.plot(m, law, **line(i, marker=".", markersize=4), label=f"$l = {order}$, $d = {inputs}$")
    (classical,) = named(evidence, "classical cases")
    (fills,) = [check for check in named(evidence, "m*") if check.kind == "equal"]
    axes.plot(CLASSICAL, classical.measured, **markers(6, markersize=9), label="counted, where one is missing")
    axes.plot(fills.measured, symmetric_dimension(SHOWN[0]), marker="|", markersize=16, color="black", linestyle="none",
              label="counted: so many fill the space")  # fmt: skip
    axes.plot([], [], **GREY, label=r"$\min(m d, D)$ without exceptions")
    axes.set(xlabel="components $m$", ylabel="dimension of the tangent space", ylim=(0, 66))
    axes.legend(loc="upper left", fontsize=7.5, ncols=2, columnspacing=1.0)
    letter(axes, "F", "tangent spaces: $m d$ dimensions, but for exceptions")


def symmetric_dimension(case: tuple[int, int]) -> int:
    """Dimension D of the symmetric tensors of that order and size."""
    order, inputs = case
    return comb(inputs + order - 1, order)
