"""Figure 18: more parameters. Error and test loss against features and width, with and without a bound on the norm."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from figures.style import canvas, letter, line, markers
from theory.claims import Evidence
from theory.generalisation import log_loss, seen_features

FEATURES, LOSS = "generalisation.seen_features", "generalisation.log_loss"
WIDTHS, CONSTRAINT = "banburski2019.more_parameters", "banburski2019.norm_constraint"
LAWS = {"class mean": seen_features.class_mean, "minimum norm": seen_features.minimum_norm}
LEARNERS = ("class mean", "minimum norm", "ridge")
NETWORKS = (("free", "free weights"), ("constraint", "norms kept"))
STARTS = (
    ("constraint", "norms kept"),
    ("W_0 / 2", "free, $W_0 / 2$"),
    ("W_0", "free, $W_0$ (He)"),
    ("3 W_0", "free, $3 W_0$"),
)
GREY = {"color": "0.45", "linestyle": "--", "linewidth": 1.1}
HIGHEST = 6.0  # of the mean square error that is shown; at p = n it has no mean


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Learners of Gaussian features, networks and random features on digits, starts, and a loss that overfits."""
    title = "More parameters do no harm to networks; they do to least squares, unless its norm is kept small"
    figure = canvas(title, evidence, width=13.5, height=8.2)
    panels = figure.subplot_mosaic([["error", "networks", "starts"], ["risk", "loss", "size"]])
    _draw_errors(panels["error"], evidence[FEATURES])
    _draw_risks(panels["risk"], evidence[FEATURES])
    _draw_networks(panels["networks"], evidence[WIDTHS])
    _draw_losses(panels["loss"], evidence[WIDTHS])
    _draw_starts(panels["starts"], evidence[CONSTRAINT])
    _draw_sizes(panels["size"], evidence[LOSS])
    return figure


def _draw_errors(axes: Axes, evidence: Evidence) -> None:
    """Mean errors of learners of Gaussian features, and the angle of mean weights to the teacher."""
    n, D, s = (evidence.parameters[name] for name in ("examples", "features", "noise"))
    p = np.arange(1, D + 1)
    for i, name in enumerate(LEARNERS):
        found = evidence.group(name)
        axes.plot(found["seen"], found["error"], **markers(i), label=name)
        if law := LAWS.get(name):
            cosine = np.sqrt([law(k / D, 1.0, int(k), n, s).squared_cosine for k in p])
            axes.plot(p, np.arccos(cosine) / np.pi, **line(i))
    ordered = evidence.group("order 0.25")
    axes.plot(ordered["seen"], ordered["law"], **GREY, label="class mean, signal first")
    axes.set(xlabel=f"features seen $p$, of {D}", ylabel="error against the teacher", ylim=(None, 0.57))
    _mark(axes, n)
    axes.legend(loc="upper right", title="lines: from the moments' law; markers: draws", ncols=2)
    letter(axes, "A", f"Gaussian features, $n = {n}$ examples")


def _draw_risks(axes: Axes, evidence: Evidence) -> None:
    """Mean square error in closed form, where it has one."""
    n, D = (evidence.parameters[name] for name in ("examples", "features"))
    for i, name in enumerate(LEARNERS[:2]):
        found = evidence.group(name)
        risk = np.where(np.isfinite(found["risk"]), found["risk"], np.nan)
        axes.plot(found["seen"], risk, **line(i, "-" if i else "-."), label=f"{name}: law")
    axes.set(xlabel=f"features seen $p$, of {D}", ylabel="mean square error", ylim=(0, HIGHEST))
    _mark(axes, n)
    axes.legend(loc="upper right")
    letter(axes, "D", "their test loss: the class mean's grows, too")


def _mark(axes: Axes, n: float) -> None:
    """As many features as examples."""
    axes.axvline(n, color="0.7", linewidth=0.9, linestyle=":")
    axes.annotate("$p = n$", (n, 0), xycoords=("data", "axes fraction"), xytext=(3, 4), textcoords="offset points")


