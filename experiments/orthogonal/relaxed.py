"""Relaxed orthogonality: the squared penalty is never exact, the unsquared one is from a threshold on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.methods.orthogonal.penalties import squared_penalty, unsquared_penalty
from experiments.training import Loss, State, Trainee
from theory.claims import RECONSTRUCTED, Check, Curves, Study, Tolerance, claim, curves, measured, varies
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.validation import reject
from theory.orthogonal import relaxed

Penalty = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Sizes:
    """Of the target, and of the descent."""

    singular_values: tuple[float, ...] = varies("s of T, as many as inputs", (1.8, 1.5, 1.2, 0.7), low=0.7, high=2)
    steps: int = varies("where the penalty is smooth", 2500, smoke=1500, low=500, high=10_000)
    learning_rate: float = varies(
        "across the kink at the threshold", 1e-3, smoke=4e-3, paper=2.5e-4, low=1e-4, high=8e-3
    )

    def __post_init__(self) -> None:
        if not 2 <= len(self.singular_values) <= 6:
            reject("singular_values", self.singular_values, "two to six numbers")
        # Where the penalty is weak, or several lie below 1, descent does not arrive in the steps there are.
        if self.s.max() < 1.5 or (self.s < 1).sum() > 1:
            reject("singular_values", self.singular_values, "one of 1.5 at least, and one at most below 1")

    @property
    def s(self) -> Array:
        """The singular values."""
        return np.array(self.singular_values)


class Target(NamedTuple):
    """T = P diag(s) Q^T."""

    P: Array
    s: Array
    Qt: Array

    @property
    def T(self) -> Array:
        return self.P * self.s @ self.Qt

    @property
    def d(self) -> int:
        return len(self.s)

    @property
    def threshold(self) -> float:
        """The weight from which on the unsquared penalty is exact."""
        return relaxed.threshold(self.s)


@claim(
    "liu2021.relaxed",
    source="Liu et al. 2021, relaxed orthogonality: the penalty of the text squared, of the code unsquared",
    source_kind=RECONSTRUCTED,
    statement=r"\lambda \|R R^\top - I\|_F \to \tfrac{1}{4}\|s - 1\|_2 \text{ squared};\quad"
    r" R R^\top = I \text{ iff } \lambda \ge \tfrac{1}{2}\|s - 1\|_2 \text{ unsquared}",
    hypotheses=("R minimises |R - T|_F^2 / 2 + lambda |R R^T - I|_F^k, k = 2 or 1", "T with singular values s > 0"),
    theory_side="law",
    controls=(
        "squared penalty: orthogonal at a large weight",
        "squared penalty: limit 10 % larger",
        "unsquared penalty: orthogonal at 0.98 of the threshold",
        "root of a sum of squares at the identity",
    ),
    parameters=Sizes,
)
def penalties_are_exact_or_not(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    target = _target(study.rng("target"), sizes.s)
    yield from _squared(study, target, sizes.steps)
    yield from _large_weights(study, target)
    yield from _unsquared(study, target, sizes.steps)
    yield from _threshold(study, target, sizes.learning_rate)
    yield from _at_the_identity(study)


def _target(rng: np.random.Generator, s: Array) -> Target:
    P, Q = (np.linalg.qr(rng.standard_normal((len(s), len(s))))[0] for _ in range(2))
    return Target(P, s, Q.T)


def _trained(
    study: Study, aim: Target, weights: Array, penalty: Penalty, start: Array, learning_rate: Array, steps: int
) -> tuple[Array, Loss]:
    """R (runs, d, d) at the end of training from `start`, one run a weight, and the loss of all runs."""
    target, weight = (torch.from_numpy(array).to(study.device) for array in (aim.T, weights))

    def loss(state: State) -> Tensor:
        return 0.5 * (state["R"] - target).square().sum((-2, -1)) + weight * penalty(state["R"])

    trainee = Trainee(study, loss, {"R": np.broadcast_to(start, (len(weights), aim.d, aim.d))})
    R = trainee.train(learning_rate=learning_rate, steps=steps, record=[steps])["R"][-1]
    return R, loss


def _left_over(loss: Loss, R: Array, device: str) -> Tolerance:
    """How far the minimum may still be: 2 |gradient| / smallest curvature (runs, 1, 1), rounding in it."""
    point = torch.from_numpy(R).to(device)

    def of(one: Tensor, index: int) -> Tensor:
        return loss({"R": torch.cat([point[:index], one.view(1, *point.shape[1:]), point[index + 1 :]])})[index]

    left = []
    for i, one in enumerate(point):
        gradient = torch.func.grad(of)(one.flatten(), i)
        curvatures = torch.linalg.eigvalsh(torch.func.hessian(of)(one.flatten(), i))
        error = 16 * EPS * float(curvatures.max())
        left.append(2 * (float(gradient.norm()) + error) / float(curvatures.min()))
    return Tolerance(np.array(left)[:, None, None], "2 |gradient| / curvature where training stopped")


def _defect(R: Array) -> Array:
    """|R R^T - I|_F of each run."""
    return np.linalg.norm(R @ R.mT - np.eye(R.shape[-1]), axis=(-2, -1))


def _minimisers(target: Target, minimiser: Callable[[Array, float], Array], weights: Array) -> Array:
    """R = P diag(r) Q^T of each weight."""
    return np.stack([target.P * minimiser(target.s, float(weight)) @ target.Qt for weight in weights])


def _squared(study: Study, target: Target, steps: int) -> Iterator[Check]:
    """From near the identity, at moderate weights: R = P diag(r) Q^T with r the root of the cubic."""
    weights = np.array([0.3, 1.0, 3.0])
    start = target.P @ target.Qt + 0.1 * study.rng("start").standard_normal((3, target.d, target.d))
    R, loss = _trained(study, target, weights, squared_penalty, start, 0.4 / (1 + 12 * weights), steps)
    within = _left_over(loss, R, study.device)
    end = measured("squared penalty: R at the end of training", R, within=within, axes=("run",))
    yield end.equals(lambda k: _minimisers(target, relaxed.squared_penalty_minimiser, k * weights))


def _large_weights(study: Study, target: Target) -> Iterator[Check | Curves]:
    """lambda |R R^T - I| at ever larger weights, extrapolated in 1 / lambda."""
    weights = np.array([100.0, 200.0, 400.0])
    R, loss = _trained(study, target, weights, squared_penalty, target.P @ target.Qt, 0.5 / (1 + 12 * weights), 400)
    left = _left_over(loss, R, study.device)
    defect = _defect(R)
    limit, error = richardson(list(weights * defect))
    within = Tolerance(error, "last Richardson correction in 1 / lambda")
    within += Tolerance(8 * float((weights * left.value.ravel()).max()), left.reason)
    predicted = relaxed.limiting_defect(target.s)
    scaled = measured("squared penalty: lambda |R R^T - I|", limit, within=within)
    yield scaled.equals(predicted)
    yield scaled.control("squared penalty: limit 10 % larger").equals(1.1 * predicted)
    exact = measured("squared penalty: defect", defect, within=Tolerance(1e-6, "a millionth counts as exact"))
    yield exact.control("squared penalty: orthogonal at a large weight").equals(0)
    yield curves(weights=weights, defect=defect, predicted_defect=predicted / weights)


def _unsquared(study: Study, target: Target, steps: int) -> Iterator[Check]:
    """Below the threshold the penalty is smooth at the minimum, and one number away from the squared one's cubic."""
    weights = target.threshold * np.array([0.2, 0.5, 0.8])
    R, loss = _trained(study, target, weights, unsquared_penalty, target.T, np.full(3, 0.05), steps)
    within = _left_over(loss, R, study.device)
    below = measured("unsquared penalty below the threshold: R", R, within=within, axes=("run",))
    yield below.equals(lambda k: _minimisers(target, relaxed.unsquared_penalty_minimiser, k * weights))


