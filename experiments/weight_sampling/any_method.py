"""The average of n iterates varies by H^-1 noise H^-1 / n, whatever the method: what "independent of it" can mean."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.optim import SGD
from torch.optim.swa_utils import AveragedModel

from experiments.weight_sampling.noisy import Make, Quadratic, descend, kicks, rounded
from theory.claims import OURS, Check, Study, Tolerance, claim, measured, varies
from theory.core.arrays import EPS, Array
from theory.core.validation import reject
from theory.weight_sampling import directions

MOST = 3000  # steps of a training; each has a run a direction


@dataclass(frozen=True)
class Methods:
    """A quadratic, its noise and a preconditioner, none of which share a direction."""

    directions: int = varies("d", 3, low=1, high=6)
    learning_rate: float = varies("eta", 0.3, low=0.01, high=2)
    smallest: float = varies("of the curvatures, which are evenly spaced", 0.4, low=0.01, high=10)
    largest: float = varies("of them", 1.9, low=0.01, high=10)
    preconditioner: float = varies("largest of its eigenvalues, from 1 on", 1.7, low=1, high=10)
    momentum: float = varies("beta", 0.7, low=0.05, high=0.95)
    averaged: int = varies("n, iterates in the shortest of three averages", 100, smoke=60, low=20, high=500)

    def __post_init__(self) -> None:
        if self.smallest > self.largest:
            reject("smallest", self.smallest, f"at most the largest {self.largest:g}")
        limit = 1.3 / (self.largest * self.preconditioner)
        if self.learning_rate > limit:
            expected = f"at most 1.3 / (largest x preconditioner) = {limit:.3g}, where every method is stable"
            reject("learning_rate", self.learning_rate, expected)
        if self.burn + 4 * self.averaged > MOST:
            expected = f"{MOST} steps at most, after {self.burn} that forget the start"
            reject("4 x averaged", 4 * self.averaged, expected)

    @property
    def burn(self) -> int:
        """Steps that forget the start by descent and by heavy ball: less than a rounding is left of its variance."""
        by_descent = 1 - self.learning_rate * np.array([self.smallest, self.largest * self.preconditioner])
        by_ball = [np.abs(np.roots([1, -(z + self.momentum), self.momentum])).max() for z in by_descent]
        return int(np.ceil(np.log(EPS) / (2 * np.log(max(*np.abs(by_descent), *by_ball, 0.1)))))


@claim(
    "weight_sampling.any_method",
    source="Polyak & Juditsky 1992 for descent; with preconditioner and momentum, and at every n: ours",
    source_kind=OURS,
    statement=r"v \leftarrow \beta v + D (H w + \xi),\ w \leftarrow w - \eta v,\ \mathrm{Cov}\,\xi = \Sigma:\quad"
    r" n\,\mathrm{Cov}\,\tfrac1n \textstyle\sum_{k=1}^n w_k \to H^{-1} \Sigma H^{-1}\ \text{for all}\ D, \eta, \beta;"
    r"\quad \mathrm{Cov}\,w\ \text{depends on all of them}",
    hypotheses=(
        "a quadratic of curvatures H, positive definite",
        "noise xi independent from step to step, of covariance Sigma",
        "a preconditioner D, step eta and momentum beta that do not change, and with which descent is stable",
    ),
    theory_side="closed form",
    controls=(
        "limit D Sigma D, as of the steps",
        "limit of noise like the curvature, H^-1",
        "momentum helps: limit times 1 - beta",
        "the limit at finite n",
        "iterates that vary alike by every method",
    ),
    parameters=Methods,
)
def the_average_does_not_see_the_method(study: Study, sizes: Methods) -> Iterator[Check]:
    H, noise, D = _matrices(study, sizes)
    sgd = partial(SGD, lr=sizes.learning_rate)
    ball = partial(sgd, momentum=sizes.momentum)
    trained = {
        "descent": _trained(study, sizes, H, noise, np.eye(len(H)), sgd),
        "preconditioned": _trained(study, sizes, H, noise, D, sgd),
        "heavy ball": _trained(study, sizes, H, noise, D, ball),
        "Nesterov": _trained(study, sizes, H, noise, D, partial(ball, nesterov=True)),
    }
    limit = directions.averaging_limit(H, noise)
    steps = sizes.burn + 4 * sizes.averaged
    for name, (averages, _) in trained.items():
        # n Cov = limit + C/n + what is left of the start, which falls exponentially: 2 n less n leaves only that.
        before, last = 2 * averages[1] - averages[0], 2 * averages[2] - averages[1]
        within = Tolerance(
            np.abs(last - before).max(), "limits from n and 2 n, and from 2 n and 4 n, differ by so much"
        )
        within += rounded(steps, 4 * np.abs(limit).max())
        average = measured("n Cov of the average, n to infinity", last, within=within, case=name, axes=("i", "j"))
        yield average.equals(limit)
        if name == "heavy ball":
            yield average.control("limit D Sigma D, as of the steps").equals(D @ noise @ D)
            yield average.control("limit of noise like the curvature, H^-1").equals(np.linalg.inv(H))
            yield average.control("momentum helps: limit times 1 - beta").equals((1 - sizes.momentum) * limit)
            finite = measured("n Cov of the average of n", averages[-1], within=within, case=name)
            yield finite.control("the limit at finite n").equals(limit)
    for name, preconditioner, beta in (("descent", np.eye(len(H)), 0.0), ("heavy ball", D, sizes.momentum)):
        recursion = directions.recursion(H, noise, preconditioner, sizes.learning_rate, beta)
        yield from _exactly(sizes, *trained[name], recursion, name)
    iterate = measured("Cov w", trained["heavy ball"][1], within=rounded(steps, np.abs(limit).max()))
    yield iterate.control("iterates that vary alike by every method").equals(trained["descent"][1])


def _exactly(
    sizes: Methods, averages: list[Array], iterate: Array, recursion: tuple[Array, Array], name: str
) -> Iterator[Check]:
    """Covariances of the iterate and of the averages of n, 2 n and 4 n of them, after the start is forgotten."""
    d, n = len(iterate), sizes.averaged * np.array([1, 2, 4])
    S = directions.stationary_covariance(*recursion)[:d, :d]
    predicted = np.stack([k * directions.covariance_of_average(*recursion, int(k))[:d, :d] for k in n])
    # The prediction solves linear systems in 1 - M and 1 - M (x) M, as stiff as descent is slow.
    stiff = 1 / (sizes.learning_rate * sizes.smallest * (1 - sizes.momentum)) ** 2
    within = rounded(sizes.burn + 4 * sizes.averaged, stiff * np.abs(predicted).max())
    yield measured("Cov w", iterate, within=within, case=name, axes=("i", "j")).equals(S)
    each = measured("n Cov of the average of n", np.stack(averages), within=within, case=name, axes=("n", "i", "j"))
    yield each.equals(predicted)


def _trained(study: Study, sizes: Methods, H: Array, noise: Array, D: Array, make: Make) -> tuple[list[Array], Array]:
    """n Cov of the averages of the first n, 2 n and 4 n iterates after the start is forgotten, and Cov w."""
    steps, d = sizes.burn + 4 * sizes.averaged, len(H)
    module = Quadratic(np.zeros((steps * d, d)), H, study.device)
    preconditioner, root = (torch.tensor(each, device=study.device) for each in (D, np.linalg.cholesky(noise)))
    module.w.register_hook(lambda gradient: gradient @ preconditioner.T)
    average, found = AveragedModel(module), []

    def look(step: int) -> None:
        n = step - sizes.burn
        if n > 0:
            average.update_parameters(module)
            if n in (sizes.averaged, 2 * sizes.averaged, 4 * sizes.averaged):
                found.append(n * _covariance(average.module.w))

    descend(study, module, (kick @ root.T for kick in kicks(steps, 1.0, d)), make, look)
    return found, _covariance(module.w)


def _covariance(read: Tensor) -> Array:
    """Of what was read from runs (runs, d) that were kicked once each, in every direction of the noise."""
    return (read.mT @ read).detach().cpu().numpy()


def _matrices(study: Study, sizes: Methods) -> tuple[Array, Array, Array]:
    """Curvatures, covariance of the noise, and preconditioner: each turned at random."""
    rng, d = study.rng("matrices"), sizes.directions
    spectra = (
        np.linspace(sizes.largest, sizes.smallest, d),
        rng.uniform(0.3, 1.7, d),
        np.linspace(1.0, sizes.preconditioner, d),
    )
    turned = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in spectra)
    H, noise, D = (Q * values @ Q.T for Q, values in zip(turned, spectra))
    return H, noise, D
