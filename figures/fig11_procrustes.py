"""Figure 11: OPT on a linear layer. The determinant decides limit and rate; Cayley's map cannot make a half turn."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence
from theory.core.arrays import Array

COMPONENTS = {  # which one a start lies in, and the rate there
    "with": (r"$\det R_0 \det M > 0$", r"(s_{d-1} + s_d)/2"),
    "against": (r"$\det R_0 \det M < 0$", r"(s_{d-1} - s_d)/2"),
}
STYLES = ("-", "--")
CYCLE = r"$2\sqrt{2}\,\sin(\theta / 2)$, $\cos\theta = 1/h$"


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Distance to the optimum in both components, the power law of Cayley's map, all critical points, and stability."""
    title = "Linear OPT is solved: each mode decays exponentially, but Cayley's map is left with a power law"
    figure = canvas(title, evidence, width=15.0, height=9.0)
    panels = figure.subplot_mosaic(
        [["distance", "loss"], ["residual", "loss_residual"], ["landscape", "steps"]], height_ratios=(3, 1, 2.6)
    )
    limit = evidence["orthogonal.procrustes_limit"]
    _draw_distance(panels["distance"], limit)
    _draw_distance_residual(panels["residual"], limit)
    power = evidence["orthogonal.cayley_power_law"]
    _draw_half_turn(panels["loss"], power)
    _draw_half_turn_residual(panels["loss_residual"], power)
    _draw_landscape(panels["landscape"], evidence["orthogonal.landscape"])
    _draw_stability(panels["steps"], evidence["orthogonal.discrete_steps"].curves)
    return figure


def _draw_distance(axes: Axes, limit: Evidence) -> None:
    t, fine = limit.curves["t"], limit.curves["t_predicted"]
    for i, (side, (determinant, rate)) in enumerate(COMPONENTS.items()):
        curves = limit.group(side)
        axes.semilogy(fine, curves["predicted"], **line(i, STYLES[i]))
        text = f"{determinant}: rate ${rate} = {curves['rate']:.2g}$"
        axes.semilogy(t, curves["trained"], **markers(i), label=text)
    axes.set(ylabel=r"$|R - R^*|_F$", xlim=(0, t[-1]), ylim=(limit.curves["least"] / 3, 30))
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper right", title="lines: closed form; markers: trained (torch)")
    letter(axes, "A", r"distance to the optimum of the start's own component of $O(d)$")


def _draw_distance_residual(axes: Axes, limit: Evidence) -> None:
    t = limit.curves["t"]
    for i, side in enumerate(COMPONENTS):
        curves = limit.group(side)
        for level, size in enumerate((5, 4, 3)):
            style = markers(i, markersize=size, alpha=0.4 + 0.3 * level)
            axes.plot(t, curves["deviation"][level], **style)
        axes.plot(t, curves["extrapolated_deviation"], **markers(6, marker="x", markersize=3))
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set(xlabel=r"$t$ = step $\times$ learning rate", ylabel="trained / closed\nform $- 1$ (%)")
    axes.set(xlim=(0, t[-1]))
    note = r"learning rates $\eta$, $\eta/2$, $\eta/4$; crosses: extrapolated to 0"
    axes.text(0.01, 0.08, note, transform=axes.transAxes, fontsize=8)


def _draw_half_turn(axes: Axes, power: Evidence) -> None:
    cayley, exponential = power.group("Cayley"), power.group("exponential")
    axes.loglog(cayley["t"], cayley["asymptote"], color="0.6", linewidth=4, alpha=0.5)
    axes.loglog(cayley["t"], cayley["predicted"], **line(0))
    axes.loglog(cayley["t"], cayley["trained"], **markers(0), label="Cayley map")
    axes.loglog(exponential["t"], exponential["predicted"], **line(1, "--"))
    axes.loglog(exponential["t"], exponential["trained"], **markers(1), label="exponential map")
    middle = len(cayley["t"]) // 2
    where = cayley["t"][middle], 1.6 * cayley["asymptote"][middle]
    axes.annotate(r"$\frac{1}{2}\sqrt{m / t}$", where, fontsize=12, color="0.4")
    axes.set(ylabel=r"loss above the optimum", ylim=(1e-8, 10), xlim=(0.3, cayley["t"][-1]))
    axes.tick_params(labelbottom=False)
    axes.legend(loc="lower right", title=r"target turned by $\pi$")
    letter(axes, "B", r"a half turn: $L \sim t^{-1/2}$ for Cayley's map")


def _draw_half_turn_residual(axes: Axes, power: Evidence) -> None:
    cayley, early = power.group("Cayley"), power.group("exponential, early")
    axes.semilogx(cayley["t"], cayley["deviation"], **markers(0))
    axes.semilogx(early["t"], early["deviation"], **markers(1))
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set(xlabel=r"$t$ = step $\times$ learning rate", ylabel="trained / closed\nform $- 1$ (%)")
    axes.set(xlim=(0.3, cayley["t"][-1]))


def _draw_landscape(axes: Axes, landscape: Evidence) -> None:
    """A bar a critical point, at its height; torch's loss and the number of torch's negative curvatures on it."""
    for i, (side, (determinant, _)) in enumerate(COMPONENTS.items()):
        curves = landscape.group(side)
        index = curves["index"] + (i - 0.5) * 0.36
        axes.hlines(curves["predicted"], index - 0.17, index + 0.17, color=COLOURS[i], linestyle=STYLES[i])
        axes.plot(index, curves["height"], **markers(i), label=determinant)
    axes.set(xlabel="descending directions (Morse index)", ylabel=r"loss above the optimum")
    axes.set_xticks(range(landscape.group("with")["index"].max() + 1))
    axes.legend(loc="upper left")
    letter(axes, "C", "all critical points: bars predicted, markers torch; a single minimum each")


def _draw_stability(axes: Axes, curves: Mapping[str, Array]) -> None:
    axes.plot(curves["h_cycle"], curves["cycle"], **line(0), label=CYCLE)
    axes.plot(curves["h"], curves["distance"], **markers(0), label="after 800 steps (torch)")
    axes.axvline(1, color="0.5", linestyle=":")
    axes.text(0.998, 0.3, r"$\eta = 4 / (s_1 + s_2)$", fontsize=9, ha="right")
    axes.set(xlabel=r"$h$ = learning rate / stability limit", ylabel=r"$|R - R^*|_F$ in the end")
    axes.legend(loc="upper left")
    letter(axes, "D", "above its stability limit the step cycles, as predicted")
