"""Figure 5: the loss decays at the rate the imbalance sets (Theorem 1; the paper's Figures 2 and 3)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from figures.style import canvas, letter, line, markers
from theory.claims import Evidence


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Loss with its bound, and the pointwise rate with its bound, at four starts."""
    curves = evidence["min2021.theorem1"].curves
    figure = canvas("The loss decays at least at the rate the imbalance of the start sets", evidence)
    (loss, rate), (difference, tightness) = figure.subplots(2, 2, sharex=True, height_ratios=(3, 1))
    steps = curves["steps"]
    shown = slice(None, None, 2)
    for i, scales in enumerate(curves["scales"]):
        start, level = _start(*scales), curves["imbalance_level"][i]
        is_balanced = np.isnan(scales).all()
        label = f"{start},  $c = 0$" if is_balanced else f"{start},  $c = {level:.3g}$"
        loss.semilogy(steps[shown], curves["loss"][shown, i], **markers(i))
        loss.semilogy(steps, curves["flow_loss"][:, i], **line(i), label=label)
        loss.semilogy(steps, curves["bound"][:, i], **line(i, "--", linewidth=1.1))
        rate.semilogy(steps[shown], curves["rate"][shown, i], **markers(i))
        rate.semilogy(steps, curves["flow_rate"][:, i], **line(i))
        if not is_balanced:
            rate.axhline(curves["rate_bound"][i], **line(i, "--", linewidth=1.1))
            tightness.plot(steps, curves["rate_over_bound"][:, i], **line(i))
        difference.plot(steps[shown], 1e4 * curves["loss_beyond_flow"][shown, i], **markers(i))
    loss.plot([], [], color="0.3", label="gradient flow")
    loss.plot([], [], color="0.3", linestyle="--", label="bound of Theorem 1")
    loss.plot([], [], **markers(0, color="0.3"), label="trained network (torch)")
    loss.set(ylabel=r"loss $\frac{1}{n}\|Y - X U V^\top\|_F^2$", ylim=_span(curves["loss"]))
    loss.legend(ncols=2, loc="lower left")
    letter(loss, "A", "loss: training on the flow, below its bound")
    letter(rate, "B", "instantaneous rate: never below its bound")
    rate.set(ylabel=r"$-\frac{d}{dt}\log(L - L^*)$  per unit of time")
    difference.axhline(0, color="0.3", linewidth=0.8)
    difference.set(ylabel=r"training / flow $- 1$" + "\n" + r"($\times 10^{-4}$)", xlabel="iteration")
    tightness.axhline(1, color="0.3", linewidth=0.8)
    tightness.set(ylabel="rate / bound", xlabel="iteration", ylim=(0.9, None))
    return figure


def _start(hidden: float, output: float) -> str:
    if np.isnan(hidden):
        return "balanced"
    return rf"$\sigma_U = {hidden:.3g},\ \sigma_V = {output:.3g}$"


def _span(loss: np.ndarray) -> tuple[float, float]:
    return float(loss.min()) / 30, float(loss.max()) * 3
