"""Examples that no classifier without bias separates: the multipliers grow for ever, each at its own slope (ours).

    v = (1 - Z w_q)_+,   w_q a minimiser of the squared hinge loss 1/2 |(1 - Z w)_+|^2

is what is unavoidable of the violations, and Z^T v = 0. Along the Minnorm flow v . lambda' >= b |v|^2 at all times
(v . (1 - Z w) = v . 1 = |v|^2 for every w, and holding multipliers at 0 only adds), so lambda diverges at least
linearly; lambda' -> b v, and w converges to a minimiser of the squared hinge loss.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

from theory.core.arrays import Array
from theory.core.separable import Uncertified
from theory.core.validation import finite_matrix

NEWTON_STEPS = 30


def unavoidable_violations(Z: Float[Array, "n d"]) -> Float[Array, " n"]:
    """v, by nnls: |(1 - Z w)_+| = min over s >= 0 of |1 - Z w + s|, so v is what is left of 1 when its projection onto
    the cone {Z p - Z q - s: p, q, s >= 0} is taken away. Zero iff the examples are separable.

    Units do not matter: Z, or any of its columns, times a number has the same v.

    Raises:
        InvalidArgument: Z is no finite matrix.
        Uncertified: the solver's answer is no projection.
    """
    Z = finite_matrix("Z", Z)
    n, d = Z.shape
    lengths = np.hypot.reduce(Z, axis=0)
    columns = Z / np.where(lengths > 0, lengths, 1)
    cone = np.hstack([columns, -columns, -np.eye(n)])
    shares = nnls(cone, np.ones(n), maxiter=30 * (n + 2 * d))[0]
    v, w = 1 - cone @ shares, shares[:d] - shares[d : 2 * d]
    for _ in range(NEWTON_STEPS):
        if _left_by_projection(v, cone):
            return v
        # nnls stops early where rows repeat: Newton's method on the squared hinge loss goes on from there.
        hinge = (1 - columns @ w).clip(0)
        w = w + np.linalg.lstsq(columns[hinge > 0], hinge[hinge > 0])[0]
        v = (1 - columns @ w).clip(0)
    raise Uncertified(f"nnls found no projection of 1 onto the cone of {n} examples in {d} dimensions")


def _left_by_projection(v: Array, cone: Array) -> bool:
    """What a projection of 1 onto a cone leaves is orthogonal to it, and beyond none of its edges (Moreau 1962)."""
    off = 1e-10 * np.sqrt(len(v))
    return bool((v @ cone <= off).all() and abs(v @ (1 - v)) <= off * np.sqrt(len(v)))
