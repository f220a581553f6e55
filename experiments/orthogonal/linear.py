"""Linear OPT in torch: x -> W0^T R^T x, R turned by steps that keep it orthogonal, taught labels."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import grad, jacrev, vmap

from experiments.methods.orthogonal.descent import PreservingUpdate
from experiments.training.legacy import refined
from experiments.training.loop import Observe, train
from experiments.training.updates import Loss, State, Update
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.orthogonal.procrustes import LinearOPT, component, slowest_rate, velocity


def squared_loss(problem: LinearOPT, device: str) -> Loss:
    """1/2 |W0^T R^T X - Y|^2 of each run; the layer's weight R W0 first, as in a network."""
    X, Y, W0 = (torch.tensor(array, dtype=torch.float64, device=device) for array in (problem.X, problem.Y, problem.W0))
    return lambda state: 0.5 * ((state["R"] @ W0).mT @ X - Y).square().sum((-2, -1))


def rotations(state: State) -> State:
    """What to record: R."""
    return {"R": state["R"]}


def refine(
    study: Study,
    name: str,
    loss: Loss,
    R: Array,
    *,
    learning_rate: float,
    horizon: float,
    records: int = 17,
    observe: Observe = rotations,
) -> list[Trajectory]:
    """Exact steps on O(d) from R (runs, ..., d, d), at learning_rate / 1, 2, 4, recorded at the same times."""

    def descend(level: str, **schedule: Any) -> Trajectory:
        return turn(study, level, loss, R, observe=observe, **schedule)

    return refined(descend, name, learning_rate=learning_rate, horizon=horizon, records=records)


def turn(
    study: Study,
    name: str,
    loss: Loss,
    R: Array,
    *,
    learning_rate: float | Array,
    steps: int,
    record: Sequence[int],
    observe: Observe = rotations,
    update: Callable[..., Update] = PreservingUpdate,
) -> Trajectory:
    """Descent without momentum from R (runs, ..., d, d) by exact steps on O(d); see `experiments.training.train`."""
    return train(
        loss,
        {"R": R},
        learning_rate=learning_rate,
        steps=steps,
        record=record,
        observe=observe,
        update=update(loss, momentum=0.0),
        **study.training(name),
    )


def minimised(study: Study, name: str, problem: LinearOPT, R: Array) -> tuple[Array, Array]:
    """Loss (runs,) after long training from R, and how far above the minimum of its component it may still be.

    A quadratic minimum whose slowest rate is k lies |R'|^2 / (2 k) below; twice that is allowed, and rounding.
    """
    loss = squared_loss(problem, study.device)
    observe = lambda state: {"R": state["R"], "loss": loss(state)}  # noqa: E731
    run = turn(study, name, loss, R, learning_rate=0.5, steps=400, record=[400], observe=observe)
    speed = np.linalg.norm(velocity(problem, run["R"][-1]), axis=(-2, -1))
    rounding = 1e2 * EPS * ((problem.W0**2).sum((-2, -1)) + (problem.Y**2).sum((-2, -1)))
    return run["loss"][-1], speed**2 / slowest_rate(component(problem, R)) + rounding


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
