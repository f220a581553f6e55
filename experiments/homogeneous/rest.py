"""Directions that training has brought to rest: how far from it they may still be, by the force that torch finds."""

import numpy as np

from experiments.homogeneous.losses import loss_of
from experiments.homogeneous.networks import margins_of
from experiments.homogeneous.rules import gradients_at
from theory.claims import Study, Tolerance
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable
from theory.homogeneous.critical_points import curvature


def descent(study: Study, Z: Array, w: Array) -> Array:
    """Minus the gradient of log sum_n e^{-z_n . w} (runs, d), by torch; examples Z (n, d), or (runs, n, d)."""
    loss = loss_of(margins_of([w[:, None]], np.broadcast_to(Z, (len(w), *Z.shape[-2:])), study.device))
    return -gradients_at(study, loss, {"W1": w[:, None]})["W1"][:, 0]


def across(gradient: Array, V: Array) -> Array:
    """The part of a gradient (runs, d) orthogonal to directions V."""
    return gradient - (gradient * V).sum(-1, keepdims=True) * V


def at_rest(study: Study, problem: Separable, w: Array) -> tuple[Array, Array, Tolerance]:
    """Sizes (runs,), directions (runs, d), and what the latter are off by, of linear classifiers on one problem, or on
    one a run: Newton's step from the force that is left, to first order what is left to turn; twice is safe."""
    size = np.linalg.norm(w, axis=-1)
    V = w / size[:, None]
    force = across(descent(study, problem.Z, w), V)
    step = np.linalg.solve(curvature(problem, size, V), force[..., None])[..., 0]
    because = "twice Newton's step from the force that is left, and 100 roundings"
    return size, V, Tolerance((2 * np.linalg.norm(step, axis=-1) + 100 * EPS * size)[:, None], because)
