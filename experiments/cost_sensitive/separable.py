"""Linear classifiers of separable examples, descended on weighted, shifted and scaled logistic losses."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.training import State, Trainee
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory

LOSSES = ("plain", "weights", "shift", "factors")
NAMES = ("weights", "shifts", "factors")


@dataclass(frozen=True)
class Terms:
    """Weights g, shifts tau and factors f of the terms g_i log(1 + e^(tau_i - f_i z_i . w)), each (runs, n)."""

    weights: Array
    shifts: Array
    factors: Array

    @property
    def log_g(self) -> Array:
        """log g + tau, which is all that weights and shifts come to in the end."""
        return np.log(self.weights) + self.shifts


def terms(loss: str, gains: Array) -> Terms:
    """What `loss` makes of the gains of examples (runs, n).

    As weights they multiply the terms. As a shift they are those of logit adjustment: logits less log G turn the loss
    of label y, log(1 + e^(s_other - s_y)), into log(1 + e^(log G_y - log G_other - (s_y - s_other))). As factors
    their roots divide the margins.
    """
    one = np.ones_like(gains)
    chosen = {
        "plain": Terms(one, 0 * gains, one),
        "weights": Terms(gains, 0 * gains, one),
        "shift": Terms(one, np.log(gains), one),
        "both": Terms(gains, np.log(gains), one),
        "factors": Terms(one, 0 * gains, gains**-0.5),
    }
    return chosen[loss]


def descend_all(
    study: Study, Z: Array, losses: dict[str, Terms], *, step: float, record: list[int]
) -> dict[str, Array]:
    """w (T, runs, d) of each loss, all of them trained in one batch; see `descend`."""
    every = Terms(*(np.concatenate([getattr(each, name) for each in losses.values()]) for name in NAMES))
    run = descend(study, np.tile(Z, (len(losses), 1, 1)), every, step=step, record=record)["w"]
    return dict(zip(losses, np.split(run, len(losses), axis=1)))


def descend(study: Study, Z: Array, each: Terms, *, step: float, record: list[int]) -> Trajectory:
    """w (T, runs, d) from 0 by descent on the log of the loss: by steps as long as the loss is small.

    The log of the loss has curvature at most max |f_i z_i|^2; steps are `step` over that.
    """
    tensors = (torch.tensor(a, device=study.device) for a in (Z, each.weights, each.shifts, each.factors))
    examples, weights, shifts, factors = tensors

    def loss(state: State) -> Tensor:
        margins = factors * (examples @ state["w"].unsqueeze(-1)).squeeze(-1)
        return torch.logsumexp(torch.log(weights) + _log_softplus(shifts - margins), -1)

    largest = (np.linalg.norm(Z, axis=-1) * each.factors).max(-1)
    trainee = Trainee(study, loss, {"w": np.zeros((len(Z), Z.shape[-1]))})
    return trainee.train(learning_rate=step / largest**2, steps=record[-1], record=record)


def _log_softplus(u: Tensor) -> Tensor:
    """log log(1 + e^u), which is u to rounding far below 0, where the inner logarithm is no number any more."""
    return torch.where(u < -40, u, torch.log(torch.nn.functional.softplus(u.clamp(min=-40))))


def directions(w: Array) -> Array:
    """w / |w|, along the last axis."""
    return w / np.linalg.norm(w, axis=-1, keepdims=True)


def across(w: Array, direction: Array) -> Array:
    """The part of w that is orthogonal to a unit vector."""
    return w - (w * direction).sum(-1, keepdims=True) * direction
