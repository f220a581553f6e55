"""Figure 29: norm-minimising descent beyond its schedules. Every step, any loss, chains that collapse, ReLUs."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY, ROUNDING, controls, diagonal, named, room
from figures.style import COLOURS, canvas, letter, line, markers
from theory.chain.problem import Chain
from theory.claims import Evidence
from theory.halpern import nonconvex

DEPTH = 4  # of the chain that collapses
END = 16.0  # time
STARTS = (0.5, 0.8, 0.95)  # of its threshold
RULES = ("GradientDescent", "Momentum")
OTHERS = {"no anchoring: the start fades": "no anchor", "Adam: steps outside the span": "Adam, anchored"}
LOSSES = ("exponential", "logistic", "squared hinge")
ANY_LOSS, LEAST_SQUARES, CHAINS, RELU = (
    "banburski2019.nmgd_any_loss",
    "banburski2019.nmgd_least_squares",
    "banburski2019.nmgd_nonconvex",
    "banburski2019.nmgd_relu",
)


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Steps of least squares, the start under any loss, a constant; imbalances, norms with ReLUs, and a collapse."""
    title = "Anchored to 0 ever less, descent forgets its start under any loss, and may collapse where there are minima"
    figure = canvas(title, evidence, width=14.0, height=9.6)
    panels = figure.subplot_mosaic(
        [
            ["steps", "unseen", "direction"],
            ["steps apart", "unseen apart", "direction"],
            ["imbalance", "collapse", "relu"],
            ["imbalance apart", "collapse", "relu"],
        ],
        height_ratios=(3, 1.3, 3, 1.3),
    )
    _draw_steps(panels["steps"], panels["steps apart"], evidence[LEAST_SQUARES])
    _draw_unseen(panels["unseen"], panels["unseen apart"], evidence[ANY_LOSS])
    _draw_direction(panels["direction"], evidence[ANY_LOSS])
    _draw_imbalance(panels["imbalance"], panels["imbalance apart"], evidence)
    _draw_collapse(panels["collapse"], evidence[CHAINS])
    _draw_relu(panels["relu"], evidence[RELU])
    return figure


