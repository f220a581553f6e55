"""Figure 32: what the manifolds of FG-SGD are like, how long its steps are, and the norms its layers have."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY, WRONG, controls, diagonal, named, room
from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence
from theory.manifolds import steps

GROUPINGS = {"alone": "each kernel alone", "PI": "kernels of an input", "PO": "of an output", "PIO": "all of a layer"}


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Ranges of curvature, caps of steps, groupings, a bound on distances, and norms of convolutions."""
    title = "Weight manifolds: curvature has sharp ranges, steps have caps, and norms of layers attain their bounds"
    figure = canvas(title, evidence, width=14.0, height=9.2)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.85))
    panels = right.subplot_mosaic(
        [["caps", "lengths"], ["caps", "lengths apart"], ["distance", "norms"]],
        height_ratios=(3, 1.3, 4),
    )
    _draw_curvature(left.subplots(), evidence["ozay2019.curvature"])
    _draw_caps(panels["caps"], evidence["ozay2019.step_cap"])
    _draw_lengths(panels["lengths"], panels["lengths apart"], evidence)
    _draw_distance(panels["distance"], evidence["ozay2019.lyapunov"])
    _draw_norms(panels["norms"], evidence["ozay2019.layer_norms"])
    return figure


def _draw_curvature(axes: Axes, evidence: Evidence) -> None:
    """For each manifold the range of the theorem, what a search finds, and a histogram of random planes."""
    names = [name.removesuffix("/curvatures") for name in evidence.curves]
    bins = np.linspace(-0.6, 1.1, 86)
    for y, name in enumerate(names):
        low, high = (named(evidence, f"{name}: {end} curvature")[0] for end in ("least", "greatest"))
        counts, _ = np.histogram(evidence.curves[f"{name}/curvatures"], bins)
        heights = 0.62 * counts / counts.max()
        axes.fill_between(bins[:-1], y, y - heights, step="post", color="0.8", linewidth=0, zorder=1)
        axes.plot([low.predicted, high.predicted], [y, y], **line(0, linewidth=2.4), zorder=2)
        axes.plot([low.measured, high.measured], [y, y], **markers(1, markersize=6), zorder=3)
    first = next(y for y, name in enumerate(names) if name == "Stiefel 4 x 2")
    (canonical,) = controls(evidence, "canonical")
    (positive,) = controls(evidence, "no plane of negative")
    for wrong in (canonical, positive):
        axes.plot([wrong.predicted] * 2, [first - 0.55, first + 0.2], **GREY)
    axes.annotate("canonical\nmetric", (canonical.predicted, first), xytext=(4, -2), textcoords="offset points",
                  fontsize=7.5, color="0.35")  # fmt: skip
    axes.plot([], [], **line(0, linewidth=2.4), label="range of the sectional curvature, by theory")
    axes.plot([], [], **markers(1, markersize=6), label="least and greatest that descent finds")
    axes.fill_between([], [], color="0.8", label=f"{evidence.parameters['planes']} random planes")
    axes.plot([], [], **GREY, label="ends said of Stiefel manifolds, and not so")
    axes.set_yticks(range(len(names)), names)
    axes.set(ylim=(len(names) - 0.6, -2.5), xlim=(-0.65, 1.6), xlabel="sectional curvature $K$")
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "A", "curvature: every end of its range is reached")


def _draw_caps(axes: Axes, evidence: Evidence) -> None:
    R = evidence.curves["gradient"]
    cases = dict.fromkeys(c.case for c in named(evidence, ": step") if c.name == "step")
    shown = slice(None, None, 500)
    for i, case in enumerate(cases):
        rho, c = (float(part.split(" = ")[1]) for part in case.split(", "))
        law = R / steps.normaliser(R, rho, c)
        axes.loglog(R, law, **line(i, linewidth=1.1))
        (worst,) = [check for check in named(evidence, f"{case}: step") if check.name == "step"]
        (longest,) = named(evidence, f"{case}: longest step")
        at = [R[int(worst.where.split()[-1])], R[np.argmax(law)]]
        label = rf"$\rho = {rho:g}$, $c = {c:g}$"
        axes.loglog(at, [worst.measured, longest.measured], **markers(i, markersize=6), label=label)
        axes.plot([R[0], R[-1]], [longest.predicted] * 2, color=COLOURS[i % len(COLOURS)], linewidth=0.5, alpha=0.7)
    axes.loglog(R[shown], evidence.curves["moved"][shown], **markers(i, markersize=4))
    axes.loglog(R, R, **GREY, label="without a normaliser")
    axes.set(ylim=(5e-3, 300), xlabel=r"gradient $R$", ylabel=r"step $R / \mathfrak{g}$")
    axes.legend(loc="upper left", ncols=2, fontsize=7.5, columnspacing=1.0)
    letter(axes, "B", "no step is longer than its cap (thin)")


