"""Figure 34: what tells the error on new examples: margins, a bound by support vectors, angles, and features seen."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.agreement import GREY, controls, named, room
from figures.style import COLOURS, canvas, letter, line, markers
from theory.claims import Evidence
from theory.generalisation import log_loss

LEARNERS = ("class mean", "class mean of signs", "minimum norm", "ridge")
STYLES = ("-", "--", "-", "-.")


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Errors by margin, their bound, the loss that grows where the error stays, best sizes, and four learners."""
    title = "New examples: margins and support vectors tell the error; the size of the weights tells the loss alone"
    figure = canvas(title, evidence, width=14.0, height=9.6)
    panels = figure.subplot_mosaic(
        [
            ["margin", "bound", "loss"],
            ["margin", "bound", "error"],
            ["sizes", "features", "order"],
            ["sizes apart", "features apart", "order"],
        ],
        height_ratios=(3, 1.5, 3, 1.5),
    )
    _draw_margin(panels["margin"], evidence["banburski2019.generalisation"])
    _draw_bound(panels["bound"], evidence["generalisation.leave_one_out"])
    _draw_loss(panels["loss"], panels["error"], evidence["generalisation.log_loss"])
    _draw_sizes(panels["sizes"], panels["sizes apart"], evidence["generalisation.log_loss"])
    _draw_features(panels["features"], panels["features apart"], evidence["generalisation.seen_features"])
    _draw_order(panels["order"], evidence["generalisation.seen_features"])
    return figure


def _draw_margin(axes: Axes, evidence: Evidence) -> None:
    """Interpolants of one training loss from starts of three sizes: the same raw margins, other errors."""
    curves = evidence.group("interpolants")
    for i, scale in enumerate(curves["scales"]):
        margin, error, counted = (curves[name][:, i] for name in ("margin", "error", "counted"))
        axes.plot(margin, 100 * counted, **markers(i, markersize=3.5), label=f"start of size {scale:g}")
        across, up = margin.mean(), 100 * counted.mean()
        axes.plot(across, up, **markers(i, markersize=11, markerfacecolor="white"), zorder=4)
        axes.plot(across, 100 * error.mean(), color="black", marker="_", markersize=14, linestyle="none", zorder=5,
                  label=None if i else r"angle to the teacher, $\theta / \pi$: means")  # fmt: skip
    axes.axhline(100 * curves["counted"].mean(), **GREY, label="one error, were raw margins to tell")
    axes.set(xlabel="normalised margin (raw margins are all 1)", ylabel="test error, counted, %")
    room(axes, 0.3)
    axes.legend(loc="upper right", fontsize=7.5)
    (rate,) = named(evidence, "test error over angle")
    letter(axes, "A", f"equal losses, unequal margins and errors (to {100 * (rate.resolution or 0):.1g} %)")


def _draw_bound(axes: Axes, evidence: Evidence) -> None:
    names = [name.removesuffix("/support") for name in evidence.curves if name.endswith("/support")]
    for x, name in enumerate(names):
        curves = evidence.group(name)
        spread = np.linspace(-0.3, 0.3, len(curves["error"]))
        axes.plot(x + spread, 100 * curves["bound"], color="black", marker="_", markersize=4, linestyle="none",
                  label=None if x else "bound, a draw")  # fmt: skip
        axes.plot(x + spread, 100 * curves["error"], **markers(0, markersize=3),
                  label=None if x else "error on new images, a draw")  # fmt: skip
        for values, colour in ((curves["bound"], "black"), (curves["error"], COLOURS[0])):
            axes.plot([x - 0.36, x + 0.36], [100 * values.mean()] * 2, color=colour, linewidth=1.6)
    (bound,) = controls(evidence, "shuffled labels: the bound")
    (error,) = controls(evidence, "shuffled labels: new")
    x = len(names)
    axes.plot([x - 0.36, x + 0.36], [100 * bound.measured] * 2, color="black", linewidth=1.6)
    axes.plot(x, 100 * error.measured, **markers(0, markersize=8))
    for part, text in (("R^2 / gamma^2 alone", r"$R^2 / \gamma^2$ alone"), ("Rademacher", "by Rademacher complexity")):
        (other,) = controls(evidence, part)
        axes.axhline(100 * other.measured, **(GREY | {"linewidth": 0.9}))
        axes.annotate(text, (-0.45, 100 * other.measured), xytext=(0, 2), va="bottom",
                      textcoords="offset points", fontsize=7.5, color="0.35")  # fmt: skip
    axes.axhline(50, color="0.6", linestyle=":", linewidth=1.0)
    axes.annotate("guessing", (-0.45, 50), xytext=(0, 3), textcoords="offset points", fontsize=7.5, color="0.35")
    axes.set_xticks(range(x + 1), [*names, "labels\nshuffled"])
    axes.set(xlim=(-0.5, x + 0.5), ylim=(-4, 2500), ylabel="error and bound, %", xlabel="digits told apart")
    axes.set_yscale("symlog", linthresh=25, linscale=2)
    axes.set_yticks([0, 5, 10, 15, 20, 50, 100, 200], ["0", "5", "10", "15", "20", "50", "100", "200"])
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper left", fontsize=7.5)
    letter(axes, "B", "a bound by support vectors that says something")


