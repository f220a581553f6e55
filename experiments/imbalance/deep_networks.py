"""Linear networks of any depth in torch, x -> W_L ... W_1 x, on 1/2 |Y - X (W_L ... W_1)^T|^2; their measured rate."""

from functools import reduce

import numpy as np
import torch
from torch import Tensor

from experiments.imbalance.networks import squared_gradient
from experiments.training import Loss, State, Trainee
from experiments.training.batches import layers_of, state_of
from theory.claims import Study
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers
from theory.core.regression import Regression


def deep_loss(problem: Regression, device: str) -> Loss:
    """1/2 |Y - X (W_L ... W_1)^T|^2 of each run."""
    X, Y = (torch.tensor(array, dtype=torch.float64, device=device) for array in (problem.X, problem.Y))

    def loss(state: State) -> Tensor:
        outputs = reduce(lambda inputs, W: inputs @ W.mT, layers_of(state), X)
        return 0.5 * (Y - outputs).square().sum((1, 2))

    return loss


def deep_network(study: Study, problem: Regression, W: Layers) -> Trainee:
    """The layers W_l (runs, h_l, h_{l-1}) by gradient descent, all of them recorded."""
    return Trainee(study, deep_loss(problem, study.device), state_of(W))


def measured_rate(study: Study, problem: Regression, W: Layers) -> tuple[Array, Array]:
    """-d/dt log(L - L*) = |grad L|^2 / (L - L*) by torch's gradient at states W_l (*batch, h_l, h_{l-1}).

    Returns:
        The rate (*batch), and the rounding that it, and a bound on it from the weights, may carry: 0 and infinite at
        states at the rounding floor, which judge nothing.
    """
    batch = W[0].shape[:-2]
    flat = {name: torch.tensor(w.reshape(-1, *w.shape[-2:]), device=study.device) for name, w in state_of(W).items()}
    measured = squared_gradient(deep_loss(problem, study.device), flat)
    loss, squared = (values.cpu().numpy().reshape(batch) for values in measured)
    excess = loss - problem.optimal_loss
    terms = sum(problem.X.shape) + sum(sum(layer.shape[-2:]) for layer in W)
    X, Y, *sizes = (np.sqrt((a**2).sum((-2, -1))) for a in (problem.X, problem.Y, *W))
    residual = terms * EPS * (Y + X * np.prod(sizes, axis=0))
    # No product of X and all layers but one exceeds this.
    path = X * sum(sizes) ** (len(W) - 1)
    gradient = path * (residual + terms * EPS * np.sqrt(2 * loss))
    floor = np.sqrt(2 * loss) * residual + terms * EPS * loss
    live = (excess > floor) & (squared > 0)
    excess, squared = np.where(live, excess, 1.0), np.where(live, squared, 1.0)
    relative = 2 * gradient / np.sqrt(squared) + floor / excess
    rate = squared / excess
    return np.where(live, rate, 0.0), np.where(live, 2 * (rate * relative + terms * EPS * path**2), np.inf)
