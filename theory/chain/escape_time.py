r"""How long a small chain of three or four weights takes to leave the saddle at 0: an elliptic integral (ours).

Gradient flow keeps w_i^2 - w_j^2, so that w_l(t)^2 = w_l^2 + z and p = prod (w_l^2 + z)^(1/2), z' = 2 sigma (s - p) p:

    t = int_0^z dz / (2 sigma (s - p) p) = (1 / (2 sigma s)) (int_0^z dz / p + int_0^z dz / (s - p)).

The first integral, from 0 to infinity, is 2 R of `elliptic`, and all that tells weights apart while they are small.
With the mean square m = sum w_l^2 / L the rest is that of weights which are all alike, up to m^2: z + m in place of z
leaves no term of first order in w_l^2 - m. So a small chain is later than the balanced one of the same norm by

    (R(w) - R(m^(1/2), ..., m^(1/2))) / (sigma s) + O(m^2),

at every product that is not small, and R is least where all weights are alike. In full, at half the target,

    t = (R + c_L - m / (2 s)) / (sigma s) + O(m^2),
    c_L = [int_0^(z_h) dz / (s - z^(L/2)) - z_h^(1 - L/2) / (L/2 - 1)] / 2,    z_h = (s / 2)^(2/L).
"""

import numpy as np
from jaxtyping import Float
from scipy.special import elliprf

from theory.chain.gradient_flow import balanced_time
from theory.chain.problem import Chain
from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, reject

LARGEST = 1e50  # of weights, and the inverse of the smallest: their fourth powers are floats
DEPTHS = (3, 4)


def elliptic(w: Float[Array, "*runs L"]) -> Float[Array, "*runs"] | float:
    """R(w) = 1/2 int_0^infinity dz / prod (w_l^2 + z)^(1/2), Carlson's R_F (DLMF 19.16.1, 19.29.19).

    Of three weights R_F(w_1^2, w_2^2, w_3^2); of four, of the squares of w_1 w_2 + w_3 w_4, w_1 w_3 + w_2 w_4 and
    w_1 w_4 + w_2 w_3. Finite where one weight is 0, infinite where two are: they never leave.

    >>> elliptic(np.array([[0.1, 0.1, 0.1], [0.02, 0.1, 0.139], [0.0, 0.0, 0.1]])).round(2).tolist()
    [10.0, 11.97, inf]

    Raises:
        InvalidArgument: another number of weights, or one other than 0 and not in [1e-50, 1e50].
    """
    w = entries_inside("w", w, 0, LARGEST, "[]")
    if w.shape[-1:] not in ((3,), (4,)):
        reject("w.shape", w.shape, "(*runs, 3) or (*runs, 4)")
    inside("smallest weight above 0", w.min(initial=LARGEST, where=w > 0), 1 / LARGEST, LARGEST)
    a, b, c = np.moveaxis(w[..., :3], -1, 0)
    if w.shape[-1] == 4:
        d = w[..., 3]
        a, b, c = a * b + c * d, a * c + b * d, a * d + b * c
    # Homogeneous: in units of the largest, so that no square is too small to be a number.
    unit = np.maximum(np.maximum(a, b), c)
    unit = np.where(unit > 0, unit, 1.0)
    return elliprf((a / unit) ** 2, (b / unit) ** 2, (c / unit) ** 2) / unit


def escape_time(
    chain: Chain, w: Float[Array, "*#shape L"], share: Float[Array, "*#shape"] | float = 0.5
) -> Float[Array, "*shape"] | float:
    """When the product of a small chain passes this share of s, off by the order of the fourth power of its weights.

    In units step x learning rate; infinite where two weights are 0, and at share = 1.

    Raises:
        InvalidArgument: a depth other than 3 and 4, weights below 0, or so large that a balanced chain of the same
            norm is past this share already; a share not in (0, 1]; see also `elliptic`.
    """
    if chain.L not in DEPTHS:
        reject("chain.L", chain.L, "depth 3 or 4")
    if w.shape[-1:] != (chain.L,):
        reject("w.shape", w.shape, f"(*shape, {chain.L})")
    R = elliptic(w)
    p = chain.s * entries_inside("share", share, 0, 1, "(]")
    alike = np.sqrt((w**2).mean(-1, keepdims=True)) * np.ones(chain.L)
    if not ((alike > 0).all() and (alike.prod(-1) <= p).all()):
        reject("w", w, f"small weights, not all 0: of mean square at most {np.min(p) ** (2 / chain.L):.3g}")
    return balanced_time(chain, alike.prod(-1), p) + (R - elliptic(alike)) / (chain.sigma * chain.s)
