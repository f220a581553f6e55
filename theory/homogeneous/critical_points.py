"""Where the direction of a linear classifier comes to rest at a given size: B(rho, V) = 0 (Banburski et al. 2019).

The loss is the exponential one, or its logarithm: they have the same critical points.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply
from theory.core.validation import reject
from theory.homogeneous.decomposition import log_slope

NEWTON_STEPS = 1000
SETTLED = 1e-14  # of a step, against the 1 / rho over which the softmax varies
FAR = 1e30  # rho |z| of the shortest example from which on V* is the max-margin direction, to all digits


def tangential_gradient(
    problem: Separable, rho: Float[Array, "*#runs"], V: Float[Array, "*runs d"]
) -> Float[Array, "*runs d"]:
    """B(rho, V) / loss = (I - V V^T) sum_n p_n z_n, p = softmax(-rho Z V).

    Raises:
        InvalidArgument: sizes and directions at which it overflows.
    """
    force = apply(problem.Z.mT, log_slope(rho[..., None] * apply(problem.Z, V)))
    return _finite(force - (force * V).sum(-1, keepdims=True) * V)


def curvature(problem: Separable, rho: Float[Array, "*#runs"], V: Float[Array, "*runs d"]) -> Float[Array, "*runs d d"]:
    """Hessian of log sum_n e^{-rho z_n.V} / rho over the sphere, on the tangent space at V (the direction V itself gets
    the eigenvalue A): rho Z^T (diag p - p p^T) Z + A I, projected, A = sum_n p_n z_n . V.

    Raises as `tangential_gradient`.
    """
    p = log_slope(rho[..., None] * apply(problem.Z, V))
    force = apply(problem.Z.mT, p)
    scatter = problem.Z.mT @ (p[..., None] * problem.Z) - _outer(force, force)
    identity = np.eye(V.shape[-1])
    tangent = identity - _outer(V, V)
    return _finite(rho[..., None, None] * tangent @ scatter @ tangent + (force * V).sum(-1)[..., None, None] * identity)


def equilibrium(problem: Separable, rho: Float[Array, "*runs"]) -> Float[Array, "*runs d"]:
    """V*(rho), the direction of least loss at size rho, by Newton's method on the sphere; one problem at many sizes, or
    a batch of them; the max-margin direction at infinite size.

    It tends to the max-margin direction, and no faster than 1 / rho; see `max_margin.approach_constant`, whose
    start does not enter here: at rest nothing of V lies off the span of the examples.

    Raises:
        InvalidArgument: a size that is negative or NaN, or at which Newton's method did not settle in a thousand
            steps from the max-margin direction.
    """
    if not (np.asarray(rho) >= 0).all():
        reject("rho", np.min(rho), "sizes of at least 0")
    best = problem.w * problem.margin[..., None]
    lengths = np.linalg.norm(problem.Z, axis=-1)
    endless = rho * lengths.min(-1) >= FAR
    rho, endless = np.where(endless, 0.0, rho), endless[..., None]
    V = np.broadcast_to(best, np.broadcast_shapes(best.shape, (*rho.shape, 1)))
    scale = rho * lengths.max(-1)
    with np.errstate(divide="ignore"):
        finest = np.maximum(SETTLED * np.minimum(0.5 / scale, 1), 4 * EPS)
    for _ in range(NEWTON_STEPS):
        step = np.linalg.solve(curvature(problem, rho, V), tangential_gradient(problem, rho, V)[..., None])[..., 0]
        length = np.linalg.norm(step, axis=-1)
        # Far from rest a full step overshoots where the softmax saturates: no margin moves by more than half the
        # 1 / rho over which it varies, and V turns by half a radian at most.
        moved = np.maximum(rho * np.abs(apply(problem.Z, step)).max(-1), length)
        V = V + step * np.minimum(1, 0.5 / np.maximum(moved, 0.5))[..., None]
        V = V / np.linalg.norm(V, axis=-1, keepdims=True)
        if (length <= finest).all():
            break
    left = np.linalg.norm(tangential_gradient(problem, rho, V), axis=-1)
    if (left > (1e-9 + 16 * EPS * scale) * np.abs(problem.Z).max()).any():  # margins round by EPS rho |z|
        reject("rho", rho, "sizes at which Newton's method settles from the max-margin direction")
    return np.where(endless, best, V)


def _finite(derivative: Array) -> Array:
    if not np.isfinite(derivative).all():
        reject("rho, V", "an overflow", "sizes and directions at which derivatives are finite numbers")
    return derivative


def _outer(a: Array, b: Array) -> Array:
    return a[..., :, None] * b[..., None, :]
