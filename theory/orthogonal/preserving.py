"""Orthogonality-preserving descent: the direction it turns in, and the defect the published step leaves."""

import numpy as np
import sympy
from jaxtyping import Float

from theory.core.arrays import Array


def direction(R: Float[Array, "*runs d d"], M: Float[Array, "*runs d d"], cap: float) -> Float[Array, "*runs d d"]:
    """w = alpha (What - What^T), What = M R^T - R (R^T M R^T) / 2, alpha = min(cap, 1 / |What - What^T|_F)."""
    Rt = R.mT
    what = M @ Rt - R @ (Rt @ M @ Rt) / 2
    W = what - what.mT
    size = np.linalg.norm(W, axis=(-2, -1), keepdims=True)
    return W * np.minimum(cap, 1 / size)


def tangent(R: Float[Array, "*runs d d"], M: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """(M R^T - R M^T) / 2: what What - What^T is on O(d); times R, it is the projection of M on the tangent space."""
    half = M @ R.mT / 2
    return half - half.mT


def defect_of_step(w: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """D(w) = I - Y Y^T = w^4 / 4 + w^6 / 16 after two fixed-point iterations from an orthogonal R."""
    squared = w @ w
    fourth = squared @ squared
    return fourth / 4 + fourth @ squared / 16


def defect_after_step(w: Float[Array, "*runs d d"], before: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """I - Y Y^T from any R with `before` = I - R R^T: D(w) + B before B^T, B = I + w + w^2 / 2 + w^3 / 4."""
    squared = w @ w
    B = np.eye(w.shape[-1]) + w + squared / 2 + squared @ w / 4
    return defect_of_step(w) + B @ before @ B.mT


def symbolic_defect(iterations: int) -> sympy.Expr:
    """B B^T - (I - w^4 / 4 - w^6 / 16) for a skew w, expanded: polynomials in one matrix commute. 0 at two iterations.

    B is the factor of R after Y = (1 + w) R and the iterations Y <- R + w (R + Y) / 2.
    """
    w = sympy.Symbol("w")
    B = 1 + w
    for _ in range(iterations):
        B = 1 + w * (1 + B) / 2
    return sympy.expand(B * B.subs(w, -w) - (1 - w**4 / 4 - w**6 / 16))
