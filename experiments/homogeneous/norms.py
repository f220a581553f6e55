"""How the norm of a vector grows whose size the loss does not see, and whether two paths have one direction."""

from typing import Any

import numpy as np
from torch import Tensor

from experiments.homogeneous.networks import (
    with_gradients,
)
from experiments.training.loop import train
from experiments.training.updates import GradientDescent, Loss
from theory.claims import Check
from theory.claims.legacy import equal
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.homogeneous.normalisation import squared_norm_after_step


def every_step(
    study: Study, name: str, loss: Loss, start: dict[str, Array], rule: GradientDescent, eta: float, steps: int
) -> Trajectory:
    schedule: dict[str, Any] = {"learning_rate": eta, "steps": steps, "record": list(range(steps + 1))}
    return train(loss, start, observe=with_gradients(rule), update=rule, **schedule, **study.training(name))


def growth(name: str, v: Array, gradient: Array, eta: float, shrinkage: float = 0.0) -> Check:
    """|v|^2 after each step, against what it was, and the gradient there."""
    squared = squares(v)
    predicted = squared_norm_after_step(squared[:-1], squares(gradient)[:-1], eta, shrinkage)
    # <v, G> is 0 up to roundings of |v| |G|, which is at most the number of examples here; eta of it enters twice.
    tolerance = 64 * EPS * (squared.max() + 24 * eta)
    because = "64 roundings of |v|^2 and of eta <v, G>"
    return equal(name, squared[1:], predicted, tolerance=tolerance, because=because)


def same_directions(name: str, first: Array, second: Array, steps: int) -> Check:
    units = [path / np.sqrt(squares(path))[..., None, None] for path in (first, second)]
    # Descent on a bounded loss at a moderate step parts two paths by a constant factor at most over so short a run.
    tolerance = 1e3 * EPS * steps
    because = "a rounding a step; a thousand for how paths that are a rounding apart part, the end being stable"
    return equal(name, units[0], units[1], tolerance=tolerance, because=because)


def squares(v: Array) -> Array:
    """|v|^2 (T, runs) of vectors (T, runs, ...)."""
    return np.square(v.reshape(*v.shape[:2], -1)).sum(-1)


def host(tensor: Tensor) -> Array:
    return tensor.detach().cpu().numpy()
