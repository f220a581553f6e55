"""Margins and test errors of linear classifiers that fit all examples (Banburski et al. 2019)."""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside, reject
from theory.homogeneous.max_margin import interpolant


def gaussian_test_error(w: Float[Array, "*runs d"], teacher: Float[Array, "*#runs d"]) -> Float[Array, "*runs"]:
    """angle(w, teacher) / pi: how often two linear classifiers differ on isotropic Gaussian inputs.

    Raises:
        InvalidArgument: a classifier that is 0 or not finite, which has no direction.
    """
    units = []
    for name, value in (("w", w), ("teacher", teacher)):
        size = np.abs(entries_inside(name, value)).max(-1, keepdims=True)
        if not (size > 0).all():
            reject(name, "a classifier of length 0", "classifiers that have a direction")
        units.append(value / size / np.linalg.norm(value / size, axis=-1, keepdims=True))
    # Kahan's angle: the cosine of a small one has lost it.
    apart, together = (np.linalg.norm(units[0] + sign * units[1], axis=-1) for sign in (-1, 1))
    return 2 * np.arctan2(apart, together) / np.pi


def interpolant_margin(Z: Float[Array, "n d"], w0: Float[Array, "*runs d"]) -> Float[Array, "*runs"]:
    """1 / |w|, w = Z^+ 1 + N w0: the normalised margin of what the square loss ends at, all raw margins being 1.

    |w|^2 = 1^T (Z Z^T)^{-1} 1 + |N w0|^2: the larger the start, the smaller the margin.
    """
    return 1 / np.linalg.norm(interpolant(Z, w0), axis=-1)
