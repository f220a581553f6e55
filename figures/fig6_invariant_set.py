"""Figure 6: inside the invariant set training finds the minimum-norm solution; the imbalance is conserved."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from figures.style import canvas, letter, line, markers
from theory.claims import Evidence

LABELS = {
    "both products 0": r"$V U_2^\top = 0,\ U_1 U_2^\top = 0$",
    "U2 = 0": r"$U_2 = 0$",
    "only V U2^T = 0": r"only $V U_2^\top = 0$",
    "only U1 U2^T = 0": r"only $U_1 U_2^\top = 0$",
    "V = 0": r"$V = 0$",
    "generic": "generic",
    "U = 0 and V = 0": r"$U = 0,\ V = 0$ (in the set, but a saddle)",
}


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Distance to the minimum-norm solution from seven starts; drift of the imbalance against the step size."""
    figure = canvas("Inside the invariant set training finds the minimum-norm solution, and only there", evidence)
    panels = figure.subplot_mosaic([["distance", "drift"], ["leak", "ratio"]], height_ratios=(3, 1))
    curves = evidence["min2021.proposition1"].curves
    distance, leak = panels["distance"], panels["leak"]
    for i, start in enumerate(curves["starts"]):
        style = markers(i, linestyle="-", linewidth=0.8, markevery=(2 * i, 14))
        end = curves["distance"][-1, i]
        distance.semilogy(curves["steps"], curves["distance"][:, i], **style, label=f"{LABELS[str(start)]}:  {end:.1e}")
        # Exact zeros have no place on a logarithmic axis; they are drawn at its lower end.
        leak.semilogy(curves["steps"], curves["leak"][:, i].clip(1e-17), **style)
    distance.set(ylabel=r"$\|U V^\top - \hat\Theta\|_F$", ylim=(1e-15, 30))
    distance.legend(title="start, and where training ends", loc="upper right", bbox_to_anchor=(1.0, 0.86))
    distance.tick_params(labelbottom=False)
    leak.set(xlabel="iteration", ylabel=r"$\|Z U_2^\top\|_F$", ylim=(3e-18, 1e2), yticks=(1e-16, 1e-8, 1))
    letter(distance, "A", "distance to the minimum-norm solution (trained networks)")
    _draw_drift(panels, evidence["min2021.conservation"])
    return figure


def _draw_drift(panels: Mapping, evidence: Evidence) -> None:
    curves = evidence.curves
    eta = curves["step_sizes"]
    drift, ratio = panels["drift"], panels["ratio"]
    drift.loglog(
        eta, curves["predicted_drift"], **line(0), label=r"predicted: $\eta\,\|\int_0^T Z^\top\! A J A Z\, dt\|$"
    )
    drift.loglog(eta, curves["drift"], **markers(0), label="gradient descent (torch)")
    drift.loglog(eta, curves["lie_euler_drift"], **markers(1, linestyle=":"), label=r"Lie-Euler step $e^{\eta A} Z$")
    drift.set(ylabel=r"$\|\Lambda(T) - \Lambda(0)\|_F$")
    drift.tick_params(labelbottom=False)
    drift.legend(loc="center right")
    letter(drift, "B", "the imbalance drifts only by the step size")
    ratio.semilogx(eta, curves["drift_beyond_predicted"], **markers(0))
    ratio.axhline(0, **line(0))
    ratio.set(xlabel=r"step size $\eta$ (units of time)", ylabel="drift /\npredicted $- 1$")
    for axes in (drift, ratio):
        axes.set_xticks(eta, labels=[f"{x:g}" for x in eta])
        axes.minorticks_off()
