"""Figure 37: adversarial training of pseudo-networks: the kernel, its sampling, its limit, and what can be reached."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY, controls, named
from figures.ratios import ratios
from figures.style import canvas, letter, line, markers
from theory.adversarial import kernel
from theory.claims import Evidence

GRAPHS = ("a pair", "a star and a pair", "a star")


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """The gap between caps, a floor, the kernel's series, sampling, the step by width, and two courses of the loss."""
    title = "Adversarial training: a floor by how inputs lie, an exact gap, and a limit of wide networks"
    figure = canvas(title, evidence, width=14.0, height=8.8)
    panels = figure.subplot_mosaic([["gap", "floor", "step"], ["limit", "regret", "laws"]])
    _draw_gap(panels["gap"], evidence["adversarial.separation"])
    _draw_floor(panels["floor"], evidence["adversarial.floor"])
    _draw_step(panels["step"], evidence["zhang2020.step_function"])
    _draw_limit(panels["limit"], evidence["adversarial.wide_limit"])
    _draw_regret(panels["regret"], evidence["adversarial.regret"])
    _draw_laws(panels["laws"], evidence["adversarial.sampling_error"], evidence["adversarial.pseudo_kernel"])
    return figure


def _draw_gap(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    ends = np.array([0.5 * curves["law"].min(), 2 * curves["law"].max()])
    axes.loglog(ends, ends, color="black", linewidth=1.0, label=r"$R \delta \sin(\theta / 2 - \varphi)$")
    axes.loglog(curves["law"], curves["gap"], **markers(0, markersize=3.5), label=f"caps of {curves['gap'].size} pairs")
    axes.loglog(curves["law"], curves["printed"], color="0.5", linestyle="none", marker=".", markersize=3,
                label=r"$\gamma / 2$, a bound from below")  # fmt: skip
    axes.loglog(ends, 1.1 * ends, **GREY, label="10 % more")
    inset = axes.inset_axes((0.6, 0.14, 0.37, 0.3))
    inset.semilogx(curves["law"], 100 * (curves["printed"] / curves["law"] - 1), ".", color="0.5", markersize=2)
    inset.semilogx(curves["law"], 100 * (curves["gap"] / curves["law"] - 1), **markers(0, markersize=2.5))
    inset.set_title("over the law, less 1, %", fontsize=7.5)
    inset.tick_params(labelsize=7)
    axes.set(xlabel="law of the gap", ylabel="gap between two caps")
    axes.set_ylim(top=30 * ends[1])
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "A", "separation: how far two caps are from each other")


def _draw_floor(axes: Axes, evidence: Evidence) -> None:
    """The least robust loss of any continuous function, and what networks train to, for three graphs of near inputs."""
    for x, name in enumerate(GRAPHS):
        (check,) = [c for c in named(evidence, "least robust loss") if c.case == name]
        axes.plot([x - 0.3, x + 0.3], [check.predicted] * 2, color="black", linewidth=1.6,
                  label=None if x else r"floor $2 \nu / n$")  # fmt: skip
        axes.plot(x, check.measured, **markers(0, markersize=7), label=None if x else "trained, best of its runs")
        above = f"+{100 * (check.measured / check.predicted - 1):.1g} %"
        axes.annotate(above, (x, check.measured), xytext=(0, 9), ha="center", textcoords="offset points", fontsize=8)
    star = GRAPHS.index("a star")
    texts = {"each pair counts": "were each pair to count", "clean": "trained on clean inputs"}
    for part, text in texts.items():
        (wrong,) = controls(evidence, part)
        height = wrong.measured if part == "clean" else wrong.predicted
        axes.plot([star - 0.3, star + 0.3], [height] * 2, **GREY)
        axes.annotate(text, (star, height), xytext=(0, 4), ha="center", textcoords="offset points", fontsize=7.5,
                      color="0.35")  # fmt: skip
    (apart,) = controls(evidence, "up to 2 rho")
    axes.plot([-0.3, 0.3], [apart.measured] * 2, **GREY)
    axes.annotate(r"pairs $2 \rho$ apart go lower", (0, apart.measured), xytext=(0, -11), ha="center", fontsize=7.5,
                  textcoords="offset points", color="0.35")  # fmt: skip
    axes.set_xticks(range(len(GRAPHS)), [f"{name}" for name in GRAPHS])
    axes.set(ylim=(-0.05, 1.85), xlim=(-0.5, len(GRAPHS) - 0.4), xlabel="which inputs are near another label's")
    axes.set(ylabel="robust loss")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "B", "no training goes below its floor, and it is reached")


