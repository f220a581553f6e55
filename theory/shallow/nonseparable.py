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
    v = 1 - cone @ nnls(cone, np.ones(n), maxiter=30 * (n + 2 * d))[0]
    # What a projection onto a cone leaves is orthogonal to it, and beyond none of its edges (Moreau 1962).
    off = 1e-10 * np.sqrt(n)
    if (v @ cone > off).any() or abs(v @ (1 - v)) > off * np.sqrt(n):
        raise Uncertified(f"nnls found no projection of 1 onto the cone of {n} examples in {d} dimensions")
    return v
