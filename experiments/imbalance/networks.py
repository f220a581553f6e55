"""Single-hidden-layer linear networks in torch: x -> V U^T x, trained on 1/2 |Y - X U V^T|^2."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from experiments.training.loop import Observe, train
from experiments.training.updates import Loss, State, along
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.trajectory import Trajectory
from theory.imbalance.problem import Network


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


def train_network(
    study: Study,
    name: str,
    problem: Regression,
    network: Network,
    *,
    learning_rate: float | Array,
    steps: int,
    record: Sequence[int],
    observe: Observe | None = None,
    **options: Any,
) -> Trajectory:
    """Train `network` (runs, ...) by gradient descent on the problem's loss; see `experiments.training.train`."""
    options.setdefault("update", LinearDescent(problem, study.device))
    return train(
        squared_loss(problem, study.device),
        {"U": network.U, "V": network.V},
        learning_rate=learning_rate,
        steps=steps,
        record=record,
        observe=observe,
        **study.training(name),
        **options,
    )


def weights(state: State) -> State:
    """What to record when the theory needs the whole network."""
    return {"U": state["U"], "V": state["V"]}


def _outputs(X: Tensor, state: State) -> Tensor:
    """X U V^T (runs, n, m)."""
    end_to_end = torch.bmm(state["U"], state["V"].mT)
    return torch.tensordot(end_to_end, X, dims=([1], [1])).mT