def _draw_networks(axes: Axes, evidence: Evidence) -> None:
    """Against parameters: weights of both layers, or of random features' readout alone."""
    for i, (name, label) in enumerate(NETWORKS):
        found = evidence.group(name)
        axes.plot(found["width"], found["error"], **markers(i, linestyle="-", linewidth=0.9), label=f"network: {label}")
    for i, name in enumerate(("ridge", "least squares"), 2):
        found = evidence.group(name)
        style = (
            {"color": "0.45", "linestyle": "--", "linewidth": 1.1} if name == "least squares" else {"linestyle": ":"}
        )
        axes.plot(found["features"], found["error"], **(markers(i) | style), label=f"features: {name}")
    _mark(axes, evidence.parameters["images"])
    _logarithmic(axes)
    axes.set(xlabel="hidden units $h$, or random features $p$", ylabel="error on new digits", ylim=(0.1, 1.02))
    axes.legend(loc="upper right", ncols=2)
    images, flipped = evidence.parameters["images"], evidence.parameters["flipped"]
    letter(axes, "B", f"{images} digits, {100 * flipped:g} % of their labels wrong")


def _draw_losses(axes: Axes, evidence: Evidence) -> None:
    for i, (name, label) in enumerate(NETWORKS):
        found = evidence.group(name)
        axes.plot(found["width"], found["new_loss"], **markers(i, linestyle="-", linewidth=0.9), label=label)
    _logarithmic(axes)
    axes.set(xlabel="hidden units $h$", ylabel="cross-entropy on new digits", ylim=(0, None))
    axes.legend(loc="lower left")
    letter(axes, "E", "the same networks: the constraint lowers the loss")


def _logarithmic(axes: Axes) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(_plain)


def _plain(value: float, _: int) -> str:
    return f"{value:g}"


def _draw_starts(axes: Axes, evidence: Evidence) -> None:
    """Each draw's error and the mean, from each start."""
    for i, (name, _) in enumerate(STARTS):
        error = 100 * evidence.group(name)["error"]
        spread = np.random.default_rng(0).uniform(-0.2, 0.2, len(error))
        axes.plot(i + spread, error, **markers(i, markersize=2.5, alpha=0.5))
        axes.plot([i - 0.3, i + 0.3], [error.mean()] * 2, color="black", linewidth=1.8)
        axes.annotate(f"{error.mean():.1f}", (i + 0.32, error.mean()), xytext=(0, 3), textcoords="offset points")
    best = 100 * evidence.group(STARTS[0][0])["error"].mean()
    axes.axhline(best, **GREY)
    axes.set_xticks(range(len(STARTS)), [label for _, label in STARTS])
    axes.set(ylabel="error on new digits, %", xlim=(-0.5, len(STARTS) - 0.3), ylim=(0, None))
    given = evidence.parameters
    axes.set_xlabel(f"{given['images']} digits, all at training cross-entropy {given['fitted']:g}; {len(error)} draws")
    letter(axes, "C", "free weights depend on their start")


def _draw_sizes(axes: Axes, evidence: Evidence) -> None:
    """Along training of a linear network: its size grows without bound, and with it the test loss."""
    size, error, loss = (evidence.curves[name].mean(1) for name in ("size", "error", "loss"))
    rho = np.geomspace(size[0], size[-1], 200)
    turned = log_loss.log_loss(rho, np.pi * np.interp(np.log(rho), np.log(size), error))
    axes.loglog(rho, turned, **line(0))
    axes.loglog(size, loss, **markers(0), label="log loss on new examples")
    axes.loglog(size, error, **markers(1), label="error")
    least = loss.argmin()
    axes.loglog(size[[least, -1]], loss[[least, least]], **GREY, label="if the loss stayed as the error does")
    axes.set(xlabel=r"size of the weights $\rho$", ylabel="mean over runs")
    axes.yaxis.set_major_formatter(_plain)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks([tick for tick in (0.2, 0.5, 1, 2, 5, 10, 20) if error.min() < tick < loss.max()])
    axes.legend(loc="upper left")
    letter(axes, "F", "a linear network that fits all: error flat, loss not")