def _draw_lengths(axes: Axes, residual: Axes, evidence: Mapping[str, Evidence]) -> None:
    groupings, norms = evidence["ozay2019.groupings"], evidence["ozay2019.layer_norms"]
    series = {text: [c for c in named(groupings, "length of each") if c.case == name] for name, text in
              GROUPINGS.items()}  # fmt: skip
    series["norms: conv2d, unit kernels"] = named(norms, "conv2d against", "Frobenius", "attain")
    wrong = [*controls(groupings, "exchanged"), *controls(norms, "10 % smaller", "of norm 1", "norm of a kernel")]
    diagonal(axes, residual, series, wrong)
    axes.legend(loc="upper left", fontsize=7.5)
    axes.set(ylabel="measured")
    room(axes, 0.7)
    residual.set(xlabel="law: length of a step, or a norm")
    letter(axes, "C", "steps by groupings, and norms of layers")


def _draw_distance(axes: Axes, evidence: Evidence) -> None:
    """The squared distance after a step over its bound, where it comes nearest to it; above 1 is refused."""
    held = named(evidence, "squared distance")
    names = [check.case for check in held]
    wrong = controls(evidence, "")
    for x, check in enumerate(held):
        axes.plot(x, check.measured / check.predicted, **markers(0, markersize=7), label=None if x else "worst draw")
        below = 1 - check.measured / check.predicted
        axes.annotate(f"{below:.0e}\nbelow" if below > 0 else "attained", (x, 1), xytext=(0, -9), ha="center", va="top",
                      textcoords="offset points", fontsize=7.5)  # fmt: skip
    places = {"zeta = 0.9": 1.0, "zeta = 1 where": len(held) - 0.75, "half": len(held) - 0.3}
    for check in wrong:
        x = next(place for part, place in places.items() if part in check.label)
        ratio = check.measured / check.predicted
        axes.plot([x, x], [1, ratio], **GREY)
        axes.plot(x, ratio, **(WRONG | {"markersize": 7}))
    texts = {"zeta = 0.9": r"$\zeta = 0.9$", "zeta = 1 where": r"$\zeta = 1$", "half": "half the\ncurvature"}
    for check in wrong:
        part = next(part for part in places if part in check.label)
        axes.annotate(texts[part], (places[part], check.measured / check.predicted), xytext=(6, 4), va="bottom",
                      textcoords="offset points", fontsize=7.5, color="0.35")  # fmt: skip
    axes.axhline(1, color="black", linewidth=1.2)
    axes.plot([], [], **WRONG, label="the same draws, another $\\zeta$")
    axes.set_yscale("log")
    axes.set_xticks(range(len(names)), [name.replace(" ", "\n", 1) for name in names])
    axes.set_ylim(bottom=0.5)
    room(axes, 0.25)
    axes.set(xlim=(-0.5, len(names) + 0.35), ylabel=r"$d(\mathrm{Exp}_w v, w^*)^2$ over its bound")
    ticks = (0.5, 1, 2, 5, 10, 20)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "D", r"Lyapunov: the bound is sharp, $\zeta$ needed as it is")


def _draw_norms(axes: Axes, evidence: Evidence) -> None:
    (attained,) = named(evidence, "identity kernel: the bound")
    (smaller,) = controls(evidence, "convolution's bound 10 %")
    (kernel,) = controls(evidence, "norm of a kernel")
    found = evidence.curves["convolution_norms"]
    bins = np.linspace(0.8, 3.1, 70)
    axes.hist(found, bins, color=COLOURS[0], alpha=0.55, label=f"{found.size} unit kernels, conv2d")
    axes.axvline(attained.predicted, color="black", linewidth=1.4, label=r"bound $(AB)^{1/2} |k|_2$, attained")
    axes.axvline(smaller.predicted, **GREY, label="10 % smaller")
    axes.axvline(kernel.predicted, **(GREY | {"linestyle": ":"}), label="norm of the kernel itself")
    axes.set(xlabel="norm of the convolution", ylabel="kernels")
    axes.legend(loc="upper left", bbox_to_anchor=(0.15, 1), fontsize=7.5)
    letter(axes, "E", "unit kernels: a convolution up to its bound")
