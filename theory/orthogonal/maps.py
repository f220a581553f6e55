"""Maps P -> R onto the orthogonal matrices: what they are, what their gradients keep, what they cannot reach."""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, Array
from theory.core.validation import entries_inside, positive, reject

NOT_ORTHOGONAL = 1e-8


def defect(R: Float[Array, "*runs d d"]) -> Float[Array, "*runs"]:
    """How far R is from orthogonal: the largest entry of |R R^T - I|."""
    return np.abs(R @ R.mT - np.eye(R.shape[-1])).max((-2, -1))


def require_orthogonal(name: str, R: Float[Array, "*runs d d"]) -> None:
    """Refuse a matrix whose rows are not orthonormal to eight digits."""
    off = np.max(defect(R))
    if not off <= NOT_ORTHOGONAL:
        reject(name, f"a matrix whose {name} {name}^T is {off:.2g} from I", "an orthogonal matrix")


def gram_schmidt(P: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """Makes the rows of P orthonormal from the first to the last.

    That is Q^T, where P^T = Q r is a QR factorisation whose r has a positive diagonal.

    Raises:
        InvalidArgument: rows that depend on each other to rounding; so do the maps below.
    """
    Q, r = np.linalg.qr(P.mT)
    across = np.abs(np.diagonal(r, axis1=-2, axis2=-1))
    _require_independent(across > P.shape[-1] * EPS * np.hypot.reduce(r, axis=-2))
    signs = np.sign(np.diagonal(r, axis1=-2, axis2=-1))
    return (Q * signs[..., None, :]).mT


def householder(P: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """The published map, which reflects the columns of P onto the axes, one after the other.

    It differs from Gram-Schmidt on columns by the sign of the last one, which makes det R = (-1)^(d - 1).
    """
    R = gram_schmidt(P.mT).mT
    last = np.ones(R.shape[-1])
    wanted = (-1) ** (R.shape[-1] - 1)
    signs = np.sign(np.linalg.det(R)) * wanted
    return R * np.where(np.arange(len(last)) == len(last) - 1, signs[..., None], last)[..., None, :]


def polar(P: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """The orthogonal matrix nearest to P = U diag(s) V^T, which is U V^T = P (P^T P)^(-1/2)."""
    U, _, Vt = _svd(P)
    return U @ Vt


def distance_to_orthogonal(P: Float[Array, "*runs d d"]) -> Float[Array, "*runs"]:
    """Distance |P - polar P|_F = |s - 1|_2, s the singular values of P: no orthogonal matrix is nearer.

    Raises:
        InvalidArgument: an entry that is not finite.
    """
    return np.hypot.reduce(np.linalg.svd(entries_inside("P", P), compute_uv=False) - 1, axis=-1)


def polar_differential(P: Float[Array, "*runs d d"], dP: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """How the polar factor changes with P: dR = U [(Z - Z^T) / (s_i + s_j)] V^T, where Z = U^T dP V.

    The map dP -> dR is self-adjoint, and finite wherever P is invertible.

    Raises:
        InvalidArgument: P singular to rounding, an entry of either, or of the quotient, that is not finite.
    """
    U, s, Vt = _svd(P)
    Z = U.mT @ entries_inside("dP", dP) @ Vt.mT
    return U @ entries_inside("dP / P", (Z - Z.mT) / (s[..., :, None] + s[..., None, :])) @ Vt


def nearest_to_reflection(A: Float[Array, "*runs d d"]) -> Float[Array, "*runs"]:
    """How far Cayley's R = (I - A)^(-1) (I + A), A skew, stays from having the eigenvalue -1.

    The smallest singular value of I + R is 2 / sqrt(1 + |A|_2^2), which is never 0.

    Raises:
        InvalidArgument: an entry that is not finite.
    """
    return 2 / np.hypot(1, np.linalg.norm(entries_inside("A", A), ord=2, axis=(-2, -1)))


def lengthened(
    squared_norm: Float[Array, "*runs"], squared_gradient: Float[Array, "*runs"], learning_rate: float
) -> Float[Array, "*runs"]:
    """Squared length after a step of descent, |P - eta G|^2 = |P|^2 + eta^2 |G|^2, for a map that does not see lengths.

    The polar map does not see the length of P, Gram-Schmidt not that of any row; G is orthogonal to it then.

    Raises:
        InvalidArgument: a learning rate that is not above 0, a square that is negative or not finite.
    """
    eta = positive("learning_rate", learning_rate)
    entries_inside("squared_norm", squared_norm, 0, np.inf, "[)")
    entries_inside("squared_gradient", squared_gradient, 0, np.inf, "[)")
    return squared_norm + eta * squared_gradient * eta


def _require_independent(independent: Array) -> None:
    if not np.all(independent):
        reject("P", "a matrix singular to rounding", "an invertible one, which has one image")


def _svd(P: Array) -> tuple[Array, Array, Array]:
    """The singular value decomposition of an invertible matrix."""
    U, s, Vt = np.linalg.svd(entries_inside("P", P))
    _require_independent(s > P.shape[-1] * EPS * s[..., :1])
    return U, s, Vt
