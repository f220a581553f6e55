"""Relaxed orthogonality: the squared penalty is never exact, the unsquared one is from a threshold on."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from experiments.methods.orthogonal.relaxed import squared_penalty, unsquared_penalty
from experiments.training.loop import train
from experiments.training.updates import Loss, State
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.orthogonal import relaxed

SINGULAR_VALUES = np.array([1.8, 1.5, 1.2, 0.7])
Penalty = Callable[[Tensor], Tensor]


@claim(
    "liu2021.relaxed",
    source="Liu et al. 2021, relaxed orthogonality: the penalty of the text squared, of the code unsquared",
    statement=r"\lambda \|R R^\top - I\|_F \to \tfrac{1}{4}\|s - 1\|_2 \text{ squared};\quad"
    r" R R^\top = I \text{ iff } \lambda \ge \tfrac{1}{2}\|s - 1\|_2 \text{ unsquared}",
    hypotheses=("L = |R - T|_F^2 / 2, T with singular values s > 0",),
    controls=(
        "squared penalty: orthogonal at a large weight",
        "squared penalty: limit 10 % larger",
        "unsquared penalty: orthogonal at 0.95 of the threshold",
        "root of a sum of squares at the identity",
    ),
)
def penalties_are_exact_or_not(study: Study) -> Iterator[Check | Curves]:
    yield from _squared(study)
    yield from _large_weights(study)
    yield from _unsquared(study)
    yield from _threshold(study)
    yield from _at_the_identity(study)


def _target(study: Study) -> tuple[Array, Array, Array]:
    """T = P diag(s) Q^T, and its P and Q^T."""
    rng = study.rng("target")
    P, Q = (np.linalg.qr(rng.standard_normal((4, 4)))[0] for _ in range(2))
    return P * SINGULAR_VALUES @ Q.T, P, Q.T


def _loss(T: Array, weights: Array, penalty: Penalty, device: str) -> Loss:
    target, weight = (torch.from_numpy(array).to(device) for array in (T, weights))

    def of(state: State) -> Tensor:
        return 0.5 * (state["R"] - target).square().sum((-2, -1)) + weight * penalty(state["R"])

    return of


def _train(study: Study, name: str, loss: Loss, start: Array, learning_rate: Array, steps: int) -> Array:
    """R (runs, d, d) at the end."""
    run = train(
        loss,
        {"R": start},
        learning_rate=learning_rate,
        steps=steps,
        record=[steps],
        observe=lambda state: {"R": state["R"]},
        **study.training(name),
    )
    return run["R"][-1]


def _left_over(loss: Loss, R: Array, device: str) -> Array:
    """2 |gradient| / smallest curvature (runs,): how far the minimum may still be, plus rounding of the gradient."""
    point = torch.from_numpy(R).to(device)

    def of(one: Tensor, index: int) -> Tensor:
        return loss({"R": torch.cat([point[:index], one.view(1, *point.shape[1:]), point[index + 1 :]])})[index]

    left = []
    for i, one in enumerate(point):
        gradient = torch.func.grad(of)(one.flatten(), i)
        curvatures = torch.linalg.eigvalsh(torch.func.hessian(of)(one.flatten(), i))
        rounding = 16 * EPS * float(curvatures.max())
        left.append(2 * (float(gradient.norm()) + rounding) / float(curvatures.min()))
    return np.array(left)[:, None, None]


def _squared(study: Study) -> Iterator[Check]:
    """From the identity, at moderate weights: R = P diag(r) Q^T with r the root of the cubic."""
    T, P, Qt = _target(study)
    weights = np.array([0.3, 1.0, 3.0])
    loss = _loss(T, weights, squared_penalty, study.device)
    start = np.broadcast_to(P @ Qt, (3, 4, 4)) + 0.1 * study.rng("start").standard_normal((3, 4, 4))
    R = _train(study, "squared", loss, start, 0.4 / (1 + 12 * weights), study.pick(smoke=1500, quick=2500, paper=2500))
    predicted = np.stack([P * relaxed.squared_penalty_minimiser(SINGULAR_VALUES, float(w)) @ Qt for w in weights])
    because = "2 |gradient| / curvature where training stopped"
    tolerance = _left_over(loss, R, study.device)
    yield equal("squared penalty: R at the end of training", R, predicted, tolerance=tolerance, because=because)


def _large_weights(study: Study) -> Iterator[Check | Curves]:
    """lambda |R R^T - I| at ever larger weights, extrapolated in 1 / lambda."""
    T, P, Qt = _target(study)
    weights = np.array([100.0, 200.0, 400.0])
    loss = _loss(T, weights, squared_penalty, study.device)
    start = np.broadcast_to(P @ Qt, (3, 4, 4)).copy()
    R = _train(study, "large weights", loss, start, 0.5 / (1 + 12 * weights), 400)
    scaled = weights * np.linalg.norm(R @ R.mT - np.eye(4), axis=(-2, -1))
    limit, error = richardson(list(scaled))
    predicted = relaxed.limiting_defect(SINGULAR_VALUES)
    tolerance = float(error) + 8 * float((weights * _left_over(loss, R, study.device).ravel()).max())
    because = "last Richardson correction in 1 / lambda, and what training had left"
    yield equal("squared penalty: lambda |R R^T - I|", limit, predicted, tolerance=tolerance, because=because)
    larger = equal("10 % larger", limit, 1.1 * predicted, tolerance=tolerance, because=because)
    yield refuted("squared penalty: limit 10 % larger", larger)
    exact = equal("squared penalty: defect", scaled / weights, 0, tolerance=1e-6, because="a millionth counts as exact")
    yield refuted("squared penalty: orthogonal at a large weight", exact)
    yield curves(weights=weights, defect=scaled / weights, predicted_defect=predicted / weights)


def _unsquared(study: Study) -> Iterator[Check]:
    """Below the threshold the penalty is smooth at the minimum, and one number away from the squared one's cubic."""
    T, P, Qt = _target(study)
    threshold = relaxed.threshold(SINGULAR_VALUES)
    weights = threshold * np.array([0.2, 0.5, 0.8])
    loss = _loss(T, weights, unsquared_penalty, study.device)
    start = np.broadcast_to(T, (3, 4, 4)).copy()
    R = _train(study, "unsquared", loss, start, np.full(3, 0.05), study.pick(smoke=1500, quick=2500, paper=2500))
    predicted = np.stack([P * relaxed.unsquared_penalty_minimiser(SINGULAR_VALUES, float(w)) @ Qt for w in weights])
    tolerance = _left_over(loss, R, study.device)
    because = "2 |gradient| / curvature where training stopped"
    yield equal("unsquared penalty below the threshold: R", R, predicted, tolerance=tolerance, because=because)
    a, weight = np.array([1.8]), 0.3  # one number: r = a / (1 + 2 lambda)
    single = relaxed.unsquared_penalty_minimiser(a, weight)
    yield equal("one number", single, a / (1 + 2 * weight), tolerance=1e3 * EPS, because="a / (1 + 2 lambda); rounding")


