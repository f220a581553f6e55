"""Figure 30: ways to make a matrix orthogonal, and to keep it so: what each loses, and what a rotation keeps."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY, apart, controls, diagonal, named, numbers, room
from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence
from theory.orthogonal import relaxed

MAPS = {
    "gram_schmidt": "Gram-Schmidt",
    "loewdin": "Löwdin",
    "householder": "Householder",
    "cayley": "Cayley",
    "matrix_exp": "exponential",
}
SHARES = (1.02, 1.5, 0.98)  # of its threshold, at which the unsquared penalty was tried
POWERS = {
    "classical Gram-Schmidt, published": "classical Gram-Schmidt",
    "modified Gram-Schmidt": "modified Gram-Schmidt",
    "Gram-Schmidt": "Gram-Schmidt by QR",
    "Householder, published": "Householder",
    "Loewdin": "Löwdin (polar factor)",
}
TERMS = {3: "three terms, or four", 5: "five, the default", 6: "six"}


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Powers of the condition, gradients, energies; the series' defect, two iterations' defect, and two penalties."""
    title = "Orthogonal by a map, series, step or penalty: what is lost has a law, and a rotation keeps the energy"
    figure = canvas(title, evidence, width=14.0, height=9.6)
    panels = figure.subplot_mosaic(
        [
            ["condition", "gradients", "energy"],
            ["condition", "gradients apart", "energy apart"],
            ["series", "steps", "penalties"],
            ["series", "steps apart", "penalties"],
        ],
        height_ratios=(3, 1.3, 3, 1.3),
    )
    _draw_condition(panels["condition"], evidence["liu2021.orthogonal_maps"])
    _draw_gradients(panels["gradients"], panels["gradients apart"], evidence["liu2021.map_gradients"])
    _draw_energy(panels["energy"], panels["energy apart"], evidence["liu2021.energy_invariance"])
    _draw_series(panels["series"], evidence["orthogonal.neumann_map"])
    _draw_steps(panels["steps"], panels["steps apart"], evidence["liu2021.preserving_descent"])
    _draw_penalties(panels["penalties"], evidence["liu2021.relaxed"])
    return figure


def _draw_condition(axes: Axes, evidence: Evidence) -> None:
    """The power of the condition in |R R^T - I|: fitted, where the law has it, and where others would."""
    slopes = {c.case: c for c in evidence.checks if c.name == "power of the condition"}
    for y, name in enumerate(POWERS):
        check = slopes[name]
        axes.plot([check.predicted] * 2, [y - 0.3, y + 0.3], color="black", label=None if y else "law")
        axes.errorbar(check.measured, y, xerr=check.tolerance, elinewidth=1.2, capsize=3, **markers(y, markersize=6),
                      label=None if y else "fitted, with its interval")  # fmt: skip
    for y, part in ((0, "classical"), (1, "modified")):
        (wrong,) = controls(evidence, f"{part} Gram-Schmidt loses")
        label = None if y else "what is said of it, and is not so"
        axes.plot([wrong.predicted] * 2, [y - 0.3, y + 0.3], **GREY, label=label)
    axes.set_yticks(range(len(POWERS)), list(POWERS.values()))
    axes.set_xticks([0, 1, 2], ["0", "1", "2"])
    axes.set(ylim=(len(POWERS) - 0.5, -1.7), xlim=(-0.4, 2.4))
    axes.set(xlabel=r"power $q$ of the condition in $\|R R^\top - I\| \sim \kappa(P)^q \epsilon$")
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "A", "rounding: what each map loses to the condition")


