"""Figure 33: where homogeneous networks end, under which losses, and how large normalised weights become."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY, controls, named, room
from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

DEEP, MULTICLASS = "soudry2018.deep_networks", "soudry2018.multiclass"


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Limits of directions, what no example sees, the smoothed margin, three other losses, and two norms that grow."""
    title = "Directions end at a constant over the size, margins rise when smoothed, and normalised weights grow by law"
    figure = canvas(title, evidence, width=14.0, height=9.6)
    panels = figure.subplot_mosaic(
        [
            ["approach", "unseen", "margin"],
            ["approach", "unseen apart", "margin"],
            ["losses", "batch", "rest"],
            ["losses", "batch apart", "rest apart"],
        ],
        height_ratios=(3, 1.3, 3, 1.3),
    )
    _draw_approach(panels["approach"], evidence[DEEP], evidence[MULTICLASS])
    _draw_unseen(panels["unseen"], panels["unseen apart"], evidence[DEEP])
    _draw_margin(panels["margin"], evidence["lyu2020.smoothed_margin"])
    _draw_losses(panels["losses"], evidence["homogeneous.other_losses"])
    _draw_batch(panels["batch"], panels["batch apart"], evidence["banburski2019.batch_normalisation"])
    _draw_rest(panels["rest"], panels["rest apart"], evidence["banburski2019.weight_normalisation"])
    return figure


def _draw_approach(axes: Axes, deep: Evidence, multiclass: Evidence) -> None:
    curves = deep.group("approach")
    size, error, constant = curves["size"], curves["error"], curves["constant"]
    for run, level in enumerate(constant):
        colour = COLOURS[run % len(COLOURS)]
        axes.semilogx(size[:, run], [level] * len(size), color=colour, linewidth=0.9)
        axes.semilogx(size[:, run], size[:, run] * error[:, run], **markers(run, markersize=5))
    limits = [c for c in named(deep, "rho x direction error") if c.case.startswith("depth")]
    limits += named(multiclass, "rho x direction error")
    for i, check in enumerate(limits):
        x = size.max() * 2.4 * 1.9**i
        axes.plot([x / 1.25, x * 1.25], [check.predicted] * 2, color="black")
        axes.plot(x, check.measured, **markers(i + 3, markersize=7, color="black"))
        text = check.case if check.case.startswith("depth") else "multi-\nclass"
        axes.annotate(text, (x, check.predicted), xytext=(0, 8), ha="center", textcoords="offset points", fontsize=7.5)
    (forgotten,) = controls(deep, "logistic: the start is forgotten")
    axes.axhline(forgotten.predicted, **GREY, label="one layer, were the start forgotten")
    axes.plot([], [], color="0.3", label=r"$|P \tilde w|$, of the start's unseen part")
    axes.plot([], [], **markers(0, color="0.3"), label=f"trained, one layer, {len(constant)} starts")
    axes.plot([], [], **markers(3, color="black"), label="trained, size to infinity")
    axes.set_ylim(bottom=0)
    room(axes)
    axes.set(xlim=(0.8 * size.min(), 2.4 * 1.9**3 * size.max()))
    axes.set(xlabel=r"size $\rho$", ylabel=r"$\rho \times$ direction error")
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "A", "the direction's error: a constant over the size")


