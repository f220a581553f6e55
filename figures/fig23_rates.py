"""Figure 23: the rates of 2022 and 2023. Bounds along training, where they are attained, and three layers."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY, ROUNDING, WRONG, apart, controls, diagonal, named
from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Check, Evidence
from theory.core.arrays import Array

HEIGHTS = (3, 1.2, 3, 1.2)
NEAR = "near the target"
RATES = (
    ("product_rate", 0, "-", "Proposition 1': product now"),
    ("margin_rate", 1, "--", "Theorem 3: margin now"),
    ("imbalance_rate", 2, ":", "Corollary 4: imbalance, as in 2021"),
)
SHAPES = 2000  # shown at most
LEAST = 1e-6  # of Delta* shown


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Loss and rates with their bounds, all bounds where they are attained, widths, and three layers."""
    title = "Margin and imbalance bound the rate of two layers and of three, and every bound is attained by some start"
    figure = canvas(title, evidence, width=15.5, height=9.8)
    left, middle, right = figure.subfigures(1, 3)
    loss, rates = left.subplots(2, 1)
    attained, attained_apart, widths = middle.subplots(3, 1, height_ratios=(*HEIGHTS[:2], sum(HEIGHTS[2:])))
    shapes, fan_out, drift = right.subplots(3, 1, height_ratios=(sum(HEIGHTS[:2]), *HEIGHTS[2:]))
    theorem3, three_layers = evidence["min2022.theorem3"], evidence["min2023.theorem2"]
    _draw_loss(loss, theorem3)
    _draw_rates(rates, theorem3, evidence["min2022.equation22"])
    _draw_attained(attained, attained_apart, evidence)
    _draw_widths(widths, theorem3)
    _draw_shapes(shapes, three_layers)
    _draw_fan_out(fan_out, three_layers)
    _draw_drift(drift, evidence["min2023.conservation"])
    return figure


def _shown(curves: Mapping[str, Array]) -> int:
    """The run whose margin gains most while it is trained."""
    return int(np.argmax(curves["margin_rate"][-1] / curves["imbalance_rate"][-1]))


def _draw_loss(axes: Axes, evidence: Evidence) -> None:
    """Loss of one run; bounds from the start, restarted at every record, and by what the product is at each."""
    curves = evidence.group(NEAR)
    t, run = curves["t"], _shown(curves)
    axes.semilogy(t, curves["excess"][:, run] / curves["excess"][0, run], **markers(6, marker="o"), label="trained")
    at_start = curves["margin_rate"][0, run]
    axes.semilogy(t, np.exp(-at_start * t), **line(1), label="Theorem 3, from the start")
    axes.semilogy(t, _restarted(t, curves["margin_rate"][:, run]), **line(1, "--"), label="Corollary 6, restarted")
    least = np.append(np.minimum(curves["product_rate"][1:, run], curves["product_rate"][:-1, run]), 0.0)
    product = _restarted(t, least)
    axes.semilogy(t, product, **line(0), label="Proposition 1', at every moment")
    axes.semilogy(t, np.exp(-curves["rate"][0, run] * t), **GREY, label="the first rate for ever")
    axes.set(xlabel=r"$t$ = step $\times$ learning rate", ylabel=r"$(L - L^*) / (L(0) - L^*)$", ylim=(1e-9, 3))
    axes.legend(loc="lower left")
    letter(axes, "A", "loss below its bounds, each sharper than the one before")


def _restarted(t: Array, rates: Array) -> Array:
    """exp(-int rate), each rate from its record to the next."""
    return np.exp(-np.append(0.0, np.cumsum(rates[:-1] * np.diff(t))))


def _draw_rates(axes: Axes, evidence: Evidence, limit: Evidence) -> None:
    curves = evidence.group(NEAR)
    t, run = curves["t"], _shown(curves)
    axes.semilogy(t, curves["rate"][:, run], **markers(6, marker="o"), label="trained")
    for name, i, dash, label in RATES:
        axes.semilogy(t, curves[name][:, run], **line(i, dash), label=label)
    axes.set(xlabel=r"$t$ = step $\times$ learning rate", ylabel=r"$-\frac{d}{dt} \log(L - L^*)$")
    axes.legend(loc="upper right")
    for check in limit.checks:
        if not check.is_control:
            says = f"equation 22: at the end the margin's rate is {check.measured / check.predicted:.4f} of its limit"
            axes.annotate(says, (0.98, 0.03), xycoords="axes fraction", ha="right", fontsize=8)
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1.5, 3 * high)
    letter(axes, "D", "the rate above all three bounds")


def _draw_attained(axes: Axes, residual: Axes, evidence: Mapping[str, Evidence]) -> None:
    of_2022, of_2023 = ({k: v for k, v in evidence.items() if k.startswith(year)} for year in ("min2022", "min2023"))
    series = {
        "2022: Propositions 1', 14, Lemma 8": _attained(of_2022, "proposition", "lemma"),
        "2022: Theorem 3, Corollaries, (22)": _attained(of_2022, "theorem", "corollary", "equation"),
        "2023: two layers": _attained(of_2023, "theorem1", "lemma"),
        "2023: three layers": _attained(of_2023, "theorem2"),
        "2023: more layers": _attained(of_2023, "theorem3"),
    }
    diagonal(axes, residual, series, [c for item in evidence.values() for c in _wrong(item)])
    for panel in (axes, residual):
        panel.set_xscale("log")
    axes.set_yscale("log")
    axes.set(ylabel="trained, or by torch's gradient")
    residual.set(xlabel="bound", xlim=axes.get_xlim())
    axes.legend(loc="upper left", fontsize=7.5, labelspacing=0.35)
    letter(axes, "B", "rates where each bound is attained")


