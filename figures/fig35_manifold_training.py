"""Figure 35: FG-SGD in training. What schedules leave and let go, where the theorem ends, and what unit norms cost."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY, controls, named
from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence
from theory.core.arrays import EPS
from theory.manifolds import escape
from theory.manifolds.schedules import Schedule

SCHEDULES = {"constant": r"constant: $e^{-ght}$", "c / t": "$c / t$: $t^{-ch}$", "c / t^2": "$c / t^2$: never arrives"}
TEXTS = {"c / t": "c / t", "c / t^(1/2)": "c / t^{1/2}"}
MANIFOLDS = ("sphere", "oblique", "Stiefel")
LATER = 6  # times as late as they started are chains judged


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """What is left under three schedules, leaving, the hypothesis on a circle, frozen steps, and two prices."""
    title = "FG-SGD in training: schedules decide what arrives and stays; saddles, large losses and unit norms cost"
    figure = canvas(title, evidence, width=14.0, height=8.6)
    panels = figure.subplot_mosaic([["left", "stays", "hypothesis"], ["frozen", "least", "price"]])
    _draw_left(panels["left"], evidence["ozay2019.schedules"])
    _draw_stays(panels["stays"], evidence["ozay2019.convergence_to_minima"])
    _draw_hypothesis(panels["hypothesis"], evidence["ozay2019.limits_of_the_theorem"])
    _draw_frozen(panels["frozen"], evidence["ozay2019.limits_of_the_theorem"])
    _draw_least(panels["least"], evidence["ozay2019.renormalisation"])
    _draw_price(panels["price"], evidence["ozay2019.renormalisation"])
    return figure


def _draw_left(axes: Axes, evidence: Evidence) -> None:
    for i, (name, label) in enumerate(SCHEDULES.items()):
        curves = evidence.group(name)
        axes.loglog(curves["t"][1:], curves["predicted"][1:], **line(i))
        axes.loglog(curves["t"][1:], curves["left"][1:], **markers(i), label=label)
    harmonic, h = evidence.group("c / t"), evidence.parameters["rate"]
    axes.loglog(harmonic["t"][1:], np.exp(-h * harmonic["t"][1:]), **GREY, label="$c / t$, were the rate kept")
    (limit,) = named(evidence, "limit")
    axes.axhline(limit.predicted, color=COLOURS[2], linewidth=0.7, linestyle=":")
    axes.set(ylim=(1e-5, 300), xlabel="steps $t$", ylabel="share left of a departure")
    axes.legend(loc="upper right", fontsize=7.5, title="lines: products; markers: trained", title_fontsize=8)
    letter(axes, "A", "schedules: only $c / t$ both arrives and calms down")


def _draw_stays(axes: Axes, evidence: Evidence) -> None:
    """Of chains that start at the minimum after m steps: those that no jump has thrown out, 6 m steps later."""
    curves, given = evidence.group("laws"), evidence.parameters
    starts = np.unique(np.geomspace(4, 128, 60).astype(int))
    laws = {
        "c / t": lambda m: Schedule(given["harmonic"], m, 1),
        "c / t^(1/2)": lambda m: Schedule(given["slow"], m, 0.5),
    }
    for i, name in enumerate(str(each) for each in curves["names"]):
        along = [escape.stays(laws[name](float(m)), LATER * float(m)) for m in starts]
        axes.semilogx(starts, along, **line(i))
        axes.errorbar(curves["starts"], curves["shares"][i], yerr=curves["half"][i], elinewidth=1.2, capsize=3,
                      **markers(i, markersize=6), label=f"$g_t = {TEXTS[name]}$, trained")  # fmt: skip
        noisier = [escape.stays(laws[name](float(m)), LATER * float(m), 1.1) for m in starts]
        axes.semilogx(starts, noisier, **GREY, label="noise of a tenth more variance" if i else None)
    axes.set_xticks(curves["starts"], [f"{start}" for start in curves["starts"]])
    axes.minorticks_off()
    axes.set(ylim=(0, 1.35), xlabel="steps $m$ before the start at the minimum", ylabel="share that never left it")
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "B", r"what converged stays iff $\Sigma\, g_t^2 < \infty$")


def _draw_hypothesis(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.group("alignment")
    theta, inner = curves["angle"], curves["measured"]
    shown = slice(None, None, 25)
    axes.plot(theta, -curves["predicted"], **line(0), label=r"$\frac{h}{2} \theta \sin 2\theta$")
    axes.plot(theta[shown], -inner[shown], **markers(0), label="by the gradient")
    (basin,) = named(evidence, "in the basin")
    axes.axhline(basin.predicted, **GREY, label="positive away from the minimiser")
    for sign in (-1, 1):
        axes.axvspan(sign * 1.4, sign * np.pi / 2, color="0.5", alpha=0.2, linewidth=0)
    axes.annotate("minimiser", (0, 0.2), ha="center", fontsize=8)
    axes.annotate("saddle", (np.pi / 2, 0), xytext=(-8, 60), textcoords="offset points", ha="right", fontsize=8,
                  arrowprops={"arrowstyle": "->", "color": "0.4"})  # fmt: skip
    leaves = named(evidence, "steps to leave a saddle", "steps for each factor")
    text = f"leaving a saddle:\n{leaves[1].measured:.3g} steps for each $e$\n(law: {leaves[1].predicted:.3g})"
    axes.annotate(text, (0, 0.53), ha="center", va="top", fontsize=7.5)
    axes.set_xticks([-np.pi / 2, 0, np.pi / 2], [r"$-\pi/2$", "0", r"$\pi/2$"])
    axes.set(xlabel=r"angle $\theta$ to the minimiser", ylabel=r"$-\langle \mathrm{Log}_w w^*, \nabla L \rangle$")
    axes.set(ylim=(-0.02, 1.25 * float(-inner.min())))
    axes.legend(loc="upper left", fontsize=7.5, ncols=2, columnspacing=1.0)
    letter(axes, "C", "the hypothesis holds in a basin, and fails at a saddle")


def _draw_frozen(axes: Axes, evidence: Evidence) -> None:
    groups = dict.fromkeys(name.split("/")[0] for name in evidence.curves if name.startswith("damping"))
    for i, group in enumerate(groups):
        curves = evidence.group(group)
        for run in range(curves["theta"].shape[1]):
            axes.loglog(curves["steps"] + 1, np.abs(curves["theta"][:, run]), **markers(i, linestyle="-",
                        linewidth=0.8, markersize=3.5),
                        label=None if run else f"$h$ = {group.split('= ')[1]}")  # fmt: skip
    (wrong,) = controls(evidence, "whatever the size of the loss")
    axes.axhline(wrong.predicted, **GREY, label="what smaller losses leave at most")
    axes.set(xlabel="steps + 1", ylabel="angle to the minimiser", ylim=(1e-9, 1e3))
    axes.legend(loc="lower left", fontsize=7.5)
    letter(axes, "D", "a loss 2000 times as large freezes: steps too short")


def _draw_least(axes: Axes, evidence: Evidence) -> None:
    for i, name in enumerate(("Stiefel", "sphere")):
        curves = evidence.group(f"least, {name}")
        floor = float(curves["least"])
        above = np.maximum(curves["loss"] / floor - 1, EPS)
        for run in range(above.shape[1]):
            axes.semilogy(curves["steps"], above[:, run], **markers(i, linestyle="-", linewidth=0.7, markersize=3.5),
                          label=None if run else f"{name}, loss over its least {floor:.4g}, less 1")  # fmt: skip
    for name, text, dy in (("at right", "classes at right angles", -10), ("half as", "outputs half as large", 3)):
        (wrong,) = controls(evidence, name)
        floor = float(evidence.curves["least, Stiefel/least"])
        axes.axhline(wrong.predicted / floor - 1, **GREY)
        axes.annotate(text, (600, wrong.predicted / floor - 1), xytext=(0, dy), ha="right", textcoords="offset points",
                      fontsize=7.5, color="0.35")  # fmt: skip
    axes.set(xlabel="steps", ylabel="trained / least loss $-$ 1", ylim=(3e-17, 1e4))
    axes.legend(loc="upper right", fontsize=7.5)
    letter(axes, "E", "unit norms: the least loss is a simplex's, and is reached")


def _draw_price(axes: Axes, evidence: Evidence) -> None:
    """Loss of digits at unit norms, as what it has gained on saying nothing; and what a free scale gains."""
    for x, name in enumerate(MANIFOLDS):
        curves = evidence.group(f"price, {name}")
        nothing = float(curves["of_nothing"])
        spread = x + np.linspace(-0.2, 0.2, len(curves["loss"]))
        axes.semilogy(spread, nothing - curves["floor"], marker="_", markersize=12, markeredgewidth=1.6,
                      linestyle="none", color="black",
                      label=None if x else "most that unit norms can gain, four draws")  # fmt: skip
        axes.semilogy(spread, nothing - curves["loss"], **markers(x, markersize=6), label=None if x else "trained")
    (free,) = controls(evidence, "a free scale")
    axes.axhline(nothing - free.measured, **GREY, label="trained, with a free scale of the outputs")
    axes.set_xticks(range(len(MANIFOLDS)), MANIFOLDS)
    axes.set(xlim=(-0.5, len(MANIFOLDS) - 0.5), ylim=(None, 300), ylabel=r"$\log K\ -$ loss of digits")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "F", "norms scaled to 1 say next to nothing of digits")
