"""Linear classifiers in torch: losses of the margins Z w, and what trains them."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from experiments.methods.minnorm.descent import SimultaneousMinnormDescent, positive_part
from experiments.training import GradientDescent, Loss, State, Trainee, Update, recording_steps
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.separable import Separable, apply
from theory.core.trajectory import Trajectory
from theory.minnorm.tuning import Tuning


def exponential_loss(Z: Array, device: str) -> Loss:
    """sum_i exp(-z_i . w) of each run."""
    margins = _margins(Z, device)
    return lambda state: torch.exp(-margins(state)).sum(-1)


def logistic_loss(Z: Array, device: str) -> Loss:
    """sum_i log(1 + exp(-z_i . w)) of each run."""
    margins = _margins(Z, device)
    return lambda state: torch.nn.functional.softplus(-margins(state)).sum(-1)


def log_loss(Z: Array, device: str) -> Loss:
    """log sum_i exp(-z_i . w): descending it is descending the exponential loss by steps learning_rate / loss."""
    margins = _margins(Z, device)
    return lambda state: torch.logsumexp(-margins(state), -1)


def curvature(problem: Separable, w: Array) -> Array:
    """Largest eigenvalue of the exponential loss's Hessian, sum e^(-z.w) z z^T."""
    weighted = np.exp(-apply(problem.Z, w) / 2)[..., None] * problem.Z
    return np.linalg.norm(weighted, ord=2, axis=(-2, -1)) ** 2


class NormalisedDescent(GradientDescent):
    """Gradient descent on `log_loss`, with tau = log(1 + sum of the steps learning_rate / loss) beside it."""

    def begin(self, state: State) -> None:
        super().begin(state)
        state["tau"] = torch.zeros(len(state["w"]), dtype=state["w"].dtype, device=state["w"].device)

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, ...]]:
        losses, gradients = super().evaluate(state)
        return losses, (*gradients, losses)

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        *gradients, losses = work
        super().apply(state, tuple(gradients), learning_rate)
        state["tau"].copy_(torch.logaddexp(state["tau"], torch.log(learning_rate) - losses))


def classifier(study: Study, loss: Loss, w: Array, rule: Update | None = None) -> Trainee:
    """Descends `loss` from w (runs, d); records w, and tau where the rule keeps it."""
    return Trainee(study, loss, {"w": w}, rule)


def normalised_classifier(study: Study, Z: Array, w: Array) -> Trainee:
    """Descends the exponential loss from w (runs, d) by steps learning_rate / loss; records w and tau."""
    loss = log_loss(Z, study.device)
    return classifier(study, loss, w, NormalisedDescent(loss))


def minnorm_classifier(
    study: Study,
    Z: Array,
    tuning: Tuning,
    w: Array,
    multipliers: Array | float = 0.0,
    kind: type[SimultaneousMinnormDescent] = SimultaneousMinnormDescent,
) -> Trainee:
    """Minnorm with the constraints 1 - Z w <= 0, from w (runs, d) and multipliers (runs, n); records both."""
    margins = _margins(Z, study.device)
    rule = kind(lambda state: 1 - margins(state), tuning, multipliers, project=positive_part)
    return Trainee(study, rule.loss, {"w": w}, rule)


def refined(trainee: Trainee, *, horizon: float, steps: int, records: int) -> list[Trajectory]:
    """Training at learning rates horizon / steps / 1, 2, 4, recorded at the same times. These need not divide the steps
    evenly, which is what tells it from `Trainee.refine`."""
    record = recording_steps(steps, records)
    return [
        trainee.train(learning_rate=horizon / steps / k, steps=k * steps, record=[k * step for step in record])
        for k in (1, 2, 4)
    ]


def states(run: Trajectory) -> Array:
    """Weights and multipliers of Minnorm side by side, (T, runs, d + n)."""
    return np.concatenate([run["w"], run["multipliers"]], axis=-1)


def _margins(Z: Array, device: str) -> Callable[[State], Tensor]:
    """state -> Z w (runs, n); Z (n, d) is shared, Z (runs, n, d) is each run's own."""
    tensor = torch.tensor(Z, dtype=torch.float64, device=device)
    return lambda state: (tensor @ state["w"].unsqueeze(-1)).squeeze(-1)