def _draw_step(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    axes.loglog(curves["widths"], curves["bounds"], **line(0), label=r"bound: sampling and coupling")
    axes.loglog(curves["widths"], curves["roots"], **markers(0, markersize=7),
                label=r"$(E (f - f(0) - u)^2)^{1/2}$, drawn")  # fmt: skip
    (sampling,) = controls(evidence, "sampling alone")
    first = curves["roots"][0] / np.sqrt(sampling.measured)
    axes.plot(curves["widths"][0], first, marker="x", color="0.5", linestyle="none", markersize=7,
              label="by sampling alone")  # fmt: skip
    (farthest,) = named(evidence, "farthest move")
    text = rf"farthest move over $m^{{-2/3}}$: {farthest.measured:.4f}" + f"\n(law: {farthest.predicted:.4f})"
    axes.annotate(text, (0.03, 0.04), xycoords="axes fraction", va="bottom", fontsize=8)
    axes.set(xlabel="width $m$", ylabel="distance to the step function", ylim=(6e-3, 4))
    axes.legend(loc="upper right", fontsize=7.5)
    letter(axes, "C", "a step that networks near the start can make")


def _draw_limit(axes: Axes, evidence: Evidence) -> None:
    law, pseudo = evidence.curves["law"], evidence.curves["pseudo"]
    t = np.arange(len(law))
    shown = slice(None, None, 3)
    for run in range(pseudo.shape[1]):
        label = f"{pseudo.shape[1]} pseudo-networks, width {4 * evidence.parameters['width']}"
        axes.plot(t[shown], pseudo[shown, run], **markers(run, markersize=3.5), label=None if run else label)
    axes.plot(t, law, color="black", linewidth=1.6, label="limit $m$ to infinity")
    axes.plot(t, np.interp(0.75 * t, t, law), **GREY, label="a learning rate 25 % smaller")
    (mean,) = named(evidence, "mean robust loss over")
    axes.set(xlabel="steps", ylabel="robust loss", ylim=(0, 1.5))
    axes.legend(loc="upper right", fontsize=7.5)
    letter(axes, "D", f"the limit of wide networks: means to {100 * (mean.resolution or 0):.1f} %")


def _draw_regret(axes: Axes, evidence: Evidence) -> None:
    losses, bound = evidence.curves["losses"], evidence.curves["bound"]
    x = np.arange(len(losses))
    axes.bar(x, bound, 0.5, color="0.9", edgecolor="black", linewidth=0.9, label="bound by the regret")
    axes.plot(x, losses, **markers(0, markersize=8), label="mean robust loss, trained")
    axes.plot([-0.25, x[-1] + 0.25], [bound.mean() / 3] * 2, **GREY, label="a third of the bound")
    (identity,) = named(evidence, "regret against the last weights")
    text = f"regret over its identity, less 1:\n{identity.measured - 1:.0e}; gradients forgotten: "
    (forgotten,) = controls(evidence, "gradients forgotten")
    axes.annotate(f"{text}{forgotten.measured - 1:+.2f}", (0.03, 0.72), xycoords="axes fraction", fontsize=8)
    axes.set_xticks(x, [f"run {i + 1}" for i in x])
    axes.set(ylim=(0, 1.9 * bound.max()), ylabel="mean over the steps")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "E", "regret: an identity, and a bound below twice")


def _draw_laws(axes: Axes, sampling: Evidence, pseudo: Evidence) -> None:
    """Moments over their laws; and in the inset the kernel's curve, with biases and without."""
    ratios(
        axes,
        {
            "mean of the\nfunction": (named(sampling, "mean over its law"), []),
            "square of what\nsampling adds": (
                [c for c in named(sampling, ": square over its law") if "start" not in c.case],
                controls(sampling, "25 % more", "second moment", "independently"),
            ),
            "outputs at\nthe start": (named(sampling, "outputs at the start"), controls(sampling, "a start of")),
        },
    )
    axes.set(xlim=(-80, 900), ylim=(5.2, -1.0))
    inset = axes.inset_axes((0.1, 0.1, 0.85, 0.34))
    t = np.linspace(-1, 1, 101)
    for i, (bias, text) in enumerate(((1.0, "biases"), (0.0, "none: degree 3 cannot be learned"))):
        inset.plot(t, kernel.kappa(t, bias), **line(i, "-" if bias else "--"), label=text)
    (entry,) = named(pseudo, "kernel of torch's gradients")
    (diagonal,) = controls(pseudo, "10 % more")
    inset.plot(1, diagonal.measured, **markers(0))
    found = t[np.argmin(np.abs(kernel.kappa(t, 1.0) - entry.predicted))]
    inset.plot(found, entry.measured, **markers(0), label="torch's gradients")
    inset.set_title(r"$\kappa(t)$, $t = x^\top x'$", fontsize=8)
    inset.legend(loc="upper left", fontsize=7)
    inset.tick_params(labelsize=7)
    letter(axes, "F", "pseudo-networks: sampling, and their kernel")