def _draw_loss(axes: Axes, errors: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    size = np.exp(np.log(curves["size"]).mean(1))
    for panel, values, i in ((axes, curves["loss"], 1), (errors, 100 * curves["error"], 0)):
        low, high = np.quantile(values, [0.1, 0.9], axis=1)
        panel.fill_between(size, low, high, color=COLOURS[i], alpha=0.15, linewidth=0)
        panel.semilogx(size, values.mean(1), **line(i))
    checked = {c.case: c for c in named(evidence, "loss over its law")}
    for case, check in checked.items():
        at = int(case.split()[1]) - 1
        axes.semilogx(size[at], check.measured * curves["loss"][at].mean(), **markers(1, markersize=7),
                      label=None if at < len(size) - 1 else "trained, on new examples")  # fmt: skip
    for check in named(evidence, "error over angle"):
        at = int(check.case.split()[1]) - 1
        errors.semilogx(size[at], check.measured * 100 * curves["error"][at].mean(), **markers(0, markersize=7))
    lowest = int(curves["loss"].mean(1).argmin())
    axes.plot(size[lowest:], np.full(len(size) - lowest, curves["loss"].mean(1)[lowest]), **GREY,
              label="were it to stay as the error does")  # fmt: skip
    axes.plot([], [], **line(1), label="law of size and angle, mean (band: middle 80 %)")
    for panel, top in ((axes, 0.72), (errors, 1.0)):
        panel.axvline(size[lowest], ymax=top, color="0.6", linestyle=":", linewidth=1.0)
    axes.tick_params(labelbottom=False)
    axes.set_yscale("log")
    axes.set_yticks([0.3, 1, 3, 10], ["0.3", "1", "3", "10"])
    axes.minorticks_off()
    axes.set(ylabel="logistic loss, new examples")
    room(axes)
    axes.legend(loc="upper left", fontsize=7.5)
    errors.set(xlabel=r"size $\rho$ of the weights, as descent goes on", ylabel="test error, %", xlim=axes.get_xlim())
    (grown,) = named(evidence, "growth of the error")
    letter(axes, "C", f"the loss grows, the error by {100 * grown.measured:.1f} points")


def _draw_sizes(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    curves = evidence.group("sizes")
    angles = np.concatenate([np.geomspace(0.05, 0.5, 6), np.linspace(0.6, 1.2, 10)])
    axes.loglog(angles, [log_loss.best_size(float(angle)) for angle in angles], **line(0), label=r"law: $\rho^*$")
    small = np.array([log_loss.large_best_size(float(angle)) for angle in angles])
    axes.loglog(angles, small, **GREY, label=r"that of small angles, $\pi / (6 (1 - \cos\theta))^{1/2}$")
    axes.loglog(curves["angle"], curves["trained"], **markers(0, markersize=7), label="trained: the size alone")
    checks = [check for check in named(evidence, "best size over its law")]
    for angle, check in zip(curves["angle"], checks):
        residual.errorbar(angle, 100 * (check.measured - 1), yerr=100 * check.tolerance, elinewidth=1.2, capsize=3,
                          **markers(0))  # fmt: skip
    residual.axhline(0, color="0.3", linewidth=0.8)
    (larger,) = controls(evidence, "a best size 10 % larger")
    residual.axhline(100 * (larger.measured - 1), **GREY)
    residual.annotate("of a size 10 % larger", (angles[0], 100 * (larger.measured - 1)), xytext=(0, 3), fontsize=7.5,
                      textcoords="offset points", color="0.35")  # fmt: skip
    for each in (axes, residual):
        each.set_xscale("log")
        each.set_xticks([0.05, 0.1, 0.2, 0.5, 1], ["0.05", "0.1", "0.2", "0.5", "1"])
        each.minorticks_off()
    axes.tick_params(labelbottom=False)
    axes.set_yticks([1, 2, 5, 10, 20, 40], ["1", "2", "5", "10", "20", "40"])
    axes.minorticks_off()
    axes.set(ylabel=r"size of least loss $\rho^*$")
    axes.legend(loc="upper right", fontsize=7.5)
    residual.set(xlabel=r"angle $\theta$ to the teacher", ylabel="trained\n/ law $-1$, %", xlim=axes.get_xlim())
    letter(axes, "D", "the size at which the loss is least")


def _draw_features(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    n = evidence.parameters["examples"]
    for i, name in enumerate(LEARNERS):
        curves = evidence.group(name)
        axes.plot(curves["seen"], 100 * curves["error"], **line(i, STYLES[i]), label=name)
        for check in named(evidence, ": ridge: E" if name == "ridge" else f"{name}, p = "):
            if check.kind == "rate":
                p = float(check.label.split("p = ")[1].split(":")[0])
                residual.errorbar(p + 0.7 * (i - 1.5), 100 * (check.measured - 1), yerr=100 * check.tolerance,
                                  elinewidth=0.9, capsize=2, **markers(i))  # fmt: skip
    for each in (axes, residual):
        each.axvline(n, color="0.6", linestyle=":", linewidth=1.0)
    axes.annotate(f"$n = {n}$", (n, 26), xytext=(3, 2), textcoords="offset points", fontsize=8)
    residual.axhline(0, color="0.3", linewidth=0.8)
    wrong = controls(evidence, "in place of |n - p|")
    for check in wrong:
        residual.axhline(100 * (check.measured - 1), **GREY)
        residual.annotate(r"$|n - p|$ for $|n - p| - 1$", (1, 100 * (check.measured - 1)), xytext=(0, -9),
                          textcoords="offset points", fontsize=7.5, color="0.35")  # fmt: skip
    axes.tick_params(labelbottom=False)
    axes.set(ylabel="error on new examples, %")
    room(axes, 0.6)
    axes.legend(loc="upper right", fontsize=7.5, ncols=2)
    residual.set(
        xlabel="features seen $p$", ylabel="moments, drawn\n/ law $-1$, %", xlim=axes.get_xlim(), ylim=(None, 12)
    )
    letter(axes, "E", "more features help, but for the minimum norm at $n$")


def _draw_order(axes: Axes, evidence: Evidence) -> None:
    groups = dict.fromkeys(name.split("/")[0] for name in evidence.curves if name.startswith("order"))
    for i, group in enumerate(groups):
        curves = evidence.group(group)
        axes.plot(curves["seen"], 100 * curves["law"], **line(i, STYLES[i + 1]))
        exponent = group.removeprefix("order ")
        axes.plot(curves["p"], 100 * curves["error"], **markers(i, markersize=7), label=f"$a = {exponent}$: drawn")
    axes.plot([], [], color="0.3", label="lines: law for many examples")
    (falls,) = controls(evidence, "in order, a = 1/4")
    curves = evidence.group(next(iter(groups)))
    axes.plot(curves["p"], [100 * curves["error"][0]] * 2, **GREY, label="were more features never to hurt")
    axes.annotate(f"+{100 * falls.measured:.1f} points", (curves["p"][1], 50 * curves["error"].sum()), ha="right",
                  fontsize=8)  # fmt: skip
    axes.set(xlabel="features seen $p$, most telling first", ylabel="error of the class mean, %")
    room(axes, 0.6)
    axes.legend(loc="upper right", fontsize=7.5)
    letter(axes, "F", "in the order of what they tell, features may hurt")