def _draw_steps(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    """(k + 1) times the error comes to its constant; without the anchor it grows with what is kept of the start."""
    trained, law, plain = (evidence.group(name) for name in ("trained", "law", "without anchor"))
    k = trained["k"] + 1
    for run in range(min(4, trained["error"].shape[1])):
        axes.loglog(law["k"] + 1, law["error"][:, run], **line(run, linewidth=1.0))
        axes.loglog(k, trained["error"][:, run], **markers(run), label=None if run else "trained, a start each")
        axes.plot(2 * k[-1], law["limit"][run], **line(run, "none", marker="_", markersize=12, markeredgewidth=2))
        axes.loglog(k, plain["error"][:, run], **GREY, label=None if run else "gradient descent, no anchor")
        off = trained["off"][:, run] / trained["error"][:, run]
        residual.loglog(k, np.maximum(off, ROUNDING), **markers(run, markersize=3))
    axes.plot([], [], color="black", linewidth=1.0, label="formula of every step; right: its limit")
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper left", fontsize=7.5)
    axes.set(ylabel=r"$(k + 1)\,|w_k - w^*|$")
    residual.set(xlabel="$k + 1$ (steps)", ylabel="share that\nis off", xlim=axes.get_xlim(), ylim=(ROUNDING, 1e-9))
    letter(axes, "A", "least squares: the formula of every step")


def _draw_unseen(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    """Six ways to train, one law: markers of each in turn, so that they do not hide one another."""
    names = [f"{loss} loss, {rule}" for loss in LOSSES for rule in RULES]
    for i, name in enumerate(names):
        curves = evidence.group(name)
        t, left = curves["t"], curves["left"]
        seen = slice(i * len(t) // 60, None, len(t) // 10)
        label = name.replace(" loss", "").replace(RULES[0], "descent").replace(RULES[1], "momentum")
        axes.loglog(1 + t[seen], left[seen], **markers(i), label=label)
        residual.loglog(1 + t[seen], np.maximum(np.abs(left * (1 + t) - 1)[seen], ROUNDING), **markers(i, markersize=3))
    axes.loglog(1 + t, 1 / (1 + t), color="black", linewidth=1.0, zorder=1, label="$1 / (1 + t)$")
    for word, text in OTHERS.items():
        curves = evidence.group(word)
        axes.loglog(1 + t, curves["left"], **GREY)
        axes.annotate(text, (1 + t[-1], curves["left"][-1]), xytext=(-2, 4), ha="right", fontsize=7.5, color="0.35",
                      textcoords="offset points")  # fmt: skip
    axes.tick_params(labelbottom=False)
    axes.legend(loc="lower left", fontsize=7.5)
    axes.set(ylabel=r"$|P_n w(t)| / |P_n w(0)|$")
    residual.set(xlabel="$1 + t$ (t = step $\\times$ learning rate)", ylabel="share that\nis off", xlim=axes.get_xlim())
    residual.set_ylim(ROUNDING, 1e-9)
    letter(axes, "B", "any loss: what no example sees is left alike")


def _draw_direction(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    size, read, limits = curves["direction_size"], curves["direction_read"], curves["direction_limits"]
    inverse = np.linspace(0, 1.05 / size.min(), 3)
    for i, limit in enumerate(limits):
        slope = (read[0, i] - limit) * size[0, i]
        axes.plot(inverse, limit + slope * inverse, color="0.75", linewidth=0.8, zorder=1)
        axes.plot(
            1 / size[:, i], read[:, i], **markers(i), label=f"trained, {len(limits)} problems" if i == 0 else None
        )
        axes.plot(0, limit, marker="_", markersize=16, color=COLOURS[i % len(COLOURS)], markeredgewidth=2,
                  linestyle="none", label=r"law: $|P \tilde w|$" if i == 0 else None, clip_on=False)  # fmt: skip
    (larger,) = controls(evidence, "constant 10 %")
    axes.plot(0, larger.predicted, marker="_", markersize=16, color="0.55", linestyle="none", clip_on=False)
    axes.annotate("10 % larger", (0, larger.predicted), xytext=(12, -3), textcoords="offset points", color="0.4",
                  fontsize=7.5)  # fmt: skip
    (kept,) = controls(evidence, "start is not forgotten")
    axes.plot(inverse, [kept.predicted] * 3, **GREY, label="of one, were the start not forgotten")
    axes.set(xlim=(0, inverse[-1]), yscale="log", xlabel=r"1 / size $|w|$, as descent goes on (to the left)")
    ticks = (0.2, 0.3, 0.5, 1, 2, 3)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(ylabel=r"$|w| \times$ direction error")
    room(axes, 0.3)
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "C", "exponential loss: the direction, to a constant")


def _draw_imbalance(axes: Axes, residual: Axes, evidence: Mapping[str, Evidence]) -> None:
    chains, relu = evidence[CHAINS], evidence[RELU]
    series = {
        "chains, one step": named(chains, "imbalance, every step"),
        r"chains, flow: $(1 + t)^{-2c}$": named(chains, "imbalance, learning rate 0"),
        "ReLU: neurons, step by step": named(relu, "ReLU: balance"),
        "linear layers, step by step": named(relu, "linear: balance"),
        r"ReLU, unseen: $W_1 P_n \prod (1 - \lambda_j)$": named(relu, "ReLU: what"),
    }
    wrong = [*controls(chains, "imbalance", "a step", "forgets"), *controls(relu, "")]
    diagonal(axes, residual, series, wrong)
    axes.legend(loc="upper left", fontsize=7.5, borderaxespad=0.1)
    room(axes, 0.7)
    residual.set(xlabel="law of a difference of squared weights")
    letter(axes, "D", "chains and ReLUs: imbalance shrinks by the square")


def _draw_collapse(axes: Axes, evidence: Evidence) -> None:
    (above,) = named(evidence, "size at the end")
    (higher,) = controls(evidence, "threshold 10 %")
    (loss,) = controls(evidence, "fixed points")
    chain = Chain(above.predicted**DEPTH, DEPTH)
    threshold = float(nonconvex.collapse_threshold(chain, 1.0))
    t = np.linspace(0, END, 100)
    for i, share in enumerate(STARTS):
        bound = nonconvex.collapse_bound(chain, 1.0, share * threshold, t)
        axes.semilogy(t, bound, **line(i), label=f"from {share:g} of it: bound, {_closeness(evidence)} above")
    # The largest loss at the end is that of the smallest weights.
    lowest = (chain.s - np.sqrt(2 * loss.measured / chain.sigma)) ** (1 / DEPTH)
    axes.plot(END, lowest, **markers(0, markersize=7), clip_on=False, label="from 0.5 of it: trained")
    axes.axhline(threshold, color="black", linestyle=":", linewidth=1.1)
    axes.annotate("threshold", (END, threshold), xytext=(0, 3), textcoords="offset points", ha="right", fontsize=8)
    axes.axhline(above.predicted, **line(3))
    axes.annotate(r"minimum $\omega$", (0, above.predicted), xytext=(3, 4), textcoords="offset points", fontsize=8)
    axes.plot(END, above.measured, **markers(3, markersize=7), clip_on=False, label="from 1.05 of it: trained")
    wrong = above.measured / higher.measured
    axes.plot([0, END], [1.05 * threshold, wrong], **GREY, label="its end, were the threshold 10 % higher")
    axes.set_ylim(lowest / 30, 2 * above.predicted)
    axes.set(xlabel="time", ylabel="weights, all equal", xlim=(0, END))
    axes.legend(loc="lower left", fontsize=7.5)
    letter(axes, "E", "depth 4: below the threshold weights go to 0")


def _closeness(evidence: Evidence) -> str:
    (lower,) = named(evidence, "lower bound")
    return f"{100 * (lower.resolution or 0):.1g} %"


def _draw_relu(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    k, norms, loss = curves["k"], curves["squared_norm"], curves["loss"]
    for run in range(norms.shape[1]):
        axes.loglog(k + 1, norms[:, run], color=COLOURS[0], linewidth=1.1, label=None if run else r"$\sum_l |W_l|^2$")
        axes.loglog(k + 1, loss[:, run], color=COLOURS[1], linestyle="--", label=None if run else "loss")
    alone = 1 / (1 + evidence.parameters["learning_rate"] * k) ** 2
    axes.loglog(k + 1, norms[0].mean() * alone, **GREY, label="were nothing learned: anchoring alone")
    axes.set(xlabel="$k + 1$ (steps)", ylabel="squared norm, loss")
    room(axes, 0.4)
    axes.legend(loc="upper right", fontsize=7.5)
    letter(axes, "F", "ReLU networks: weights shrink until they fit")
