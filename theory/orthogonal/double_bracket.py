r"""OPT without whitening, taught nothing (Y = 0): L = 1/2 tr(Sigma H), H = R Omega R^T, is a double-bracket flow.

    H' = -1/2 [H, [H, Sigma]]     (Brockett 1991, at the speed of the embedded metric)

keeps the spectrum omega of H and sorts it against that of Sigma: at the minimum one increases where the other
decreases, and off-diagonal entries decay at |(omega_i - omega_j)(sigma_i - sigma_j)| / 2.

Orthonormal neurons, N < d of them with W0^T W0 = g I, leave omega two values, g and 0: H is g times the projector on
the span of R W0, and that span is the one of exp(-g Sigma t / 2) R(0) W0. So the flow is solved. As a graph over the N
least directions of Sigma, its slopes K_ij (i one of the others, j one of the least) decay at g (sigma_i - sigma_j) / 2.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, Array
from theory.core.validation import entries_inside, positive, reject
from theory.orthogonal.decay import decay

NOT_SYMMETRIC = 1e-8  # times the largest entry


def velocity(Sigma: Float[Array, "*#runs d d"], H: Float[Array, "*#runs d d"]) -> Float[Array, "*runs d d"]:
    """The flow's H' = -1/2 [H, [H, Sigma]]."""
    return -_bracket(H, _bracket(H, Sigma)) / 2


def optimum(Sigma: Float[Array, "*runs d d"], Omega: Float[Array, "*runs d d"]) -> Float[Array, "*runs d d"]:
    """The limit sum_i omega_i v_i v_i^T: eigenvectors v_i of Sigma in increasing order, omega in decreasing order.

    Raises:
        InvalidArgument: one of the two is not symmetric, or not finite; so do the functions below.
    """
    v = _eigh("Sigma", Sigma)[1]
    return v * _decreasing("Omega", Omega)[..., None, :] @ v.mT


def optimal_loss(Sigma: Float[Array, "*runs d d"], Omega: Float[Array, "*runs d d"]) -> Float[Array, "*runs"] | float:
    """The least loss 1/2 sum sigma_i omega_i, where one increases and the other decreases."""
    return 0.5 * (_eigh("Sigma", Sigma)[0] * _decreasing("Omega", Omega)).sum(-1)


def rates(Sigma: Float[Array, "d d"], Omega: Float[Array, "d d"]) -> Float[Array, " pairs"]:
    """Rates at the optimum: (sigma_j - sigma_i)(omega_i - omega_j) / 2, i < j, sigma increasing, omega decreasing."""
    sigma, omega = _eigh("Sigma", Sigma)[0], _decreasing("Omega", Omega)
    i, j = np.triu_indices(len(sigma), 1)
    return _gaps(sigma, j, i) * _gaps(omega, i, j) / 2


def frame_solution(
    Sigma: Float[Array, "*runs d d"], W: Float[Array, "*runs d N"], g: float, t: Float[Array, "*times"] | float
) -> Float[Array, "*batch d d"]:
    """H(t) from H(0) = W W^T with W^T W = g I, shape (*times, *runs, d, d); infinity gives the limit.

    One neuron of squared length 1 ends in the direction that the inputs have least of:

    >>> W = np.array([[0.6], [0.8]])
    >>> frame_solution(np.diag([2.0, 1.0]), W, 1.0, np.array([0.0, 1.0, np.inf]))[:, 0, 0].round(3)
    array([0.36 , 0.171, 0.   ])

    Raises:
        InvalidArgument: W^T W is not g I, no other direction is left, or W is orthogonal to one of the least
            directions of Sigma, from where the flow ends in a saddle; a negative or NaN time.
    """
    positive("g", g), entries_inside("W", W)
    N = W.shape[-1]
    if N >= W.shape[-2] or not np.allclose(W.mT @ W, g * np.eye(N), rtol=0, atol=1e-10 * g):
        reject("W^T W", "another matrix", f"{g:g} I, with fewer columns than rows")
    sigma, v = _eigh("Sigma", Sigma)
    v = v @ _facing(sigma, v.mT @ W / np.sqrt(g))
    V = v.mT @ W
    if np.linalg.svd(V[..., :N, :], compute_uv=False).min() < 1e-12 * np.sqrt(g):
        reject("W", "a frame orthogonal to one of the least directions of Sigma", "one that is not")
    slopes = np.linalg.solve(V[..., :N, :].mT, V[..., N:, :].mT).mT
    gaps = sigma[..., N:, None] - sigma[..., None, :N]
    gaps = np.where(gaps <= _rounding(sigma), 0.0, gaps)
    K = decay(g * gaps / 2, t) * slopes
    graph = np.concatenate([np.broadcast_to(np.eye(N), (*K.shape[:-2], N, N)), K], axis=-2)
    basis = v @ np.linalg.qr(graph)[0]
    return g * basis @ basis.mT


def _facing(sigma: Array, V: Array) -> Array:
    """A basis of each eigenspace, what faces the frame V most being first.

    Of equal eigenvalues any basis is an eigenbasis, but N of them at a time are not all as near to the frame.
    """
    above = sigma[..., :, None] - sigma[..., None, :]
    equal, rank = np.abs(above) <= _rounding(sigma), (above > _rounding(sigma)).sum(-1)
    return np.linalg.eigh(2 * rank[..., None] * np.eye(sigma.shape[-1]) - np.where(equal, V @ V.mT, 0.0))[1]


def _eigh(name: str, matrix: Array) -> tuple[Array, Array]:
    """Eigenvalues, increasing, and eigenvectors of a symmetric matrix."""
    entries_inside(name, matrix)
    if not (np.abs(matrix - matrix.mT) <= NOT_SYMMETRIC * np.abs(matrix).max((-2, -1), keepdims=True)).all():
        reject(name, "a matrix that differs from its transpose", "a symmetric one")
    return np.linalg.eigh(matrix)


def _decreasing(name: str, matrix: Array) -> Array:
    return _eigh(name, matrix)[0][..., ::-1]


def _gaps(values: Array, i: Array, j: Array) -> Array:
    """values_i - values_j, 0 within rounding of it."""
    gaps = values[i] - values[j]
    return np.where(np.abs(gaps) <= _rounding(values).item(), 0.0, gaps)


def _rounding(sigma: Array) -> Array:
    """Eigenvalues nearer to each other are equal; shape (*runs, 1, 1)."""
    return 10 * EPS * np.abs(sigma).max(-1)[..., None, None]


def _bracket(a: Array, b: Array) -> Array:
    return a @ b - b @ a
