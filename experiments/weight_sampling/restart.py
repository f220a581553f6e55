"""Restart from the average: what it takes off the variance, and how much longer it remembers where it began."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.optim import SGD
from torch.optim.swa_utils import AveragedModel

from experiments.methods.weight_sampling import RestartedAverage
from experiments.weight_sampling.noisy import Quadratic, descend, kicks, rounded, spread
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.weight_sampling import restart
from theory.weight_sampling.averages import averaged_variance, mean_kept
from theory.weight_sampling.descent import Descent, kept, variance

MOST = 4000  # steps of a training, as many as runs that are kicked once


@dataclass(frozen=True)
class Epochs:
    """Directions fast and slow, the same start in each, and epochs of samples."""

    learning_rate: float = varies("eta", 0.13, low=1e-3, high=10)
    curvatures: tuple[float, ...] = varies("h, one a direction", (0.004, 0.06, 0.7, 3.1), low=1e-4, high=100)
    noise: float = varies("standard deviation s of the gradient's", 0.7, low=1e-3, high=1e3)
    start: float = varies("w before the first step, in units of V^(1/2)", 3.0, low=0.01, high=100)
    period: int = varies("P, steps from a sample to the next", 5, low=1, high=100, unit="steps")
    samples: int = varies("K, of an epoch", 8, smoke=4, low=2, high=100)
    epochs: int = varies("of K P steps", 16, smoke=8, low=3, high=200)

    def __post_init__(self) -> None:
        # Above 1 descent overshoots, and restart forgets sooner where averages happen to cancel.
        if not self.learning_rate * max(self.curvatures) < 1:
            reject("learning_rate", self.learning_rate, f"below 1 / {max(self.curvatures):g}, the largest curvature")
        slow = 1 / (self.learning_rate * self.steps)
        if not min(self.curvatures) <= slow:
            expected = f"one of at most 1 / (learning_rate x period x samples) = {slow:.3g}, a slow direction"
            reject("curvatures", self.curvatures, expected)
        if self.epochs * self.steps > MOST:
            reject("epochs", self.epochs, f"at most {MOST // self.steps} of {self.steps} steps each")

    @property
    def descents(self) -> list[Descent]:
        return [Descent(h, self.learning_rate, self.noise) for h in self.curvatures]

    @property
    def steps(self) -> int:
        """n, of an epoch."""
        return self.period * self.samples


@claim(
    "weight_sampling.restart",
    source="ours: averages within an epoch from which the next one starts (the method of Tripathi et al. 2019)",
    source_kind=OURS,
    statement=r"W_{e+1} = \alpha W_e + N,\ \alpha = \tfrac1K \textstyle\sum_{j=1}^K \rho^{Pj},\ \rho = 1 - \eta h:\quad"
    r" \mathrm{Var}\,N = A - \alpha^2 V,\quad"
    r" \mathbb E L_e = \tfrac h2 \big(\alpha^{2e} w_0^2 + R (1 - \alpha^{2e})\big),\quad"
    r" R = \frac{A - \alpha^2 V}{1 - \alpha^2} \le A \le V;\quad \frac{\log \rho^{KP}}{\log \alpha} \ge \frac{2K}{K+1}",
    hypotheses=(
        "one direction of curvature h, loss L = h w^2 / 2, 0 < eta h < 1",
        "independent noise of variance s^2; V is the variance of w, A that of an average of K samples, both stationary",
        "epochs of K P steps, sampled every P of them; W_e is the average of epoch e, from which the next one starts",
    ),
    theory_side="closed form",
    controls=(
        "restart forgets like descent, rho^n an epoch",
        "restart varies like the average, A",
        "restart is 10 % slower than 2 K / (K + 1)",
        "without noise restart is ahead",
    ),
    parameters=Epochs,
)
def restart_buys_variance_with_bias(study: Study, sizes: Epochs) -> Iterator[Check | Curves]:
    left, spreads = _trained(study, sizes)
    yield from _bias(sizes, left)
    yield from _spread(sizes, spreads)
    yield from _losses(sizes, left, spreads)


def _bias(sizes: Epochs, left: dict[str, Array]) -> Iterator[Check]:
    """What is left of the start, as a share of it, after each epoch."""
    epoch, axes = np.arange(1, sizes.epochs + 1)[:, None], ("t", "direction")
    within = rounding(8 * sizes.epochs * sizes.steps, 1.0, of="the start, 8 a step")
    alpha = _of_each(sizes, mean_kept, sizes.samples, sizes.period)
    rho_n = _of_each(sizes, kept, sizes.steps)
    bias = measured("left of the start, restarted", left["restarted"], within=within, axes=axes)
    yield bias.equals(lambda k: alpha ** (k * epoch))
    yield bias.control("restart forgets like descent, rho^n an epoch").equals(rho_n**epoch)
    averaged = measured("left of the start, averaged", left["averaged"], within=within, axes=axes)
    yield averaged.equals(lambda k: k * alpha * rho_n ** (epoch - 1))
    delay = np.log(left["plain"][0]) / np.log(left["restarted"][0])
    # Logarithms of numbers that were rounded, divided: the smaller of them is that of the slowest direction.
    terms = 8 * sizes.steps / np.minimum(-np.log(left["restarted"][0]), 1)
    off = rounding(2 * terms, delay, of="logarithms of shares left after an epoch, each 8 a step")
    slower = measured("epochs to forget what descent forgets in one", delay, within=off, axes=("direction",))
    yield slower.equals(_of_each(sizes, restart.delay, sizes.samples, sizes.period))
    least = 2 * sizes.samples / (sizes.samples + 1)
    bound = replace(slower, name="least of these epochs")
    yield bound.at_least(least)
    yield bound.control("restart is 10 % slower than 2 K / (K + 1)").at_least(1.1 * least)


def _spread(sizes: Epochs, spreads: dict[str, Array]) -> Iterator[Check]:
    """Variances after each epoch, of a start that is the same in all runs."""
    epoch = np.arange(1, sizes.epochs + 1)[:, None]
    V = np.array([variance(each) for each in sizes.descents])
    alpha = _of_each(sizes, mean_kept, sizes.samples, sizes.period)
    A, R = (_of_each(sizes, of, sizes.samples, sizes.period) for of in (averaged_variance, restart.restarted_variance))
    within = rounded(sizes.epochs * sizes.steps, V) + _cancelled(sizes) * V
    again = measured("variance, restarted", spreads["restarted"], within=within, axes=("epoch", "direction"))
    yield again.equals(R * (1 - alpha ** (2 * epoch)))
    yield again.control("restart varies like the average, A").equals(A * (1 - alpha ** (2 * epoch)))
    rho_n = _of_each(sizes, kept, sizes.steps)
    averaged = measured("variance, averaged", spreads["averaged"], within=within, axes=("epoch", "direction"))
    yield averaged.equals(A - alpha**2 * V * rho_n ** (2 * (epoch - 1)))


def _losses(sizes: Epochs, left: dict[str, Array], spreads: dict[str, Array]) -> Iterator[Check | Curves]:
    """E L after each epoch, in units of h V / 2; and where restart is ahead of the weights themselves."""
    bias = {way: (sizes.start * share) ** 2 for way, share in left.items()}
    V = np.array([variance(each) for each in sizes.descents])
    losses = {way: bias[way] + spreads[way] / V for way in left}
    predicted = _predicted(sizes)
    within = rounded(sizes.epochs * sizes.steps, 1 + sizes.start**2) + _cancelled(sizes)
    for way, loss in losses.items():
        found = measured("expected loss", loss, within=within, case=way, axes=("epoch", "direction"))
        yield found.equals(predicted[way])
        yield curves(way, losses=loss, predicted=predicted[way])
    yield curves(epoch=np.arange(1, sizes.epochs + 1), curvatures=sizes.curvatures, n=sizes.steps)
    ahead, expected = (each["restarted"] < each["plain"] for each in (losses, predicted))
    counted = Tolerance(0.25, "yes or no, of each epoch and direction: the loss with restart is below that without")
    yield measured("restart is ahead", ahead, within=counted, axes=("epoch", "direction")).equals(expected)
    noiseless = measured("restarted less plain, without noise", bias["restarted"] - bias["plain"], within=within)
    yield noiseless.at_least(0, against=float((bias["restarted"] - bias["plain"]).max()))
    yield noiseless.control("without noise restart is ahead").at_most(0)


def _predicted(sizes: Epochs) -> dict[str, Array]:
    """E L in units of h V / 2."""
    epoch, found = np.arange(1, sizes.epochs + 1), {"plain": [], "averaged": [], "restarted": []}
    for each in sizes.descents:
        start, unit = sizes.start * variance(each) ** 0.5, each.h * variance(each) / 2
        sampled = start, epoch, sizes.samples, sizes.period
        found["plain"].append(restart.loss(each, start, sizes.steps * epoch) / unit)
        found["averaged"].append(restart.averaged_loss(each, *sampled) / unit)
        found["restarted"].append(restart.restarted_loss(each, *sampled) / unit)
    return {way: np.stack(losses, axis=-1) for way, losses in found.items()}


def _cancelled(sizes: Epochs) -> Tolerance:
    """What predictions of variances may be off by, in units of V."""
    terms = 8 / np.minimum(sizes.steps * sizes.learning_rate * np.array(sizes.curvatures), 1) ** 2
    return rounding(terms, of="a prediction that is a difference of numbers 1 / (eta h n)^2 times as large")


def _of_each(sizes: Epochs, number: Callable[..., Any], *arguments: int) -> Array:
    return np.array([number(each, *arguments) for each in sizes.descents])


def _trained(study: Study, sizes: Epochs) -> tuple[dict[str, Array], dict[str, Array]]:
    """What is left of the start, and the variance, after each epoch: of w, of averages, and with restart.

    Of runs that are kicked once each, and a last one that starts away from the minimum and never is.
    """
    steps = sizes.epochs * sizes.steps
    start = np.zeros((steps + 1, len(sizes.curvatures)))
    start[-1] = sizes.start * np.sqrt(_of_each(sizes, variance))
    plain, again = (Quadratic(start, np.array(sizes.curvatures), study.device) for _ in range(2))
    average, sampling = AveragedModel(plain), RestartedAverage(again, period=sizes.period, samples=sizes.samples)
    seen: dict[str, list[torch.Tensor]] = {"plain": [], "averaged": [], "restarted": []}

    def look_and_average(step: int) -> None:
        if step % sizes.period == 0:
            average.update_parameters(plain)
        if step % sizes.steps == 0:
            seen["plain"].append(plain.w.detach().clone())
            seen["averaged"].append(average.module.w.detach().clone())
            average.n_averaged.zero_()

    def look_and_restart(step: int) -> None:
        if sampling.step():
            seen["restarted"].append(again.w.detach().clone())

    make = partial(SGD, lr=sizes.learning_rate)
    for module, look in ((plain, look_and_average), (again, look_and_restart)):
        descend(study, module, _kicks_and_none(steps, sizes.noise), make, look)
    left = {way: np.stack([w[-1].cpu().numpy() for w in each]) / start[-1] for way, each in seen.items()}
    return left, {way: np.stack([spread(w[:-1]) for w in each]) for way, each in seen.items()}


def _kicks_and_none(steps: int, s: float) -> Iterator[torch.Tensor]:
    """Kicks, and none for the last run."""
    return (torch.cat([kick, torch.zeros_like(kick[:1])]) for kick in kicks(steps, s))
