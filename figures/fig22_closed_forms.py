"""Figure 22: two layers solved in closed form, the same training in other forms, and how wide starts are imbalanced."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.imbalance.lemma1 import RANK
from experiments.imbalance.wide_networks import DELTA
from figures.agreement import GREY, ROUNDING, WRONG, apart, controls, named
from figures.style import canvas, letter, line, markers
from theory.claims import Evidence
from theory.core.arrays import Array
from theory.imbalance import width
from theory.imbalance.one_mode import scalar_solution
from theory.imbalance.wide_starts import mean_length

HEIGHTS = (3, 1.3, 3, 1.3)
STARTS = 3  # shown of each width, at least
ENTRIES = ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (2, 5))  # shown of Z Z^T
LARGE = ((2000, 1, 2), (101, 100, 20))  # D, r, m where nearly half of a bound is reached
RULES = ("recursion", "fused", "autograd", "momentum")
SCALINGS = ("learning rate not", "h^(1.9 a)", "weights scaled", "time of the flow")


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Products and Gram matrices in time; the limit of width; rescaled and compressed training; bounds of Lemma 1."""
    title = "Two linear layers are solved in closed form, in every scaling of the weights, and wide ones near a limit"
    figure = canvas(title, evidence, width=15.0, height=9.4)
    left, middle, right = figure.subfigures(1, 3)
    scalar, scalar_apart, scaled, compressed = left.subplots(4, 1, height_ratios=HEIGHTS)
    riccati, riccati_apart, lemma = middle.subplots(3, 1, height_ratios=(*HEIGHTS[:2], sum(HEIGHTS[2:])))
    wide, laws, tail, attained = right.subplots(4, 1, height_ratios=HEIGHTS)
    claims = {name.split(".")[1]: item for name, item in evidence.items()}
    _draw_scalar(scalar, scalar_apart, claims["scalar_solution"])
    _draw_riccati(riccati, riccati_apart, claims["riccati_solution"])
    _draw_wide(wide, claims["wide_limit"])
    _draw_laws(laws, claims["wide_limit"], claims["compression"])
    _draw_scaled(scaled, claims["ntk_rescaling"])
    _draw_compressed(compressed, claims["compression"])
    _draw_lemma(lemma, claims["lemma1"])
    _draw_tail(tail, attained, claims["lemma_e1"])
    return figure


