"""Linear OPT in torch: x -> W0^T R^T x, taught labels, and R turned by steps that keep it orthogonal.

Also the problems that the claims share.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.func import grad, jacrev, vmap

from experiments.methods.orthogonal.descent import PreservingUpdate
from experiments.training import Loss, Trainee
from theory.claims import Study, Tolerance, rounding, varies
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.orthogonal.procrustes import (
    Component,
    LinearOPT,
    component,
    random_problem,
    slowest_rate,
    start_near,
    velocity,
)

SIZE = 0.8  # of Cayley's coordinates at the start: angles up to some 150 degrees
FADED = 25.0  # -log of what descent is to leave of the slowest mode, at the least


@dataclass(frozen=True)
class Spectrum:
    """Of M, which decides every rate; the problems are random otherwise."""

    singular_values: tuple[float, ...] = varies(
        "of M = X Y^T W0^T, decreasing, as many as inputs",
        (2.0, 1.5, 1.1, 0.8, 0.5),
        smoke=(2.0, 1.5, 1.1),
        low=0.1,
        high=3,
    )

    def __post_init__(self) -> None:
        require_decreasing("singular_values", self.singular_values, 0.05)

    @property
    def s(self) -> Array:
        """The singular values."""
        return np.array(self.singular_values)


def require_decreasing(name: str, values: tuple[float, ...], gap: float) -> None:
    """Refuse what is no spectrum of three to six numbers, each below the one before by the gap or more."""
    if not 3 <= len(values) <= 6:
        reject(name, values, "three to six numbers")
    if -max(np.diff(values)) < gap * (1 - 1e-9):
        reject(name, values, f"each {gap:g} or more below the one before")


def random_data(rng: np.random.Generator, s: Array, runs: int = 1, **spectra: Array | float) -> LinearOPT:
    """A `random_problem` with three neurons and four examples more than inputs."""
    return random_problem(rng, s, N=len(s) + 3, n=len(s) + 4, runs=runs, **spectra)


def single_problem(rng: np.random.Generator, s: Array) -> LinearOPT:
    """One `random_data` without a dimension of runs."""
    batch = random_data(rng, s)
    return LinearOPT(batch.X[0], batch.Y[0], batch.W0[0])


def components(problem: LinearOPT) -> Iterator[tuple[str, Component]]:
    """Both components of O(d), that of a determinant against det M first."""
    ones = np.ones(problem.d - 1)
    for side, determinant in (("against", -1.0), ("with", 1.0)):
        yield side, component(problem, np.diag(np.append(ones, determinant)))


def twice(problem: LinearOPT) -> LinearOPT:
    """Every run of the problem, and every run again."""
    return LinearOPT(*(np.concatenate([array, array]) for array in (problem.X, problem.Y, problem.W0)))


def both_components(study: Study, s: Array, runs: int, **spectra: Array | float) -> tuple[LinearOPT, Array]:
    """Random problems, each twice, and starts (2 runs, d, d): first with the determinant of M, then with the other."""
    problem = twice(random_data(study.rng("problem"), s, runs, **spectra))
    sides = np.broadcast_to(np.eye(len(s)), problem.M.shape).copy()
    sides[runs:, -1, -1] = -1
    return problem, start_near(component(problem, sides), study.rng("start"), SIZE)


def squared_loss(problem: LinearOPT, device: str) -> Loss:
    """1/2 |W0^T R^T X - Y|^2 of each run; the layer's weight R W0 first, as in a network."""
    X, Y, W0 = (torch.tensor(array, dtype=torch.float64, device=device) for array in (problem.X, problem.Y, problem.W0))
    return lambda state: 0.5 * ((state["R"] @ W0).mT @ X - Y).square().sum((-2, -1))


def descent(study: Study, loss: Loss, R: Array) -> Trainee:
    """Descent without momentum from R (runs, ..., d, d) by exact steps on O(d); R and the loss are recorded."""
    rule = PreservingUpdate(loss, momentum=0.0)
    return Trainee(study, loss, {"R": R}, rule, lambda state: {"R": state["R"], "loss": loss(state)})


def minimised(study: Study, problem: LinearOPT, R: Array) -> tuple[Array, Tolerance]:
    """Loss (runs,) after long training from R, and how far above the minimum of its component it may still be."""
    chart, eta = component(problem, R), 0.5
    steps = max(400, int(np.ceil(FADED / (eta * slowest_rate(chart).min()))))
    run = descent(study, squared_loss(problem, study.device), R).train(learning_rate=eta, steps=steps, record=[steps])
    speed = np.linalg.norm(velocity(problem, run["R"][-1]), axis=(-2, -1))
    left = speed**2 / slowest_rate(chart)
    within = Tolerance(left, "|R'|^2 / rate at the end, twice what a quadratic minimum has above it")
    size = (problem.W0**2).sum((-2, -1)) + (problem.Y**2).sum((-2, -1))
    return run["loss"][-1], within + rounding(100, size, of="|W0|^2 + |Y|^2")


def derivatives(loss: Callable[[Tensor], Tensor], R: Array, device: str) -> tuple[Array, Array]:
    """Gradient (points, D) and Hessian (points, D, D) at R (points, k, d, d), k rotations each: D = k d (d - 1) / 2.

    They are torch's, by the entries A_ij, i < j, of a skew A at 0: about R the rotations are R (I + A + A^2 / 2), which
    has the two derivatives of R exp(A). `loss` takes one point (k, d, d) to a number.
    """
    points = torch.tensor(R, dtype=torch.float64, device=device)
    k, d = points.shape[1:3]
    i, j = (torch.tensor(index, device=device) for index in np.triu_indices(d, 1))
    # basis[n] is the skew matrix of the n-th pair.
    basis = torch.zeros(len(i), d, d, dtype=points.dtype, device=device)
    basis[torch.arange(len(i), device=device), i, j] = 1
    basis = basis - basis.mT

    def near(x: Tensor, point: Tensor) -> Tensor:
        A = torch.tensordot(x.reshape(k, -1), basis, dims=1)
        return loss(point + point @ A + point @ A @ A / 2)

    origin = torch.zeros(k * len(i), dtype=points.dtype, device=device)
    first = vmap(grad(near), in_dims=(None, 0))(origin, points)
    second = vmap(jacrev(grad(near)), in_dims=(None, 0))(origin, points)
    return first.cpu().numpy(), second.cpu().numpy()


def curvatures(loss: Callable[[Tensor], Tensor], R: Array, device: str) -> Array:
    """Eigenvalues (points, D) of half the Hessian, increasing: rates of the flow about R (points, k, d, d).

    Half, because |dR|^2 = 2 sum_{i < j} dA_ij^2 in the embedded metric.
    """
    return np.linalg.eigvalsh(derivatives(loss, R, device)[1] / 2)