def _attained(evidence: Mapping[str, Evidence], *names: str) -> list[Check]:
    chosen = [item for id, item in evidence.items() if id.split(".")[1].startswith(names)]
    checks = [c for item in chosen for c in item.checks if c.kind in ("equal", "at_least") and not c.is_control]
    return [check for check in checks if check.predicted > 0.01]


def _wrong(evidence: Evidence) -> list[Check]:
    """Bounds that are changed: those of a rate, not of a loss that starts at 1."""
    checks = controls(evidence, "larger", "exchanged", "smallest", "exponent 2", "factor 1/2", "left out", "unimodal")
    return [check for check in checks if "exponent 5" not in check.label and check.predicted > 0.4]


def _draw_widths(axes: Axes, evidence: Evidence) -> None:
    """Factorisation from wide Gaussian starts: rate and bounds against the width, medians and extremes of the runs."""
    widths = np.array(evidence.parameters["widths"])
    groups = [evidence.group(f"factorisation, h = {h}") for h in widths]
    for name, i, dash, label in RATES:
        least = np.array([curves[name].min(0) for curves in groups])
        axes.loglog(widths, np.median(least, 1), **line(i, dash), label=label)
        axes.fill_between(widths, least.min(1), least.max(1), color=COLOURS[i], alpha=0.1, linewidth=0)
    least = np.array([curves["rate"].min(0) for curves in groups])
    middle = np.median(least, 1)
    axes.errorbar(
        widths,
        middle,
        [middle - least.min(1), least.max(1) - middle],
        capsize=3,
        **markers(6, marker="o"),
        label="trained",
    )
    axes.set_xticks(widths, [str(h) for h in widths])
    axes.minorticks_off()
    axes.set(xlabel="width $h$", ylabel="least rate while trained (runs: all)")
    axes.legend(loc="lower right")
    letter(axes, "E", "factorisation: the wider, the nearer the bounds")


def _draw_shapes(axes: Axes, evidence: Evidence) -> None:
    """lambda_min(T) of three layers of many shapes against Delta*; below the line there is nothing."""
    curves = evidence.group("every shape")
    bound, smallest = curves["delta_star"], curves["smallest_kernel"]
    seen = bound > LEAST
    every = max(1, int(seen.sum()) // SHAPES)
    cloud = {"marker": ".", "linestyle": "none", "markersize": 2.5, "color": COLOURS[5], "rasterized": True}
    axes.loglog(
        bound[seen][::every], smallest[seen][::every], **cloud, label=f"random shapes and weights ({len(bound)})"
    )
    ends = np.array([max(bound[seen].min(), 1e-3), bound.max()])
    axes.loglog(ends, ends, color="black", linewidth=1.0, label=r"bound $\Delta^*$")
    cases = named(evidence, "where it is attained")
    axes.loglog([c.predicted for c in cases], [c.measured for c in cases], **markers(1), label="attained")
    wrong = controls(evidence, "exchanged", "where it is")
    axes.loglog(
        [c.predicted for c in wrong], [c.measured for c in wrong], **WRONG, label="5 % larger, $n$ and $m$ exchanged"
    )
    axes.set(xlabel=r"$\Delta^*$", ylabel=r"$\lambda_{\min}(T)$ by torch's Jacobian")
    axes.legend(loc="lower right")
    letter(axes, "C", r"three layers: $\lambda_{\min}(T) \geq \Delta^*$")


def _draw_fan_out(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.group("fan-out start")
    t = curves["t"]
    left = curves["excess"] / curves["excess"][0]
    for i in range(min(3, left.shape[1])):
        axes.semilogy(t, np.exp(-curves["delta_star_rate"][0, i] * t), **line(i))
        axes.semilogy(t, left[:, i], **markers(i), label=f"run {i + 1}")
        axes.semilogy(t, np.exp(-curves["rate"][0, i] * t), **(GREY | {"linewidth": 0.8}))
    axes.plot([], [], **GREY, label="the first rate for ever")
    axes.legend(loc="lower left", title="lines: Theorem 2's bound; markers: trained")
    axes.set(xlabel=r"$t$ = step $\times$ learning rate", ylabel="loss over its start", ylim=(1e-14, 3))
    letter(axes, "F", "three layers that fan out; below: what steps do to $D_l$")


def _draw_drift(axes: Axes, evidence: Evidence) -> None:
    """What is left of the drift of the imbalances: after one step and after all, and with its law changed."""
    checks = [check for check in evidence.checks if not check.is_control]
    for x, check in enumerate(checks):
        axes.semilogy(x, max(apart(check), ROUNDING), **markers(3))
    wrong = controls(evidence, "")
    axes.semilogy([0, len(checks) - 1], [apart(check) for check in wrong], **WRONG)
    names = [check.name.removeprefix("drift of ").replace("D_1", "$D_1$").replace("D_2", "$D_2$") for check in checks]
    short = [
        name.replace(" in one step", ",\none step").replace(" over the training", ",\nall steps") for name in names
    ]
    axes.set_xticks(range(len(checks)), short, fontsize=8)
    axes.set(ylabel="difference", xlim=(-0.5, len(checks) - 0.5), ylim=(1e-17, 10))