def _draw_unseen(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    depths = evidence.parameters["unseen_depths"]
    for i, depth in enumerate(depths):
        curves = evidence.group(f"depth {depth}")
        growth, left = curves["growth"], curves["unseen"] / curves["unseen"][:1]
        at = np.geomspace(1, growth.max(), 50)
        axes.loglog(at, at ** (-1 / depth), **line(i))
        axes.loglog(growth.ravel(), left.ravel(), **markers(i), label=f"$L = {depth}$")
        off = np.log(left) + np.log(growth) / depth
        residual.semilogx(growth[1:].ravel(), 1e6 * off[1:].ravel(), **markers(i, markersize=3))
    most = np.geomspace(1, 20, 3)
    axes.loglog(most, 1 / most, **GREY, label=r"$1 / \rho$, whatever the depth")
    axes.legend(loc="lower left", fontsize=7.5, title=r"lines: $\rho^{-1/L}$; markers: trained", title_fontsize=8)
    for each in (axes, residual):
        each.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
        each.minorticks_off()
    axes.set_yticks([0.05, 0.1, 0.2, 0.5, 1], ["0.05", "0.1", "0.2", "0.5", "1"])
    axes.minorticks_off()
    axes.tick_params(labelbottom=False)
    axes.set(ylabel="left of what no example sees")
    residual.axhline(0, color="0.3", linewidth=0.8)
    residual.set(xlabel=r"growth of the size $\rho$", ylabel="trained / law\n$- 1$ (millionths)", xlim=axes.get_xlim())
    letter(axes, "B", "deep networks keep more of their start")


def _draw_margin(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.group("crowd")
    s, hard, smooth, gap = curves["s"], curves["hard"], curves["smooth"], curves["gap"]
    axes.fill_between(s, smooth, smooth + gap, color=COLOURS[0], alpha=0.12, linewidth=0)
    axes.plot(s, smooth, **markers(0, linestyle="-", linewidth=0.8, markersize=3.5),
              label=r"smoothed, $\log \frac{1}{\mathcal{L}} / |\theta|^L$: rises")  # fmt: skip
    axes.plot(
        s, hard, **markers(1, linestyle="-", linewidth=0.8, markersize=3.5), label="of the worst example: falls first"
    )
    axes.plot(s, np.full_like(s, hard[0]), **GREY, label="were it not to fall")
    axes.plot(
        [],
        [],
        color=COLOURS[0],
        alpha=0.2,
        linewidth=6,
        label=r"where theory has it: up to $\log N / |\theta|^L$ above",
    )
    rates = [c for c in named(evidence, "the rate where the loss") if c.kind == "at_least"]
    text = "\n".join(f"{c.case or c.label.split(':')[0]}: {c.measured / c.predicted:.2f} times" for c in rates)
    axes.annotate("its rate over the bound, least:\n" + text, (0.97, 0.04), xycoords="axes fraction", ha="right",
                  va="bottom", fontsize=7.5)  # fmt: skip
    axes.set(xlabel=r"time $s$, $ds = \mathcal{L}\, dt$", ylabel="normalised margin")
    axes.set_ylim(bottom=-0.02)
    room(axes, 0.25)
    axes.legend(loc="upper right", fontsize=7.5)
    letter(axes, "C", "the smoothed margin rises at all times")


def _draw_losses(axes: Axes, evidence: Evidence) -> None:
    """How far from the max margin other losses and steps end: at 0 if they were to end there."""
    square = evidence.group("square loss")
    (tail,) = named(evidence, "log of the ratio")
    (signs,) = controls(evidence, "descent by signs")
    (gradient,) = named(evidence, "one example, gradient")
    scales = [f"square,\nstart {scale:g}" for scale in square["scales"]]
    rows: list[tuple[str, float, float | None]] = [
        (text, float(error), None) for text, error in zip(scales, square["error"])
    ]
    rows.append(("polynomial\ntail", tail.measured, tail.predicted))
    rows.append(("descent\nby signs", signs.measured, None))
    rows.append(("gradient\ndescent", gradient.measured, gradient.predicted))
    for x, (_, measured, predicted) in enumerate(rows):
        axes.plot([x, x], [0, measured], **(GREY | {"linewidth": 0.9}))
        if predicted is not None:
            axes.plot([x - 0.3, x + 0.3], [predicted] * 2, color="black", label="law" if x == len(rows) - 1 else None)
        axes.plot(x, measured, **markers(x, markersize=7))
    axes.axhline(0, **(GREY | {"linewidth": 1.6}), label="where it would be at the max margin")
    axes.set_xticks(range(len(rows)), [text for text, *_ in rows], fontsize=7.5)
    room(axes, 0.3)
    axes.set(xlim=(-0.5, len(rows) - 0.5))
    axes.set(ylabel="direction error (polynomial tail:\nlog of the ratio of margins)")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper right", fontsize=7.5)
    letter(axes, "D", "other losses and steps end elsewhere, by other laws")


def _draw_batch(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    norms, law = curves["norms"], curves["norms"][0] + curves["grown"]
    k = np.arange(1, len(norms))
    shown = np.unique(np.geomspace(1, len(k), 22).astype(int)) - 1
    for run in range(0, norms.shape[1], 2):
        i = run // 2
        axes.semilogx(k, law[:-1, run], **line(i, linewidth=1.0))
        axes.semilogx(k[shown], norms[1:, run][shown], **markers(i))
        residual.semilogx(k[shown], 1e15 * (norms[1:] - law[:-1])[shown, run], **markers(i, markersize=3))
    axes.axhline(norms[0, 0], **GREY)
    axes.annotate("were the norm to stay", (1, norms[0, 0]), xytext=(2, -10), textcoords="offset points", fontsize=7.5,
                  color="0.35")  # fmt: skip
    axes.plot([], [], color="0.3", label=r"$|w_0|^2 + \eta^2 \sum |G_j|^2$")
    axes.plot([], [], **markers(0, color="0.3"), label=f"trained, {len(range(0, norms.shape[1], 2))} starts")
    axes.tick_params(labelbottom=False)
    axes.set(ylabel=r"$|w_k|^2$", ylim=(3.6, None))
    axes.legend(loc="upper left", fontsize=7.5)
    residual.axhline(0, color="0.3", linewidth=0.8)
    residual.set(xlabel="steps $k$", ylabel="trained $-$ law\n($10^{-15}$)", xlim=axes.get_xlim())
    letter(axes, "E", "batch normalisation: weights grow, step by step")


def _draw_rest(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    squared, rest = evidence.curves["rest_squared_norms"], float(evidence.curves["rest"])
    (factor,) = named(evidence, "what a step leaves")
    (half,) = controls(evidence, "half the norm")
    k = np.arange(len(squared))
    shown = slice(0, 80, 2)
    for i, start in enumerate(squared.T):
        axes.semilogy(k[shown], start[shown], **markers(i, markersize=3.5), label=f"from {start[0]:.3g}")
        departure = np.abs(start / rest - 1)
        residual.semilogy(k[shown], departure[shown], **markers(i, markersize=3))
        near = int(np.argmax(departure < 1e-2))
        residual.semilogy(
            k[near:80], departure[near] * factor.predicted ** (k[near:80] - near), **line(i, linewidth=0.8)
        )
    axes.axhline(rest, color="black", linewidth=1.2, label="law: where it rests")
    axes.axhline(half.predicted, **GREY, label="by half the norm to the fourth")
    axes.tick_params(labelbottom=False)
    axes.set(ylabel=r"$|v_k|^2$, with weight decay")
    room(axes, 0.4)
    axes.legend(loc="upper right", fontsize=7.5, ncols=2)
    residual.set(
        xlabel="steps $k$", ylabel="|over rest $-$ 1|\n" + rf"(law: ${factor.predicted:.3g}^k$)", xlim=axes.get_xlim()
    )
    letter(axes, "F", "weight normalisation with decay: a norm at rest")
