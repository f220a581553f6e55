"""Orthogonality-preserving descent: the skew matrix w that a step turns R by, and what the published step loses.

The published step makes Y = (1 + w) R and then, twice, Y <- R + w (R + Y) / 2, so that Y = B R with
B = I + w + w^2 / 2 + w^3 / 4. As w is skew, B is not quite orthogonal: B B^T = I - w^4 / 4 - w^6 / 16.
"""

import numpy as np
import sympy
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive

FAR = 10.0  # entries of what is not nearly orthogonal


def direction(R: Float[Array, "*runs d d"], M: Float[Array, "*runs d d"], cap: float) -> Float[Array, "*runs d d"]:
    """The skew w of a step from R along M: w = alpha (What - What^T) with What = M R^T - R (R^T M R^T) / 2.

    The length of a step is limited, alpha = min(cap, 1 / |What - What^T|_F); the learning rate is the cap.

    Raises:
        InvalidArgument: a cap that is not above 0, an entry of M that is not finite, one of R beyond 10.
    """
    entries_inside("R", R, -FAR, FAR), entries_inside("M", M)
    Rt = R.mT
    what = M @ Rt - R @ (Rt @ M @ Rt) / 2
    W = what - what.mT
    size = np.hypot.reduce(np.hypot.reduce(W, axis=-1), axis=-1)
    with np.errstate(divide="ignore"):
        return W * np.minimum(positive("cap", cap), 1 / size)[..., None, None]


def tangent(R: Float[Array, "*runs d d"], M: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """What - What^T of an orthogonal R, where it is (M R^T - R M^T) / 2.

    Multiplied by R, it is the projection of M on the tangent space of O(d).
    """
    half = M @ R.mT / 2
    return half - half.mT


def defect_of_step(w: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """What one published step from an orthogonal R loses: I - Y Y^T = w^4 / 4 + w^6 / 16."""
    squared = w @ w
    fourth = squared @ squared
    return fourth / 4 + fourth @ squared / 16


def defect_after_step(w: Float[Array, "*runs d d"], before: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """I - Y Y^T after a published step from any R whose defect `before` is I - R R^T.

    It is the defect of the step and what the step makes of the one before, B before B^T.
    """
    squared = w @ w
    B = np.eye(w.shape[-1]) + w + squared / 2 + squared @ w / 4
    return defect_of_step(w) + B @ before @ B.mT


def symbolic_defect(iterations: int) -> sympy.Expr:
    """B B^T - (I - w^4 / 4 - w^6 / 16) of a skew w after any number of iterations, expanded; 0 after two.

    A number can stand for the matrix w, since polynomials in one matrix commute, and -w for its transpose.

    Raises:
        InvalidArgument: iterations outside 0 ... 100.
    """
    inside("iterations", iterations, 0, 100)
    w = sympy.Symbol("w")
    B = sympy.Poly(1 + w, w)
    for _ in range(iterations):
        B = (B + 1) * (w / 2) + 1
    return (B * B.compose(sympy.Poly(-w, w)) - (1 - w**4 / 4 - w**6 / 16)).as_expr()
