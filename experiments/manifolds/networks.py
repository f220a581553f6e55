"""What is trained on manifolds: batches under constant steps, the Rayleigh quotient, and the circle."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from experiments.methods.manifolds import FineGrainedUpdate, Manifold, Oblique, RiemannianStep, Sphere, Stiefel
from experiments.training import Loss, Observe, Trainee
from theory.claims import Study
from theory.core.arrays import Array
from theory.manifolds.norms import Manifold as Name
from theory.manifolds.rayleigh import Rayleigh
from theory.manifolds.schedules import Schedule

Moves = Mapping[str, RiemannianStep]

SPACES: dict[Name, Manifold] = {"sphere": Sphere(), "oblique": Oblique(), "Stiefel": Stiefel()}
L = np.array([2.0, 1.4, 0.9, 0.1, -0.5])  # eigenvalues of a Rayleigh quotient


def on_manifolds(
    study: Study,
    loss: Loss,
    moves: Moves,
    start: Mapping[str, Array | Tensor],
    *,
    schedule: Schedule | None = None,
    observe: Observe = dict,
) -> Trainee:
    """Descent by `moves`, with constant steps or by the `a` and `q` of a schedule, whose c is the learning rate."""
    a, q = (schedule.a, schedule.q) if schedule else (1.0, 0.0)
    return Trainee(study, loss, start, FineGrainedUpdate(loss, moves, a=a, q=q), observe)


def quotient(study: Study, problem: Rayleigh) -> Loss:
    """-x^T A x / 2 of x (runs, d, 1)."""
    A = tensor(study, problem.A)
    return lambda state: -0.5 * (state["x"] * (A @ state["x"])).sum((-2, -1))


def circle_loss(study: Study, h: float) -> Loss:
    """The Rayleigh quotient on the circle, with eigenvalues h and 0: h is the only rate."""
    return quotient(study, Rayleigh(np.diag([h, 0.0])))


def on_circle(theta: Array) -> Array:
    """(cos theta, sin theta), shape (runs, 2, 1)."""
    return np.stack([np.cos(theta), np.sin(theta)], axis=-1)[..., None]


def angle(x: Tensor) -> Tensor:
    """theta of x (..., 2, 1), from the first axis."""
    return torch.atan2(x[..., 1, 0], x[..., 0, 0])


def observe_angle(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """theta of each run, to be recorded."""
    return {"theta": angle(state["x"])}


def unit(X: Tensor) -> Tensor:
    """X (..., A, B) over its Frobenius norm."""
    return X / X.square().sum((-2, -1), keepdim=True).sqrt()


def tensor(study: Study, array: Array) -> Tensor:
    """In double precision, on the device of the study."""
    return torch.tensor(np.array(array), dtype=torch.float64, device=study.device)
