"""Sectional curvature in the metric of the embedding, by Gauss' equation, and injectivity radii.

K(X, Y) = [<II(X, X), II(Y, Y)> - |II(X, Y)|^2] / gram(X, Y), gram = |X|^2 |Y|^2 - <X, Y>^2. It is a function of the
plane of X and Y alone, and evaluated at an orthonormal pair in it, where gram = 1.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, Array
from theory.core.validation import entries_inside, positive_integer, reject
from theory.manifolds.norms import Manifold, require_sizes

SKEW = 1e-9  # how far off, relatively, a matrix may be that is to be skew


def gram(X: Float[Array, "*runs A B"], Y: Float[Array, "*runs A B"]) -> Float[Array, "*runs"]:
    """Squared area of the parallelogram of X and Y.

    Raises:
        InvalidArgument: matrices, or an area, that are not finite.
    """
    return entries_inside("gram", np.square(_size(X) * _size(_across(_unit(X), Y))))


def oblique(X: Float[Array, "*runs A B"], Y: Float[Array, "*runs A B"]) -> Float[Array, "*runs"]:
    """A product of unit spheres: sum_j gram(X_j, Y_j) / gram(X, Y), between 0 (a plane of two factors) and 1.

    Raises:
        InvalidArgument: X and Y span no plane; so does every function below.
    """
    X, Y = orthonormal(X, Y)
    return ((X**2).sum(-2) * (Y**2).sum(-2) - (X * Y).sum(-2) ** 2).sum(-1)


def stiefel(X: Float[Array, "*runs A B"], Y: Float[Array, "*runs A B"]) -> Float[Array, "*runs"]:
    """II(X, Y) = -Q sym(X^T Y), hence [tr(X^T X Y^T Y) - |sym(X^T Y)|^2] / gram: Q itself drops out."""
    X, Y = orthonormal(X, Y)
    XX, YY, XY = (left.mT @ right for left, right in ((X, X), (Y, Y), (X, Y)))
    return _inner(XX, YY) - ((XY + XY.mT) ** 2).sum((-2, -1)) / 4


def rotations(X: Float[Array, "*runs d d"], Y: Float[Array, "*runs d d"]) -> Float[Array, "*runs"]:
    """|[X, Y]|^2 / (4 gram) on SO(d), X and Y skew (tangent at I)."""
    for name, tangent in (("X", X), ("Y", Y)):
        if (np.abs(tangent + tangent.mT) > SKEW * np.abs(tangent).max()).any():
            reject(name, "a matrix that is not minus its transpose", "a skew matrix")
    X, Y = orthonormal(X, Y)
    bracket = X @ Y - Y @ X
    return _inner(bracket, bracket) / 4


def orthonormal(X: Float[Array, "*runs A B"], Y: Float[Array, "*runs A B"]) -> tuple[Array, Array]:
    """An orthonormal pair in the plane of X and Y, however long and however nearly parallel they are.

    Raises:
        InvalidArgument: X or Y is 0, or they are parallel to rounding.
    """
    X, Y = _unit(X), _unit(Y)
    across = _across(X, Y)
    if not (np.sqrt(_inner(across, across)) > 4 * EPS).all():
        reject("X, Y", "parallel matrices", "two that span a plane")
    return X, _unit(across)


def curvature_range(manifold: Manifold, A: int, B: int) -> tuple[float, float]:
    """Least and greatest sectional curvature: Zimmermann & Stoye 2024 for Stiefel with A >= B + 2, ours elsewhere.

    Stiefel with as many rows as columns is SO(A). One row more leaves no two directions out of the frame's span, and
    with them the greatest curvature 1: 1/2 is left, exactly for B = 2 (a Berger sphere) and as observed for B = 3.

    Raises:
        InvalidArgument: a manifold of less than two dimensions has no sectional curvature; Stiefel with A < B.
    """
    if _dimension(manifold, A, B) < 2:
        reject("A, B", (A, B), f"sizes for which the manifold ({manifold}) has two dimensions at least")
    if manifold == "sphere" or (B == 1 and A > 1):
        return 1.0, 1.0
    if manifold == "oblique":
        return (0.0, 0.0) if A == 2 else (0.0, 1.0)
    if A == B:
        return (1 / 8, 1 / 8) if A == 3 else (0.0, 1 / 4)
    return (-1 / 2, 1.0) if A > B + 1 else (-1 / 2, 1 / 2)


def injectivity_radius(manifold: Manifold, A: int, B: int) -> float:
    """pi; pi sqrt(2) for SO(A), Stiefel with A = B. A product has the least of its factors' (Zimmermann & Stoye 2024
    for Stiefel).

    Raises:
        InvalidArgument: a manifold of isolated points; Stiefel with A < B.
    """
    if _dimension(manifold, A, B) < 1:
        reject("A, B", (A, B), f"sizes for which the manifold ({manifold}) has a dimension at least")
    return float(np.pi * np.sqrt(2)) if manifold == "Stiefel" and A == B else float(np.pi)


def _dimension(manifold: Manifold, A: int, B: int) -> int:
    positive_integer("A", A), positive_integer("B", B)
    if manifold == "Stiefel":
        require_sizes(A, B)
    return {"sphere": A * B - 1, "oblique": (A - 1) * B, "Stiefel": A * B - B * (B + 1) // 2}[manifold]


def _inner(X: Array, Y: Array) -> Array:
    return (X * Y).sum((-2, -1))


def _size(X: Array) -> Array:
    """|X|_F, whose square may overflow."""
    return np.hypot.reduce(np.hypot.reduce(X, axis=-1), axis=-1)


def _unit(X: Array) -> Array:
    """X / |X|_F, and X where that is 0."""
    largest = np.abs(X).max((-2, -1), keepdims=True)
    X = X / np.where(largest > 0, largest, 1.0)
    return X / np.where(largest > 0, np.linalg.norm(X, axis=(-2, -1), keepdims=True), 1.0)


def _across(direction: Array, Y: Array) -> Array:
    """The part of Y orthogonal to a unit matrix, taken twice, since the first time rounds at the size of Y."""
    for _ in range(2):
        Y = Y - direction * _inner(direction, Y)[..., None, None]
    return Y
