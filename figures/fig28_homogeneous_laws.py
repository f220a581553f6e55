"""Figure 28: homogeneous networks. Sizes and directions move apart, in five dynamics, along one curve or several."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY, WRONG, controls, diagonal, named, room
from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Check, Evidence

DYNAMICS = ("gradient flow", "Lagrange multiplier", "tangent gradient", "weight normalisation", "exponential")
FREE_SIZES, CURVE, FROZEN = (
    "homogeneous.free_sizes",
    "homogeneous.curve_of_gradient_flow",
    "homogeneous.curve_of_frozen_sizes",
)


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Growth of every layer, forces, five dynamics, what they forget, whose curves are one, where they rest."""
    title = (
        "Homogeneous layers: sizes grow alike, directions turn at five rates in five dynamics, and rest at one point"
    )
    figure = canvas(title, evidence, width=14.0, height=9.8)
    panels = figure.subplot_mosaic(
        [
            ["growth", "forces", "dynamics"],
            ["growth apart", "forces apart", "dynamics apart"],
            ["unseen", "curves", "rest"],
            ["unseen apart", "curves", "rest"],
        ],
        height_ratios=(3, 1.3, 3, 1.3),
    )
    _draw_growth(panels["growth"], panels["growth apart"], evidence["banburski2019.decomposition"])
    _draw_forces(panels["forces"], panels["forces apart"], evidence["banburski2019.decomposition"])
    _draw_dynamics(panels["dynamics"], panels["dynamics apart"], evidence)
    _draw_unseen(panels["unseen"], panels["unseen apart"], evidence["homogeneous.unseen_part"])
    _draw_curves(panels["curves"], evidence)
    _draw_rest(panels["rest"], evidence["banburski2019.critical_points"])
    return figure