def _draw_gradients(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    series = {
        "Löwdin's differential (finite differences)": named(evidence, "differential of Loewdin"),
        "torch's backward pass": named(evidence, "torch's backward"),
        "squared length after a step": named(evidence, "squared length"),
        r"$\mathrm{tril}(G P^\top)$, symmetric part of $G R^\top$": named(evidence, "tril", "symmetric part"),
        "$R$ of $3P$ less that of $P$": named(evidence, "R of 3 P"),
    }
    wrong = controls(evidence, "symmetric matrix", "row's length", "one step keeps", "Cayley's R")
    diagonal(axes, residual, series, wrong)
    axes.legend(loc="upper left", fontsize=7.5)
    axes.set(ylabel="measured")
    room(axes, 0.9)
    residual.set(xlabel="law, at the worst entry")
    letter(axes, "B", "gradients through the maps, and their steps")


def _draw_energy(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    """Energies and singular values of neurons, before and after all of them are turned."""
    by_map = {name: [c for c in numbers(evidence) if c.case == f"R by {name}"] for name in MAPS}
    wrong = controls(evidence, "scaled instead", "matrix: energy")
    diagonal(axes, residual, {MAPS[name]: checks for name, checks in by_map.items()}, wrong)
    for i, drawn in enumerate(axes.lines[1 : len(MAPS) + 1]):
        drawn.set_markersize(12 - 2 * i)  # they lie in one place
    (free,) = controls(evidence, "without OPT")
    residual.axhline(apart(free), **(GREY | {"linewidth": 0.8}))
    residual.annotate("cosines of neurons, trained without OPT", (residual.get_xlim()[0], apart(free)), xytext=(4, -10),
                      textcoords="offset points", fontsize=7, color="0.35")  # fmt: skip
    axes.legend(loc="upper left", fontsize=7.5)
    axes.set(ylabel="of $R W$")
    residual.set(xlabel="energy $E_s$ (also of half-spaces), or a singular value, of $W$")
    letter(axes, "C", "turned, neurons keep energy and spectrum")


def _draw_series(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    for i, (terms, label) in enumerate(TERMS.items()):
        axes.loglog(curves["theta"], curves[f"defect_{terms}"], **line(i))
        along = evidence.group(f"terms_{terms}")
        axes.loglog(along["theta"][1:], along["defect"][1:], **markers(i), label=f"trained, {label}")
    four = evidence.group("terms_4")
    axes.loglog(four["theta"][1:], four["defect"][1:], **markers(0, marker="+", markersize=7))
    axes.loglog(curves["theta"], curves["theta"] ** 8, **GREY, label=r"were five terms to leave $\theta^8$")
    for text, (x, y), i in (
        (r"$\theta^6$", (0.1, 1.2e-6), 0),
        (r"$2 \theta^4 - \theta^8$", (0.085, 4e-4), 1),
        (r"$\theta^{10}$", (0.2, 6e-8), 2),
    ):
        axes.annotate(text, (x, y), color=COLOURS[i], ha="right")
    axes.set(xlabel=r"$\theta = |Q|_2$", ylabel=r"$|R R^\top - I|_2$", ylim=(1e-14, 1e5), xlim=(0.03, 1.2))
    ticks = (0.03, 0.1, 0.3, 1)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "D", "Cayley's series: five terms lose more than four")


def _draw_steps(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    t, trained, law = curves["t"], curves["trace_defect"], curves["predicted_trace_defect"]
    shown = np.unique(np.geomspace(1, len(t), 24).astype(int)) - 1
    axes.loglog(t, law, **line(0), label=r"$\sum \mathrm{tr}(\frac{1}{4} |w|^4 - \frac{1}{16} |w|^6)$ of the steps")
    axes.loglog(t[shown], trained[shown], **markers(0), label="trained, two iterations a step")
    axes.loglog(t, 0.9 * law, **GREY, label="law 10 % smaller")
    axes.loglog(t[shown], curves["cayley_defect"][shown], **markers(1), label="Cayley's step: rounding alone")
    axes.axhline(2.2e-16, color="0.8", linewidth=0.8)
    axes.legend(loc="center left", fontsize=7.5)
    axes.tick_params(labelbottom=False)
    axes.set(ylabel=r"$I - R R^\top$: trace, norm", ylim=(5e-17, 10))
    (first,) = named(evidence, "defect after each step")
    residual.semilogx(t[shown], (trained / law - 1)[shown], **markers(0, markersize=3))
    residual.axhline(0, color="0.3", linewidth=0.8)
    residual.axhline(-0.1, **GREY)
    residual.set(xlabel="time (step x learning rate)", ylabel="trained\n/ law $-1$", xlim=axes.get_xlim())
    residual.annotate(
        "the sum counts twice\nwhat was lost before", (t[0], -0.075), va="center", fontsize=7, color="0.35"
    )
    residual.set(ylim=(-0.12, 0.03))
    letter(axes, "E", f"preserving steps: each exact, to {100 * (first.resolution or 0):.0e} %")


def _draw_penalties(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    s = np.array(evidence.parameters["singular_values"], dtype=float)
    threshold = relaxed.threshold(s)
    weights = threshold * np.geomspace(0.1, 1e3, 50)
    soft = [_defect(relaxed.squared_penalty_minimiser(s, weight)) for weight in weights]
    axes.loglog(weights / threshold, soft, **line(0))
    axes.loglog(curves["weights"] / threshold, curves["defect"], **markers(0), label="squared penalty, trained")
    below = threshold * np.concatenate([np.geomspace(0.1, 0.9, 20), 1 - np.geomspace(0.1, 1e-6, 20)])
    sharp = [_defect(relaxed.unsquared_penalty_minimiser(s, weight)) for weight in below]
    axes.loglog(np.append(below, threshold) / threshold, [*sharp, 1e-9], **line(1, "-"))
    (at,) = controls(evidence, "0.98 of the threshold")
    (above,) = named(evidence, "about the threshold")
    axes.loglog(0.98, at.measured, **markers(1, markersize=7), label="unsquared, trained")
    share = SHARES[int(above.where.split()[-1])]
    axes.errorbar(share, above.measured, yerr=[[0], [above.tolerance]], **markers(1, markersize=7),
                  elinewidth=1, capsize=3)  # fmt: skip
    axes.annotate("up to a step", (share, above.measured), xytext=(7, -3), textcoords="offset points", fontsize=7.5)
    axes.axvline(1, color="0.45", linestyle=":", linewidth=1.1)
    axes.plot([], [], **GREY, label="limit 10 % larger")
    (larger,) = controls(evidence, "limit 10 %")
    late = np.geomspace(10, 1e3, 3)
    axes.loglog(late, larger.predicted / threshold / late, **GREY)
    axes.set(xlabel=r"weight $\lambda$ over $\frac{1}{2} |s - 1|_2$", ylabel=r"$|R R^\top - I|_F$", ylim=(1e-5, 60))
    axes.legend(loc="upper right", fontsize=7.5)
    letter(axes, "F", "penalties: exact from a threshold, or never")


def _defect(r: np.ndarray) -> float:
    return float(np.linalg.norm(np.square(r) - 1))
