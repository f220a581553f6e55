"""Which norms the points w (A, B), A >= B, of a weight manifold have; what that says of a layer and of a convolution.

|w|_2 <= |w|_F <= sqrt(rank) |w|_2 <= ..., Cauchy-Schwarz on columns and on rows; every range is derived here.
"""

from collections.abc import Sequence
from math import prod, sqrt
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.linalg import hadamard, helmert

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive_integer, reject

Manifold = Literal["sphere", "oblique", "Stiefel"]
MANIFOLDS: tuple[Manifold, ...] = ("sphere", "oblique", "Stiefel")
NORMS = ("Frobenius", "spectral", "(2,1)", "nuclear", "column l1", "row l1", "entrywise l1")
MATRIX_NORMS = NORMS[:4]  # those that one scale makes at most 1


def ranges(manifold: Manifold, A: int, B: int) -> dict[str, tuple[float, float]]:
    """Least and greatest value of each norm; (2,1) sums column lengths, column and row l1 are the 1 and inf norms.

    All ends are attained but two: the least row l1 of oblique and Stiefel needs B to divide A, and the greatest
    entrywise l1 of Stiefel needs B orthogonal columns of signs (for B >= 3, 4 has to divide A).

    Raises:
        InvalidArgument: A < B, or sizes that are not whole numbers above 0.
    """
    require_sizes(A, B)
    a, b = float(np.sqrt(A)), float(np.sqrt(B))
    table: dict[Manifold, tuple[tuple[float, float], ...]] = {
        "sphere": ((1, 1), (1 / b, 1), (1, b), (1, b), (1 / b, a), (1 / a, b), (1, a * b)),
        "oblique": ((b, b), (1, b), (B, B), (b, B), (1, a), (b / a, B), (B, B * a)),
        "Stiefel": ((b, b), (1, 1), (B, B), (B, B), (1, a), (b / a, b), (B, B * a)),
    }
    return dict(zip(NORMS, table[manifold]))


def scale(manifold: Manifold, A: int, B: int, norms: Sequence[str] = MATRIX_NORMS) -> float:
    """gamma, the largest factor for which gamma w has all of `norms` at most 1, on every point.

    Raises:
        InvalidArgument: as `ranges`; no norms, or one that is none of `NORMS`.
    """
    ends = ranges(manifold, A, B)
    if not norms or not set(norms) <= set(NORMS):
        reject("norms", tuple(norms), f"some of {', '.join(NORMS)}")
    return 1 / max(ends[norm][1] for norm in norms)


def extreme_points(manifold: Manifold, A: int, B: int) -> Float[Array, "points A B"]:
    """Points that attain every end of `ranges`, for A a power of 2 and B a divisor of it.

    Raises:
        InvalidArgument: other sizes.
    """
    require_sizes(A, B)
    if A & (A - 1) or A % B:
        reject("A, B", (A, B), "A a power of 2, B a divisor of it")
    frame, spread = np.eye(A, B), np.sqrt(B / A) * (np.arange(A)[:, None] % B == np.arange(B))
    flat_row, one_flat_column = frame @ helmert(B, full=True), helmert(A, full=True).T[:, :B]
    stiefel = [frame, spread, flat_row, one_flat_column, hadamard(A)[:, :B] / np.sqrt(A)]
    equal_columns, first_row = np.full((A, B), A**-0.5), np.eye(A)[:, :1] * np.ones(B)
    oblique = [*stiefel, equal_columns, first_row]
    single, flat_column = np.zeros((A, B)), np.zeros((A, B))
    single[0, 0], flat_column[:, 0] = 1, A**-0.5
    on_sphere = [w / np.sqrt(B) for w in oblique] + [single, flat_column]
    return np.array({"sphere": on_sphere, "oblique": oblique, "Stiefel": stiefel}[manifold])


def layer_frobenius(C: int, D: int, kernel: float) -> float:
    """|W|_F = sqrt(C D) |w|_F of the C D blocks of a layer, all of Frobenius norm `kernel`.

    Raises:
        InvalidArgument: a size that is no whole number above 0, a negative or infinite norm; so do the next two.
    """
    return _spread(kernel, C=C, D=D)


def layer_spectral_bound(C: int, D: int, kernel: float) -> float:
    """|W|_2 <= sqrt(C D) max |w_dc|_2: attained where all blocks are equal."""
    return _spread(kernel, C=C, D=D)


def convolution_bound(A: int, B: int, kernel: float) -> float:
    """Norm of a convolution with a kernel (A, B) of spectral norm `kernel`: at most sqrt(A B) times it.

    The transfer function is a^H k b with |a| = sqrt(A), |b| = sqrt(B). Attained by the identity on Stiefel.
    """
    return _spread(kernel, A=A, B=B)


def convolution_norm(kernels: Float[Array, "*runs D C A B"], side: int) -> Float[Array, "*runs"]:
    """Operator norm of the circular convolution on side x side images: the largest |K(xi)|_2 over all frequencies.

    Raises:
        InvalidArgument: images smaller than the kernels, which would be cut; kernels that are not finite.
    """
    entries_inside("kernels", kernels)
    inside("side", positive_integer("side", side), max(kernels.shape[-2:]), np.inf, "[)")
    transfer = np.fft.fft2(kernels, s=(side, side), axes=(-2, -1))
    return np.linalg.norm(np.moveaxis(transfer, (-4, -3), (-2, -1)), ord=2, axis=(-2, -1)).max((-2, -1))


def _spread(kernel: float, **sizes: int) -> float:
    """sqrt(product of sizes) times the norm of a kernel."""
    for name, size in sizes.items():
        positive_integer(name, size)
    return inside("kernel", kernel, 0, np.inf, "[)") * sqrt(prod(sizes.values()))


def require_sizes(A: int, B: int) -> None:
    """Refuse sizes that no weight manifold has."""
    positive_integer("A", A)
    positive_integer("B", B)
    if A < B:
        reject("A, B", (A, B), "A >= B: no fewer rows than columns")
