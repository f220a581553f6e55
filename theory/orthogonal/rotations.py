"""Rotations of one plane, and random ones."""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside, positive_integer, reject


def plane_rotation(d: int, pair: tuple[int, int], angles: Float[Array, "*batch"] | float) -> Float[Array, "*batch d d"]:
    """The rotation by `angles` in the plane of the coordinates (i, j), from i to j.

    Raises:
        InvalidArgument: the pair are not two of the d coordinates, or an angle is not finite.
    """
    i, j = pair
    if not (i != j and {i, j} <= set(range(d))):
        reject("pair", pair, f"two different numbers from 0 to d - 1 = {d - 1}")
    entries_inside("angles", angles)
    G = np.zeros((*np.shape(angles), d, d)) + np.eye(d)
    G[..., i, i] = G[..., j, j] = np.cos(angles)
    G[..., j, i] = np.sin(angles)
    G[..., i, j] = -G[..., j, i]
    return G


def random_rotation(rng: np.random.Generator, d: int, runs: int = 1) -> Float[Array, "runs d d"]:
    """Uniform on SO(d) (Mezzadri 2007).

    Raises:
        InvalidArgument: d or runs below 1.
    """
    positive_integer("d", d), positive_integer("runs", runs)
    Q, triangle = np.linalg.qr(rng.standard_normal((runs, d, d)))
    Q = Q * np.sign(np.diagonal(triangle, axis1=-2, axis2=-1))[..., None, :]
    Q[..., 0] *= np.linalg.det(Q)[..., None]
    return Q