def _draw_growth(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    t, trained, flow = curves["t"], np.square(curves["sizes"]), np.square(curves["flow_sizes"])
    grown, law = trained - trained[0], flow - flow[0]
    for run in range(grown.shape[1]):
        axes.plot(t, law[:, run, 0], color="black", linewidth=0.9)
        for k in range(grown.shape[2]):
            label = rf"trained, $\rho_{k + 1}^2(0) = {trained[0, 0, k]:g}$" if run == 0 else None
            axes.plot(t, grown[:, run, k], **markers(k, markersize=4 + 2 * k), label=label)
            residual.plot(t, 1e3 * (grown - law)[:, run, k], **markers(k, markersize=3))
    axes.plot([], [], color="black", linewidth=0.9, label=rf"$2 \int \rho A\, dt$, {grown.shape[1]} starts")
    axes.plot(t, 1.1 * law[:, 0, 0], **GREY, label="were sizes to grow 10 % faster")
    residual.axhline(0, color="0.3", linewidth=0.8)
    axes.tick_params(labelbottom=False)
    axes.set(ylabel=r"$\rho_k^2 - \rho_k^2(0)$", ylim=(None, 1.35 * grown.max()))
    axes.legend(loc="upper left", fontsize=7)
    residual.set(xlabel="time (step x learning rate)", ylabel="trained $-$ flow\n(thousandths)")
    letter(axes, "A", "three layers, each of its own size, grow alike")


def _draw_forces(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    series = {
        r"sizes: $\dot\rho_k = \rho A / \rho_k$": named(evidence, "loss: rho_k'"),
        r"directions: $\dot V_k = \rho B_k / \rho_k^2$": named(evidence, "loss: V_k'"),
    }
    wrong = controls(evidence, "directions", "sizes grow")
    wrong = [check for check in wrong if not check.label.startswith("flow")]
    diagonal(axes, residual, series, wrong)
    axes.legend(loc="upper left", fontsize=7)
    axes.set(ylabel="by backpropagation")
    residual.set(xlabel="predicted, at the worst point of four losses and three networks")
    letter(axes, "B", "forces on sizes and directions, at any point")


def _draw_dynamics(axes: Axes, residual: Axes, evidence: Mapping[str, Evidence]) -> None:
    """How far the directions of one start have turned; the freed sizes have a start of their own."""
    five = evidence["banburski2019.five_dynamics"]
    turns = {name: five.group(f"depth 2, {name}") for name in DYNAMICS}
    turns["multipliers, sizes freed (another start)"] = evidence[FREE_SIZES].curves
    for i, (name, curves) in enumerate(turns.items()):
        t, trained, law = (curves[key] for key in ("t", "trained", "law"))
        axes.plot(t, law[:, 0], **line(i, linewidth=1.0))
        axes.plot(t, trained[:, 0], **markers(i), label=name)
        residual.plot(t, 1e3 * (trained - law)[:, 0], **markers(i, markersize=3))
    slow = turns["tangent gradient"]["law"][:, 0]
    axes.plot(turns["tangent gradient"]["t"], 1.1 * slow, **GREY, label="tangent gradient, 10 % further")
    residual.axhline(0, color="0.3", linewidth=0.8)
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper left", fontsize=7, borderaxespad=0.1)
    axes.set(ylabel="how far directions have turned")
    axes.set_ylim(bottom=0)
    room(axes, 0.75)
    residual.set(xlabel="time (step x learning rate)", ylabel="trained $-$ flow\n(thousandths)", xlim=axes.get_xlim())
    letter(axes, "C", "five dynamics of one network: each has its rates")


def _draw_unseen(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    """The part of a direction that no example sees, of one start."""
    texts = (r"1 / \rho", r"e^{-\rho a}", r"e^{-a / \rho},\ a = \int A dt", r"e^{-\rho^2 / 2 c^2}", r"\rho^{-1/c^2}")
    for i, (name, text) in enumerate(zip(DYNAMICS, texts)):
        t, trained, law = (evidence.group(name)[key] for key in ("t", "trained", "law"))
        axes.semilogy(t, law, **line(i, linewidth=1.0))
        axes.semilogy(t, trained, **markers(i), label=f"{name}: ${text}$")
        residual.plot(t, 1e3 * (trained / law - 1), **markers(i, markersize=3))
    slower = evidence.group("Lagrange multiplier")
    axes.semilogy(slower["t"], slower["law"] ** 0.9, **GREY, label="Lagrange multiplier, at 0.9 of its rate")
    residual.axhline(0, color="0.3", linewidth=0.8)
    axes.tick_params(labelbottom=False)
    axes.legend(loc="lower left", fontsize=7.5, borderaxespad=0.1)
    low, high = axes.get_ylim()
    axes.set(ylabel=r"$|V_\perp(t)| / |V_\perp(0)|$", ylim=(low * (low / high) ** 0.9, high))
    residual.set(xlabel="time (step x learning rate)", ylabel="trained / law\n$- 1$ (thousandths)")
    letter(axes, "D", "what no example sees is forgotten by five laws")


def _draw_curves(axes: Axes, evidence: Mapping[str, Evidence]) -> None:
    """How far apart the curves of two dynamics are: not further than is resolved, or far."""
    rows = (
        ("gradient flow,\nexponential", evidence[CURVE], "exponential: one curve", "unbalanced: one curve"),
        ("gradient flow,\nweight norm.", evidence[CURVE], None, "weight normalisation: one curve"),
        ("multiplier,\ntangent grad.", evidence[FROZEN], "gradient: one curve", "unequal sizes: one curve"),
    )
    for y, (_, item, same, other) in enumerate(rows):
        pairs: list[tuple[Check, bool]] = [(check, True) for check in controls(item, other)]
        if same is not None:
            pairs += [(check, False) for check in named(item, same)]
        for check, wrong in pairs:
            axes.plot([check.tolerance, check.measured], [y, y], **(GREY | {"linewidth": 0.8}), zorder=1)
            axes.plot([check.tolerance] * 2, [y - 0.18, y + 0.18], color="black", linewidth=1.2)
            axes.plot(check.measured, y, **(WRONG | {"markersize": 8} if wrong else markers(0, markersize=7)))
    axes.plot([], [], **markers(0, markersize=7), label="sizes equal: one curve")
    axes.plot([], [], **(WRONG | {"markersize": 8}), label="sizes unequal, or another dynamics: two")
    axes.plot([], [], color="black", linestyle="none", marker="|", markersize=10, label="told apart from here on")
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set(ylim=(len(rows) - 0.5, -1.1), xlabel="distance of the curves that directions take")
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "E", "one curve, in another time, where sizes are equal")


def _draw_rest(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    sizes, constant = curves["sizes"], float(curves["constant"])
    problems = named(evidence, "rho angle(V*")
    axes.semilogx(sizes, curves["scaled_angle"], **markers(0), label="where training rests, one problem")
    axes.axhline(constant, **line(0), label=r"its $|P \tilde w|$")
    at = np.geomspace(2, 6, len(problems)) * sizes[-1]
    _draw_limits(axes, at, problems)
    (without,) = controls(evidence, "without the projection")
    (larger,) = controls(evidence, "constant 10 %")
    axes.axhline(larger.predicted, **GREY, label="10 % larger")
    axes.axhline(without.predicted, **(GREY | {"linestyle": ":"}), label=r"$|\tilde w|$ without the projection")
    axes.set_ylim(bottom=0)
    room(axes, 0.4)
    axes.set(xlim=(0.8 * sizes[0], 1.3 * at[-1]))
    axes.set_xticks([*sizes, float(np.sqrt(at[0] * at[-1]))], [f"{size:g}" for size in sizes] + [r"$\infty$"])
    axes.minorticks_off()
    axes.set(xlabel=r"size $\rho$ of the network", ylabel=r"$\rho \times$ angle of rest to max margin")
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "F", "all five rest at one point, near the max margin")


def _draw_limits(axes: Axes, at: np.ndarray, problems: Sequence[Check]) -> None:
    """Each problem's limit: a line where the law has it, a marker where it was found."""
    for i, (x, check) in enumerate(zip(at, problems)):
        axes.plot([x / 1.07, x * 1.07], [check.predicted] * 2, color=COLOURS[i % len(COLOURS)])
        axes.plot(
            x, check.measured, **markers(i), label=f"{len(problems)} problems, size to infinity" if i == 1 else None
        )
