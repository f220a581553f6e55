"""Lieder 2021 (Optimization Letters 15, Theorem 2.1): |w_k - T w_k| <= 2 |w_0 - w*| / (k + 1) for every nonexpansive T
and every fixed point w*, with lambda_k = 1/(k + 2) and the start as the anchor. No smaller constant will do."""

import numpy as np
from jaxtyping import Float, Int

from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import entries_inside
from theory.halpern.least_squares import (
    Iterates,
    Steps,
    Weights,
    after_steps,
    in_eigendirections,
    powers,
    shares,
    sums,
    towards,
    whole_steps,
)
from theory.halpern.schedules import harmonic


def residual_bound(distance: Float[Array, "*runs"] | float, k: Steps) -> Float[Array, "*steps_runs"]:
    """2 |w_0 - w*| / (k + 1), shape (*steps, *runs).

    Raises:
        InvalidArgument: a distance that is negative or not finite; k negative or NaN.
    """
    return np.multiply.outer(harmonic(k), 2 * entries_inside("distance", distance, 0, np.inf, "[)"))


def residual(problem: Regression, eta: float, w: Weights, v: Weights, k: Steps) -> Iterates:
    """w_k - T w_k of descent on least squares, start w, anchor v: exactly

    (k + 1) (w_k - T w_k) = (I - A) A^k (w - w*) + (I - A^k) (v - w*),   w* = w*(v),

    which is (I - A^(k + 1)) (v - w*) if w = v, and at most 2 |w - w*| + 2 |v - w*| for eta up to `largest_step` (ours).
    """
    x, steps = shares(problem, eta), whole_steps(problem, eta, k)
    scaled = in_eigendirections(problem, x * powers(x, steps), w) + in_eigendirections(problem, x * sums(x, steps), v)
    scaled = scaled - towards(problem, x * sums(x, steps + 1), w)
    return scaled / after_steps(steps + 1, w)


def attaining_rotation(k: Int[np.ndarray, "*runs"]) -> Float[Array, "*runs 2 2"]:
    """The rotation of the plane by pi / (k + 1): after k steps the bound holds with equality (ours).

    |w_k - T w_k| = |1 - e^(i pi)| |w_0| / (k + 1): the residual of an affine map is that of `residual`, A complex.
    """
    cosine, sine = np.cos(np.pi / (k + 1)), np.sin(np.pi / (k + 1))
    return np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)


def rotation_ratio(n: Int[np.ndarray, "*runs"], k: Steps) -> Float[Array, "*steps_runs"]:
    """|sin(pi (k + 1) / (2 (n + 1)))|: residual over bound after k steps of `attaining_rotation(n)`, 1 at k = n.

    Raises:
        InvalidArgument: n or k negative, NaN or infinite: the residual keeps turning.
    """
    period = 2 * (entries_inside("n", n, 0, np.inf, "[)") + 1)
    into_it = np.fmod.outer(entries_inside("k", k, 0, np.inf, "[)") + 1, period)
    return np.sin(np.pi * into_it / period)
