"""Two-layer ReLU networks in torch: hidden weights are trained by torch's own gradient, the output signs are not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from experiments.kernel.problems import in_chunks
from experiments.training import State, Trainee
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory
from theory.kernel.inputs import Inputs, unit_rows

Look = Callable[["Networks", State], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Networks:
    """A batch of networks of one width on the same inputs.

    Attributes:
        inputs: X (n, d).
        signs: a (runs, m), each +-1.
        y: labels (runs, n).
    """

    inputs: Tensor
    signs: Tensor
    y: Tensor

    def residual(self, state: State) -> Tensor:
        """y - u (runs, n)."""
        return self.y - outputs(self.inputs, self.signs, state["W"])

    def loss(self, state: State) -> Tensor:
        """1/2 |y - u|^2 of each run."""
        return 0.5 * self.residual(state).square().sum(-1)


@dataclass(frozen=True)
class Start:
    """Gaussian weights W (runs, m, d), signs a (runs, m), and what the networks of these make of the inputs."""

    inputs: Inputs
    W: Array
    signs: Array
    outputs: Array = field(init=False)

    def __post_init__(self) -> None:
        seen = outputs(*(torch.as_tensor(array) for array in (self.inputs.X, self.signs, self.W)))
        object.__setattr__(self, "outputs", seen.numpy())

    @property
    def m(self) -> int:
        """Neurons."""
        return int(self.W.shape[1])


def outputs(inputs: Tensor, signs: Tensor, W: Tensor) -> Tensor:
    """u_i = m^(-1/2) sum_r a_r relu(w_r . x_i), shape (runs, n)."""
    hidden = torch.relu(W @ inputs.T)
    return (signs.unsqueeze(1) @ hidden).squeeze(1) / signs.shape[1] ** 0.5


def active(inputs: Tensor, W: Tensor) -> Tensor:
    """Which neurons see which inputs (runs, m, n)."""
    return W @ inputs.T >= 0


def kernel(inputs: Tensor, W: Tensor) -> Tensor:
    """H(W) (runs, n, n)."""
    seen = active(inputs, W).to(W.dtype)
    return (inputs @ inputs.T) * (seen.mT @ seen) / W.shape[1]


def gaussian_start(inputs: Inputs, m: int, runs: int, rng: np.random.Generator) -> Start:
    """w_r ~ N(0, I) and a_r = +-1 with equal chances."""
    return Start(inputs, rng.standard_normal((runs, m, inputs.d)), rng.choice([-1.0, 1.0], (runs, m)))


def kernels_at_start(study: Study, inputs: Inputs, m: int, runs: int, rng: np.random.Generator) -> Array:
    """H(W(0)) (runs, n, n) of networks of m neurons, by counting which of these see which inputs."""
    kernels = np.zeros((runs, inputs.n, inputs.n))
    for neurons in in_chunks(m, 1, inputs.n):
        done = 0
        for part in in_chunks(runs, neurons, inputs.n):
            W = rng.standard_normal((part, neurons, inputs.d))
            kernels[done : done + part] += kernels_of(study, inputs, W) * (neurons / m)
            done += part
    return kernels


def kernels_of(study: Study, inputs: Inputs, W: Array) -> Array:
    """H(W) (runs, n, n) of weights (runs, m, d), counted in torch."""
    X, weights = (torch.tensor(array, device=study.device) for array in (inputs.X, W))
    return kernel(X, weights).cpu().numpy()


def trainee(study: Study, start: Start, y: Array, look: Look | None = None) -> Trainee:
    """The networks from this start, by gradient descent towards labels y, (n,) or each run's own (runs, n).

    Recorded is the residual y - u, or what `look` makes of networks and state.
    """
    labels = np.broadcast_to(y, start.outputs.shape).copy()
    networks = Networks(*(torch.tensor(array, device=study.device) for array in (start.inputs.X, start.signs, labels)))
    seen = look or (lambda networks, state: {"residual": networks.residual(state)})
    return Trainee(study, networks.loss, {"W": start.W}, observe=lambda state: seen(networks, state))


def movement_from(start: Start) -> Look:
    """The residual, and how far the weights are from the start: |.|_F^2, the mean and the farthest neuron (runs,)."""

    def look(networks: Networks, state: State) -> dict[str, Tensor]:
        moves = (state["W"] - networks.inputs.new_tensor(start.W)).norm(dim=-1)
        of_neurons = {"movement": moves.square().sum(-1), "typical": moves.mean(-1), "farthest": moves.amax(-1)}
        return {"residual": networks.residual(state), **of_neurons}

    return look


def with_residual(start: Start, r: Array) -> Array:
    """Labels (runs, n) that leave each network the same residual r = y - u(0), all that training depends on."""
    return start.outputs + r


def with_equal_inputs(inputs: Inputs, m: int, runs: int, rng: np.random.Generator) -> tuple[Start, Array]:
    """Networks on the inputs and a copy of the first, and labels that leave residuals 1 and -1 there, 0 elsewhere."""
    doubled = unit_rows(np.vstack([inputs.X, inputs.X[:1]]))
    start = gaussian_start(doubled, m, runs, rng)
    r = np.zeros(doubled.n)
    r[[0, -1]] = 1, -1
    return start, with_residual(start, r)


def residuals(study: Study, start: Start, y: Array, *, learning_rate: float, record: Sequence[int]) -> Array:
    """y - u(k) (T, runs, n) at the steps recorded, of which the last is the end of training."""
    run: Trajectory = trainee(study, start, y).train(learning_rate=learning_rate, steps=max(record), record=record)
    return run["residual"]