def _threshold(study: Study, target: Target, eta: float) -> Iterator[Check]:
    """From it on the defect is only what a step of the learning rate makes: descent jumps across the kink."""
    weights = target.threshold * np.array([1.02, 1.5, 0.98])
    # The softest curvature at 0.98 is 0.9 or more, and |T - R| at most 2 thresholds: this leaves a tenth of a jump.
    settled = np.log(40 * target.threshold / _jump(target, weights, eta / 20)[2]) / 0.9
    R, _ = _trained(study, target, weights, unsquared_penalty, target.T, np.full(3, eta), round(settled / eta))
    jump = _jump(target, weights, eta)
    for finer in (eta / 5, eta / 20):
        # What the longer steps left goes at the rate 4 (lambda - threshold): the penalty pulls the defect down by
        # 4 lambda, and the target holds it up by 2 |s - 1|.
        time = jump[0] / (4 * (weights[0] - target.threshold))
        R, _ = _trained(study, target, weights, unsquared_penalty, R, np.full(3, finer), round(1.2 * time / finer))
        jump = _jump(target, weights, finer)
    within = Tolerance(jump, "two steps' change of R R^T: past the kink the gradient points back")
    lost = measured("unsquared penalty about the threshold: defect", _defect(R), within=within, axes=("run",))

    def predicted(k: float) -> Array:
        """With k times the threshold."""
        return _defect(_minimisers(target, relaxed.unsquared_penalty_minimiser, weights / k))

    yield lost.equals(predicted)
    below = measured("defect at 0.98 of the threshold", lost.value[2], within=Tolerance(jump[2], within.reason))
    yield below.control("unsquared penalty: orthogonal at 0.98 of the threshold").equals(0)


def _jump(target: Target, weights: Array, eta: float) -> Array:
    """Two steps' change of R R^T: a step changes R by at most eta (|s - 1| + 2 lambda), and R R^T by twice that."""
    return 4 * eta * (2 * target.threshold + 2 * weights)


def _at_the_identity(study: Study) -> Iterator[Check]:
    missing = {}
    for name, penalty in (("norm", unsquared_penalty), ("root", lambda R: squared_penalty(R).sqrt())):
        R = torch.eye(4, dtype=torch.float64, device=study.device, requires_grad=True)
        (gradient,) = torch.autograd.grad(penalty(R), R)
        count, within = int((~torch.isfinite(gradient)).sum()), Tolerance(0.25, "a count: less than half of one entry")
        missing[name] = measured(f"{name} at R = I: entries that are not finite", count, within=within)
    yield missing["norm"].equals(0)
    yield missing["root"].control("root of a sum of squares at the identity").equals(0)
