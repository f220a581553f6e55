"""Maps P -> R onto the orthogonal matrices: what they are, what their gradients keep, what they cannot reach."""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import positive


def defect(R: Float[Array, "*runs d d"]) -> Float[Array, "*runs"]:
    """max |R R^T - I|."""
    return np.abs(R @ R.mT - np.eye(R.shape[-1])).max((-2, -1))


def gram_schmidt(P: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """The rows of P made orthonormal in turn: Q^T of P^T = Q r with a positive diagonal of r."""
    Q, r = np.linalg.qr(P.mT)
    signs = np.sign(np.diagonal(r, axis1=-2, axis2=-1))
    return (Q * signs[..., None, :]).mT


def householder(P: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """Columns of P reflected onto the axes one after the other: the published map.

    It is Gram-Schmidt on columns but for the sign of the last one, which makes det R = (-1)^(d - 1).
    """
    R = gram_schmidt(P.mT).mT
    last = np.ones(R.shape[-1])
    wanted = (-1) ** (R.shape[-1] - 1)
    signs = np.sign(np.linalg.det(R)) * wanted
    return R * np.where(np.arange(len(last)) == len(last) - 1, signs[..., None], last)[..., None, :]


def polar(P: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """P (P^T P)^(-1/2) = U V^T, the orthogonal matrix nearest to P."""
    U, _, Vt = np.linalg.svd(P)
    return U @ Vt


def distance_to_orthogonal(P: Float[Array, "*runs d d"]) -> Float[Array, "*runs"]:
    """|P - polar P|_F = |sigma - 1|_2: no orthogonal matrix is nearer."""
    return np.linalg.norm(np.linalg.svd(P, compute_uv=False) - 1, axis=-1)


def polar_differential(P: Float[Array, "*runs d d"], dP: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """dR = U [(Z - Z^T) / (s_i + s_j)] V^T, Z = U^T dP V: smooth wherever P is invertible, and self-adjoint in dP."""
    U, s, Vt = np.linalg.svd(P)
    Z = U.mT @ dP @ Vt.mT
    return U @ ((Z - Z.mT) / (s[..., :, None] + s[..., None, :])) @ Vt


def nearest_to_reflection(A: Float[Array, "*runs d d"]) -> Float[Array, "*runs"]:
    """Smallest singular value of I + (I - A)^(-1) (I + A), A skew: 2 / sqrt(1 + |A|_2^2), which is never 0."""
    return 2 / np.sqrt(1 + np.linalg.norm(A, ord=2, axis=(-2, -1)) ** 2)


def lengthened(squared_norm: Array, squared_gradient: Array, learning_rate: float) -> Array:
    """|P - eta G|^2 = |P|^2 + eta^2 |G|^2 where R does not depend on the length of P: of P for the polar map, of each
    of its rows for Gram-Schmidt."""
    return squared_norm + positive("learning_rate", learning_rate) ** 2 * squared_gradient
