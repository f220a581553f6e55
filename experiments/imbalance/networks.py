"""Single-hidden-layer linear networks in torch: x -> V U^T x, trained on 1/2 |Y - X U V^T|^2."""

import numpy as np
import torch
from torch import Tensor

from experiments.training import GradientDescent, Loss, Observe, State, Trainee, Update, along
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.trajectory import Trajectory
from theory.imbalance.dynamics import residual, split
from theory.imbalance.problem import Network, coordinates


def squared_loss(problem: Regression, device: str) -> Loss:
    """1/2 |Y - X U V^T|^2 of each run; the product U V^T first, which costs h (D + m) and not n h."""
    X, Y = (torch.tensor(array, dtype=torch.float64, device=device) for array in (problem.X, problem.Y))

    def loss(state: State) -> Tensor:
        return 0.5 * (Y - _outputs(X, state)).square().sum((1, 2))

    return loss


class LinearDescent:
    """Gradient descent on `squared_loss`, fused: the gradient -X^T (Y - X U V^T) = -G enters as the rank-m updates
    U += rate G V and V += rate G^T U, in place. Checked against autograd wherever a claim trains with it."""

    def __init__(self, problem: Regression, device: str) -> None:
        self.X, self.Y = (torch.tensor(a, dtype=torch.float64, device=device) for a in (problem.X, problem.Y))

    def begin(self, state: State) -> None:
        """Plain gradient descent remembers nothing."""

    def evaluate(self, state: State) -> tuple[Tensor, Tensor]:
        residual = self.Y - _outputs(self.X, state)
        G = torch.tensordot(residual, self.X, dims=([1], [0])).mT
        return 0.5 * residual.square().sum((1, 2)), G

    def apply(self, state: State, work: Tensor, learning_rate: Tensor) -> None:
        step = along(learning_rate, work) * work
        change = torch.bmm(step.mT, state["U"])
        state["U"].baddbmm_(step, state["V"])
        state["V"].add_(change)


def linear_network(
    study: Study,
    problem: Regression,
    network: Network,
    *,
    rule: Update | None = None,
    observe: Observe | None = None,
) -> Trainee:
    """`network` (runs, ...) on the loss of the problem: by fused descent, its weights recorded, unless told other."""
    start = {"U": network.U, "V": network.V}
    loss, rule = squared_loss(problem, study.device), rule or LinearDescent(problem, study.device)
    return Trainee(study, loss, start, rule, observe or weights)


def by_autograd(study: Study, problem: Regression, network: Network, *, observe: Observe | None = None) -> Trainee:
    """The same by the gradient that torch finds."""
    rule = GradientDescent(squared_loss(problem, study.device))
    return linear_network(study, problem, network, rule=rule, observe=observe)


def weights(state: State) -> State:
    """What to record when the theory needs the whole network."""
    return {"U": state["U"], "V": state["V"]}


def trained(run: Trajectory) -> Network:
    """The networks (T, runs, ...) that were recorded along a training."""
    return Network(run["U"], run["V"])


def trained_coordinates(problem: Regression, run: Trajectory) -> Array:
    """Z = [V; U1] (T, runs, m + r, h) along a training."""
    return coordinates(problem, trained(run))


def trained_product(problem: Regression, run: Trajectory) -> Array:
    """U1 V^T (T, runs, r, m) along a training."""
    V, U1 = split(problem, trained_coordinates(problem, run))
    return U1 @ V.mT


def largest_curvature(problem: Regression, network: Network) -> float:
    """Of the loss at the starts, to a factor of 2: sigma_1^2 |Z|^2 + sigma_1 |E|, the largest of the runs.

    The curvature is at most sigma_1^2 (|U1|^2 + |V|^2) + sigma_1 |E|, no more than twice that: descent is stable at the
    start up to the inverse of what is returned.
    """
    Z = coordinates(problem, network)
    E = np.linalg.norm(residual(problem, Z), axis=(-2, -1))
    return float(((problem.S[0] * np.linalg.norm(Z, ord=2, axis=(-2, -1))) ** 2 + problem.S[0] * E).max())


def tensors(network: Network, device: str) -> State:
    """The weights as the training has them."""
    weights = {"U": network.U, "V": network.V}
    return {name: torch.tensor(array, dtype=torch.float64, device=device) for name, array in weights.items()}


def squared_gradient(loss: Loss, state: State) -> tuple[Tensor, Tensor]:
    """Loss and |grad L|^2 of each run, the gradient by autograd."""
    rule = GradientDescent(loss)
    rule.begin(state)
    losses, gradients = rule.evaluate(state)
    return losses, sum(gradient.square().flatten(1).sum(1) for gradient in gradients)


def _outputs(X: Tensor, state: State) -> Tensor:
    """X U V^T (runs, n, m)."""
    end_to_end = torch.bmm(state["U"], state["V"].mT)
    return torch.tensordot(end_to_end, X, dims=([1], [1])).mT
