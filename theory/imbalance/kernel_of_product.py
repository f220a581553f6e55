r"""Where the imbalance is lam I, the Gram matrices, and so the kernel, are functions of the product p = U1 V^T.

h = min(r, m), U1^T U1 - V^T V = lam I. From p p^T = (U1 U1^T)^2 - lam U1 U1^T, on the singular directions of p,

    U1 U1^T = lam/2 + (lam^2/4 + p p^T)^(1/2),        V V^T = -lam/2 + (lam^2/4 + p^T p)^(1/2)

(h = r = m: everywhere). The kernel of the outputs in the basis W of the data is, for whitened data,

    K = U1 U1^T (x) I_m + I_r (x) V V^T,

and as |lam| grows it moves less, by a law in which the sign of lam has no part:

    |lam| (K(t) - K(0)) -> (p p^T - p_0 p_0^T) (x) I_m + I_r (x) (p^T p - p_0^T p_0),      off by O(lam^-2) of itself.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import SQUARABLE, Array
from theory.core.validation import entries_inside, inside


def hidden_gram(p: Float[Array, "*runs r m"], lam: float) -> Float[Array, "*runs r r"]:
    """U1 U1^T = lam/2 + (lam^2/4 + p p^T)^(1/2) on the left singular directions of p, 0 across them.

    Raises:
        InvalidArgument: here and below, numbers that are not finite, or so large that squares overflow.
    """
    outputs, sigma, _ = _svd(p)
    return _spectral(outputs, _root(sigma, lam))


def output_gram(p: Float[Array, "*runs r m"], lam: float) -> Float[Array, "*runs m m"]:
    """V V^T = -lam/2 + (lam^2/4 + p^T p)^(1/2) on the right singular directions of p, 0 across them."""
    _, sigma, inputs = _svd(p)
    return _spectral(inputs.mT, _root(sigma, -inside("lam", lam, -SQUARABLE, SQUARABLE, "[]")))


def kernel(hidden: Float[Array, "*runs r r"], output: Float[Array, "*runs m m"]) -> Float[Array, "*runs rm rm"]:
    """hidden (x) I_m + I_r (x) output: of the Gram matrices the kernel of the outputs, input by input."""
    hidden, output = entries_inside("hidden", hidden), entries_inside("output", output)
    return _kronecker(hidden, np.eye(output.shape[-1])) + _kronecker(np.eye(hidden.shape[-1]), output)


def movement(start: Float[Array, "*#runs r m"], p: Float[Array, "*#runs r m"]) -> Float[Array, "*runs rm rm"]:
    """Limit of |lam| (K - K_0) where p_0 has become p: (p p^T - p_0 p_0^T) (x) I + I (x) (p^T p - p_0^T p_0)."""
    start, p = (entries_inside(name, x, -SQUARABLE, SQUARABLE, "[]") for name, x in (("start", start), ("p", p)))
    return kernel(p @ p.mT - start @ start.mT, p.mT @ p - start.mT @ start)


def squared_norm(hidden: Float[Array, "*runs r r"], output: Float[Array, "*runs m m"]) -> Float[Array, "*runs"] | float:
    """|hidden (x) I_m + I_r (x) output|^2 = m |hidden|^2 + r |output|^2 + 2 tr hidden tr output."""
    hidden, output = (
        entries_inside(name, x, -SQUARABLE, SQUARABLE, "[]") for name, x in (("hidden", hidden), ("output", output))
    )
    squares = [np.square(x).sum((-2, -1)) for x in (hidden, output)]
    traces = [np.trace(x, axis1=-2, axis2=-1) for x in (hidden, output)]
    return output.shape[-1] * squares[0] + hidden.shape[-1] * squares[1] + 2 * traces[0] * traces[1]


def _svd(p: Array) -> tuple[Array, Array, Array]:
    return np.linalg.svd(entries_inside("p", p, -SQUARABLE, SQUARABLE, "[]"), full_matrices=False)


def _root(sigma: Array, lam: float) -> Array:
    """lam/2 + (lam^2/4 + sigma^2)^(1/2); for lam < 0 without its cancellation."""
    half = abs(inside("lam", lam, -SQUARABLE, SQUARABLE, "[]")) / 2
    larger = half + np.hypot(half, sigma)
    if lam >= 0:
        return larger
    return sigma * np.divide(sigma, larger, out=np.zeros_like(sigma), where=larger > 0)


def _spectral(vectors: Array, values: Array) -> Array:
    return (vectors * values[..., None, :]) @ vectors.mT


def _kronecker(A: Array, B: Array) -> Array:
    """A (x) B of stacks of square matrices."""
    product = np.einsum("...ij,...kl->...ikjl", A, B)
    size = A.shape[-1] * B.shape[-1]
    return product.reshape(*product.shape[:-4], size, size)
