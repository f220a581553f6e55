"""Figure 8: growth of the margin at each depth, curves of directions on the sphere, and balance of the layers."""

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence

Curves = Mapping[str, np.ndarray]
Project = Callable[[np.ndarray], np.ndarray]
STYLES = ("-", "--", "-.", ":")
FREE = {
    "gradient flow": "gradient flow (GF)",
    "weight normalisation": "weight normalisation (WN)",
    "exponential": "exponential WN: the curve of GF",
}
RULES = ("gradient descent", "momentum 0.5", "Adam")


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Margins with their law and what is left of it; directions on the sphere and as angles; sizes and drift."""
    figure = canvas(
        "Homogeneous networks: margins grow by a law of the depth, directions share few curves, layers stay balanced",
        evidence,
        width=13.0,
        height=7.4,
    )
    panels = figure.subplot_mosaic(
        [
            ["margin", "sphere", "sizes"],
            ["margin", "sphere", "size_residual"],
            ["margin_residual", "angle", "drift"],
        ],
        height_ratios=(2.4, 1, 2),
        width_ratios=(1, 1.15, 1),
    )
    _draw_margin(panels["margin"], panels["margin_residual"], evidence["homogeneous.margin_growth"])
    sphere = evidence["banburski2019.curves_on_the_sphere"]
    _draw_sphere(panels["sphere"], sphere)
    _draw_angle(panels["angle"], sphere)
    balance = evidence["banburski2019.balance"]
    _draw_sizes(panels["sizes"], panels["size_residual"], balance.curves)
    _draw_drift(panels["drift"], balance)
    return figure


def _draw_margin(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    for i, depth in enumerate(evidence.curves["depths"]):
        curves = evidence.group(f"depth {depth}")
        axes.plot(
            evidence.curves["log_t"], curves["margin"], **line(i, STYLES[i % len(STYLES)]), label=f"$L = {depth}$"
        )
        axes.plot(curves["trained_log_t"], curves["trained"], **markers(i))
        residual.plot(curves["trained_log_t"], curves["residual"], **markers(i))
    axes.plot([], [], **markers(0, color="0.4"), label="trained")
    axes.set(ylabel="margin $m$", xlim=(0, None))
    axes.legend(loc="upper left")
    letter(axes, "A", r"margins and their law $\int e^m m^{2/L-2} dm = n L \gamma^{2/L} t$")
    residual.axhline(0, color="0.4", linewidth=0.8)
    residual.set(xlabel=r"$\log t$", ylabel="trained ahead of\nthe law, in log t", xlim=axes.get_xlim())


def _draw_sphere(axes: Axes, evidence: Evidence) -> None:
    """Orthographic, seen from between the start and the max-margin direction; the whole sphere in the inset."""
    curves, frozen = evidence.curves, evidence.group("frozen")
    paths = {name: evidence.group(name) for name in FREE}
    project = _view(curves["start"], curves["max_margin"])
    globe = axes.inset_axes((0.0, 0.0, 0.27, 0.27))
    _draw_grid(axes, project, 10)
    _draw_grid(globe, project, 30)
    for i, (name, label) in enumerate(FREE.items()):
        path = project(paths[name]["curve"])
        axes.plot(*path[:, :2].T, **line(i, STYLES[i], linewidth=2.4 - 0.6 * i), label=label)
        globe.plot(*path[:, :2].T, **line(i, STYLES[i], linewidth=0.8))
        axes.plot(*project(paths[name]["trained"])[:, :2].T, **markers(i))
    sizes = ", ".join(f"{size:g}" for size in curves["frozen_sizes"])
    label = rf"Lagrange multiplier, tangent gradient, $\rho$ = {sizes}"
    for j, size in enumerate(curves["frozen_sizes"]):
        path = project(frozen["curves"][:, j])
        axes.plot(*path[:, :2].T, **line(3, ":"), label=None if j else label)
        axes.plot(*project(frozen["trained"][:, j])[:, :2].T, **markers(3, markersize=3))
        end = project(frozen["rest"][j])[:2]
        axes.plot(*end, marker="x", color=COLOURS[3], markersize=7)
        axes.annotate(f"{size:g}", end, xytext=(3, -10), textcoords="offset points", fontsize=8, color=COLOURS[3])
    start, best = (project(curves[name])[:2] for name in ("start", "max_margin"))
    axes.plot(*start, "k.", markersize=9)
    axes.annotate("start", start, xytext=(-6, 7), textcoords="offset points", fontsize=8, ha="right")
    axes.plot(*best, "k*", markersize=11)
    axes.annotate("max margin", best, xytext=(4, 9), textcoords="offset points", fontsize=8)
    drawn = [project(path["curve"])[:, :2] for path in paths.values()]
    drawn += [project(frozen["curves"]).reshape(-1, 3)[:, :2]]
    low, high = np.min([p.min(0) for p in drawn], axis=0), np.max([p.max(0) for p in drawn], axis=0)
    half = 0.68 * (high - low).max()
    middle = (low + high) / 2
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half), aspect="equal")
    for each in (axes, globe):
        each.set(xticks=[], yticks=[])
        each.grid(False)
    globe.set(xlim=(-1.02, 1.02), ylim=(-1.02, 1.02), aspect="equal")
    globe.spines[:].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2, fontsize=7)
    letter(axes, "B", r"directions $V$ on the sphere (x: rest at frozen $\rho$)")


def _draw_grid(axes: Axes, project: Project, degrees: int) -> None:
    """Meridians and parallels of the half that is seen, and its rim."""
    u = np.linspace(0, 2 * np.pi, 361)
    for angle in np.radians(np.arange(0, 180, degrees)):
        circle = np.stack([np.cos(u) * np.cos(angle), np.cos(u) * np.sin(angle), np.sin(u)], axis=-1)
        parallel = np.stack([np.sin(angle) * np.cos(u), np.sin(angle) * np.sin(u), np.cos(angle) + 0 * u], axis=-1)
        for curve in (project(circle), project(parallel)):
            axes.plot(*np.where(curve[:, 2] > 0, curve[:, :2].T, np.nan), color="0.87", linewidth=0.6, zorder=0)
    axes.plot(np.cos(u), np.sin(u), color="0.6", linewidth=0.8, zorder=0)


def _view(start: np.ndarray, end: np.ndarray) -> Project:
    """Right along the way from start to end, towards the eye in the middle between them."""
    towards = (start + end) / np.linalg.norm(start + end)
    right = end - (end @ towards) * towards
    right /= np.linalg.norm(right)
    frame = np.stack([right, np.cross(towards, right), towards])
    return lambda points: points @ frame.T


def _draw_angle(axes: Axes, evidence: Evidence) -> None:
    for i, name in enumerate(FREE):
        curves = evidence.group(name)
        axes.loglog(curves["sizes"], curves["angles"], **line(i, STYLES[i], linewidth=2.4 - 0.6 * i))
        axes.loglog(curves["trained_sizes"], curves["trained_angles"], **markers(i))
    rest, frozen = evidence.group("rest"), evidence.group("frozen")
    axes.loglog(rest["sizes"], rest["angles"], **line(3, ":"), label=r"rest $V^*(\rho)$")
    axes.loglog(evidence.curves["frozen_sizes"], frozen["angles"], **markers(3), label="trained, frozen")
    axes.set(xlabel=r"size $\rho$", ylabel="angle to max margin\n(radians)")
    axes.legend(loc="lower left")
    letter(axes, "C", r"angle against size: WN comes to $V^*(\rho)$ sooner than GF")


def _draw_sizes(axes: Axes, residual: Axes, curves: Curves) -> None:
    t, trained = curves["t"], curves["squared_sizes"]
    for k in range(trained.shape[1]):
        axes.plot(t, curves["flow"][:, k], **line(k, STYLES[k]))
        axes.plot(t, trained[:, k], **markers(k), label=rf"$\rho_{k + 1}^2$")
        residual.plot(t, curves["off_the_flow"][:, k], **markers(k))
    axes.set(ylabel=r"$\rho_k^2$", ylim=(0, None))
    axes.tick_params(labelbottom=False)
    axes.legend(loc="lower right", ncols=3)
    letter(axes, "D", "squared sizes grow in parallel")
    residual.axhline(0, color="0.4", linewidth=0.8)
    residual.ticklabel_format(axis="y", scilimits=(0, 0))
    residual.set(xlabel="time (step x learning rate)", ylabel="trained - flow")


def _draw_drift(axes: Axes, evidence: Evidence) -> None:
    eta = evidence.curves["step_sizes"]
    for i, name in enumerate(RULES):
        curves = evidence.group(name)
        axes.loglog(eta, curves["drift"], **markers(i), label=name)
        if name != "Adam":
            axes.loglog(eta, curves["halved"], **line(i, STYLES[i]))
    axes.plot([], [], color="0.4", label=r"slope 1")
    axes.set(xlabel=r"learning rate $\eta$", ylabel=r"$\|D(1) - D(0)\|_F$ at time 1")
    axes.set_xticks(eta, [f"{rate:.1e}" for rate in eta])
    axes.minorticks_off()
    axes.legend(loc="center left", bbox_to_anchor=(0.0, 0.55))
    letter(axes, "E", r"drift of the balance is $O(\eta)$; Adam's is not")