def _threshold(study: Study) -> Iterator[Check]:
    """From it on the defect is only what a step of the learning rate makes: descent jumps across the kink."""
    T, *_ = _target(study)
    threshold = relaxed.threshold(SINGULAR_VALUES)
    weights = threshold * np.array([1.05, 1.5, 0.95])
    loss = _loss(T, weights, unsquared_penalty, study.device)
    start = np.broadcast_to(T, (3, 4, 4)).copy()
    eta = study.pick(smoke=2e-3, quick=1e-3, paper=2.5e-4)
    R = _train(study, "threshold", loss, start, np.full(3, eta), round(6 / eta))
    lost = np.linalg.norm(R @ R.mT - np.eye(4), axis=(-2, -1))
    # A step changes R by at most eta (|s - 1| + 2 lambda), and R R^T by twice that; past the kink it turns back.
    jump = 4 * eta * (2 * threshold + 2 * weights)
    because = "two steps' change of R R^T: the gradient points back to the orthogonal matrices"
    yield at_most("unsquared penalty from the threshold on: defect", lost[:2], jump[:2], because=because)
    below = at_most("at 0.95 of the threshold", lost[2], jump[2], because=because)
    yield refuted("unsquared penalty: orthogonal at 0.95 of the threshold", below)


def _at_the_identity(study: Study) -> Iterator[Check]:
    gradients = {}
    for name, penalty in (("norm", unsquared_penalty), ("root", lambda R: squared_penalty(R).sqrt())):
        R = torch.eye(4, dtype=torch.float64, device=study.device, requires_grad=True)
        (gradients[name],) = torch.autograd.grad(penalty(R), R)
    missing = {name: int((~torch.isfinite(gradient)).sum()) for name, gradient in gradients.items()}
    because = "a count: half of one entry"
    yield equal("norm at R = I: entries that are not finite", missing["norm"], 0, tolerance=0.5, because=because)
    root = equal("root of the sum of squares", missing["root"], 0, tolerance=0.5, because=because)
    yield refuted("root of a sum of squares at the identity", root)