def _draw_scalar(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    """p(t) over its target, from starts of several widths, and with a level c that is 5 % larger."""
    for i, h in enumerate(evidence.parameters["widths"]):
        curves = evidence.group(f"h={h}")
        t, y, c = curves["t"], float(curves["y"]), curves["c"]
        fine, start = np.linspace(0, t[-1], 200), curves["solved"][0]
        for run in np.argsort(start / y)[:: max(1, len(c) // STARTS)]:
            axes.plot(fine, scalar_solution(y, c[run], start[run], fine) / y, **line(i, linewidth=1.0))
            axes.plot(fine, scalar_solution(y, 1.05 * c[run], start[run], fine) / y, **(GREY | {"linewidth": 0.7}))
            axes.plot(t, curves["trained"][:, run] / y, **markers(i, markersize=3.5))
        axes.plot([], [], **markers(i, linestyle="-"), label=f"$h = {h}$")
        away = np.abs(curves["trained"] - curves["solved"]).max(1)
        residual.semilogy(t[1:], away[1:], **markers(i))
    for check in controls(evidence, "5 %"):
        residual.semilogy(t[int(check.where.split(",")[0].removeprefix("t "))], apart(check), **WRONG)
    axes.plot([], [], **GREY, label="$c$ 5 % larger")
    axes.legend(loc="lower right", title="lines: closed form; markers: trained")
    axes.tick_params(labelbottom=False)
    axes.set(ylabel="product $p / y$")
    residual.set(xlabel=r"$t$ = step $\times$ learning rate", ylabel="difference", xlim=axes.get_xlim())
    letter(axes, "A", "one mode, any width: solved")


def _draw_riccati(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    t, trained, solved = (evidence.curves[name] for name in ("t", "trained", "solved"))
    for i, (row, column) in enumerate(ENTRIES):
        if max(row, column) < trained.shape[1]:
            axes.plot(t, solved[:, row, column], **line(i))
            axes.plot(t, trained[:, row, column], **markers(i))
    residual.semilogy(t[1:], np.abs(trained - solved).max((1, 2))[1:], **markers(0))
    for check in controls(evidence, "5 % larger"):
        at = t[int(check.where.split(",")[0].removeprefix("t "))]
        axes.plot([at, at], [check.measured, check.predicted], **GREY)
        axes.plot(at, check.predicted, **WRONG, label=check.name)
        residual.semilogy(at, apart(check), **WRONG)
    axes.plot([], [], color="black", label=r"entries of $Z Z^\top$, closed form")
    axes.plot([], [], **markers(6), label="trained")
    axes.legend(*_last_first(axes), loc="lower right", ncols=2, columnspacing=1.0)
    low, high = axes.get_ylim()
    axes.set(ylabel=r"entries of $Z Z^\top$", ylim=(low - 0.35 * (high - low), high))
    axes.tick_params(labelbottom=False)
    residual.set(xlabel=r"$t$ = step $\times$ learning rate", ylabel="difference", xlim=axes.get_xlim())
    letter(axes, "B", "rows in one eigenspace of the imbalance: solved")


def _last_first(axes: Axes) -> tuple[list, list]:
    handles, labels = axes.get_legend_handles_labels()
    return handles[-2:] + handles[:-2], labels[-2:] + labels[:-2]


def _draw_wide(axes: Axes, evidence: Evidence) -> None:
    """How far networks of growing width are from the equation of infinite width: every group of runs."""
    widths, errors = evidence.curves["widths"].astype(float), evidence.curves["sup_errors"]
    constant = np.exp(np.log(errors * np.sqrt(widths)[:, None]).mean())
    axes.loglog(widths, constant / np.sqrt(widths), **line(0), label=r"slope $-1/2$")
    axes.loglog(np.repeat(widths, errors.shape[1]), errors.ravel(), **markers(0), label="trained, 16 groups")
    first = float(errors[0].mean())
    axes.loglog(widths, np.full(len(widths), first), **GREY, label="another equation: slope 0")
    check = next(c for c in evidence.checks if c.kind == "slope" and not c.is_control)
    axes.annotate(f"measured slope ${check.measured:.4f}$", (0.05, 0.1), xycoords="axes fraction", fontsize=8)
    axes.legend(loc="center left", bbox_to_anchor=(0.0, 0.36))
    axes.set(xlabel="width $h$", ylabel=r"largest $|p_h(t) - p(t)|$ in time")
    letter(axes, "C", "Gaussian starts approach the equation of infinite width")


def _draw_laws(axes: Axes, wide: Evidence, compression: Evidence) -> None:
    """Means of what is drawn at random, over their laws."""
    rows = [(f"$d^2$, {check.case.replace('a = ', '$a=$')}", check) for check in named(wide, "distance^2 over")]
    names = {"last row off": "row off others", "norm of the last": "row", "norm of U2": "$U_2 Q$"}
    rows += [(label, c) for word, label in names.items() for c in compression.checks if c.name.startswith(word)]
    for x, (_, check) in enumerate(rows):
        half = check.tolerance / check.predicted if check.kind == "rate" else 0
        axes.errorbar(x, check.measured / check.predicted, yerr=half, capsize=3, elinewidth=1.0, **markers(0))
    wrong = [(0, c) for c in controls(wide, "D in place")] + [(3, c) for c in controls(compression, "width a tenth")]
    for x, check in wrong:
        axes.plot(x, check.measured / check.predicted, **WRONG)
    axes.axhline(1, **line(0))
    axes.set_xticks(range(len(rows)), [label for label, _ in rows], fontsize=7.5)
    axes.set(ylabel="mean / law", xlim=(-0.5, len(rows) - 0.5))


def _draw_scaled(axes: Axes, evidence: Evidence) -> None:
    """The largest difference of the weights, trained as they are and in the NTK scaling."""
    for i, a in enumerate(evidence.parameters["exponents"]):
        curves = evidence.group(f"a = {a}")
        axes.semilogy(
            curves["t"],
            np.maximum(curves["gap"], ROUNDING),
            **markers(i, linestyle="-", linewidth=0.8),
            label=f"$a = {a:g}$",
        )
    for k, check in enumerate(c for word in SCALINGS for c in controls(evidence, word)):
        axes.axhline(apart(check), **GREY, label=None if k else "rate, weights or time scaled wrongly")
    axes.legend(loc="center left", title=r"$|h^{-a} \tilde W - W|$, trained at $h^{2a} \eta$ and at $\eta$")
    axes.set(xlabel=r"$t$ = step $\times$ learning rate", ylabel="largest difference", ylim=(1e-17, 30))
    letter(axes, "D", "the NTK scaling is the same training, compression too")


def _draw_compressed(axes: Axes, evidence: Evidence) -> None:
    checks = [c for c in evidence.checks if c.kind == "equal"]
    for x, check in enumerate(checks):
        axes.semilogy(x, apart(check), **markers(3))
    wrong = controls(evidence, "learning rate", "Adam")
    axes.semilogy([0, len(checks)], [apart(check) for check in wrong], **WRONG)
    names = [*(word for word in RULES), "Adam"]
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel="compressed\n$-$ explicit", xlim=(-0.5, len(names) - 0.5))


def _draw_lemma(axes: Axes, evidence: Evidence) -> None:
    """What typical starts reach of the bounds (18) and (19), against the size that decides it; the worst reach all."""
    size = evidence.parameters
    D, m = size["inputs"], size["outputs"]
    series = (
        (0, "overlap over its bound (18), against $D$", "overlap", [(D, RANK, m), LARGE[0]]),
        (1, r"$\|U_1 V^\top\|$ over its bound (19), against $r$", "product", [(D, RANK, m), LARGE[1]]),
    )
    for i, label, word, sizes in series:
        means = [c for c in evidence.checks if c.kind == "rate" and word in c.name]
        delta = (size["delta"], DELTA)
        for k, (shape, check) in enumerate(zip(sizes, means)):
            x, law = _shares(word, shape, delta[k])
            axes.semilogx(x, law, **line(i, ("-", "--")[k]))
            at = shape[0] if word == "overlap" else shape[1]
            axes.errorbar(at, check.measured, yerr=check.tolerance, **markers(i, markersize=6))
        axes.plot([], [], **markers(i, linestyle="-"), label=label)
    for i, check in enumerate(named(evidence, "is attained")):
        axes.semilogx((D, RANK)[i], check.measured, **markers(i, marker="*", markersize=10))
    for share, word in ((0.45, "0.9 in place"), (0.35, "0.7 in place")):
        if controls(evidence, word):
            axes.axhline(share, **GREY)
            axes.annotate(
                f"bound with {word[:3]} for 2: most are above",
                (9e4, share),
                (0, -9),
                textcoords="offset points",
                fontsize=7.5,
                color="0.35",
                ha="right",
            )
    axes.axhline(1, color="black", linewidth=1.0)
    axes.axhline(0.5, color="0.6", linewidth=0.8, linestyle=":")
    axes.plot(
        [],
        [],
        marker="*",
        markersize=10,
        linestyle="none",
        color="0.3",
        markerfacecolor="none",
        label="worst start the event allows",
    )
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, 0.87), title="lines: law; markers: starts of width $10^{14}$")
    axes.set(xlabel="inputs $D$, or rank $r$", ylabel="share of the bound", ylim=(0, 1.12), xlim=(1, 1e5))
    letter(axes, "E", "Lemma 1 is attained; typical starts tend to a half")


def _shares(word: str, shape: tuple[int, int, int], delta: float) -> tuple[Array, Array]:
    """Mean share of the bound, as the width grows, against D (overlap) or r (product; D in proportion)."""
    D, r, m = shape
    low, high = (max(r + 1, D / 20), 1e5) if word == "overlap" else (1, 1e5)
    x = np.unique(np.geomspace(low, high, 60).astype(int))
    wide = x if word == "overlap" else np.maximum(x, np.round(x * D / r)).astype(int)
    s = np.sqrt(m + wide) + np.log(2 / delta) / 2
    if word == "overlap":
        lengths = [mean_length(int((m + r) * (inputs - r))) for inputs in x]
        return x, np.array(lengths) / (2 * np.sqrt(m + r) * s)
    return x, np.array([mean_length(int(rank * m)) for rank in x]) / (2 * np.sqrt(m) * s)


def _draw_tail(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    t = np.geomspace(2, 600, 60)
    bound, exact, printed = -width.log_tail(t), -width.scalar_log_tail(t), -width.printed_log_tail(t)
    axes.loglog(t, bound, **line(0), label=r"bound $2 e^{-t^2/2}$")
    axes.loglog(t[::4], exact[::4], **markers(0), label="one Gaussian, exactly")
    axes.loglog(t, printed, **GREY, label=r"as printed: $2 e^{-t^2}$")
    for check in named(evidence, "distance from"):
        m = evidence.parameters["columns"]
        says = f"$m = {m}$, median of draws:\n$\\sqrt{{n}}$ missed by {check.measured:.3f} of $\\sqrt{{m}} + t$"
        axes.annotate(says, (0.97, 0.08), xycoords="axes fraction", ha="right", fontsize=8)
    axes.legend(loc="upper left")
    axes.tick_params(labelbottom=False)
    axes.set(ylabel=r"$-\log$ of the probability")
    residual.semilogx(t[::2], exact[::2] / bound[::2], **markers(0))
    residual.semilogx(t, printed / bound, **GREY)
    residual.axhline(1, **line(0))
    residual.set(xlabel="$t$", ylabel="over bound", xlim=axes.get_xlim(), ylim=(0.8, 2.6))
    letter(axes, "F", "Lemma E.1: the tail of singular values, and its misprint")
