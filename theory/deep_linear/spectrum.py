r"""The law of the rates lam_k, the min(n, d) nonzero eigenvalues of X X^T with entries N(0, 1/d).

As d grows at fixed a = n / d < 1 they fill [x_-, x_+] = [(1 - sqrt a)^2, (1 + sqrt a)^2] with Marchenko & Pastur's
density rho(x) = sqrt((x_+ - x)(x - x_-)) / (2 pi a x), and for smooth f

    E sum_k f(lam_k) = n int rho f dx + (f(x_-) + f(x_+)) / 4 - 1/(2 pi) int f(x) / sqrt((x_+ - x)(x - x_-)) dx + O(1/d)

(Bai & Silverstein 2004, equation 5.13, real Gaussian entries). More examples than inputs, n > d: the same law for the
transpose, whose eigenvalues are lam d / n, of aspect d / n.
"""

from collections.abc import Callable

import numpy as np

from theory.core.arrays import Array
from theory.core.validation import reject
from theory.deep_linear.problem import Ensemble

# Panels of x = 1 + a + 2 sqrt a cos(theta), halved again and again towards either edge, with Gauss's rule on each: near
# n = d everything happens at x ~ (1 - a)^2, and at late times at the lower edge.
HALVINGS = 50
GAUSS, WEIGHTS = np.polynomial.legendre.leggauss(32)

Function = Callable[[Array], Array]


def bulk_sum(ensemble: Ensemble, f: Function) -> Array:
    """n int rho f dx: the leading term of E sum_k f(lam_k). `f` maps rates (nodes,) to (..., nodes).

    Raises:
        InvalidArgument: n = d, where the density reaches 0 and f(0) decides.
    """
    x, theta, weights = _nodes(ensemble)
    # rho dx = (2 / pi) sin^2(theta) / x dtheta for x of aspect below 1; n and d exchange their parts where n > d.
    below = x * min(1.0, 1 / ensemble.aspect)
    return min(ensemble.n, ensemble.d) * (f(x) * 2 * np.sin(theta) ** 2 / below * weights).sum(-1)


def edge_sum(ensemble: Ensemble, f: Function) -> Array:
    """(f(x_-) + f(x_+)) / 4 - (1 / 2 pi) int f / sqrt((x_+ - x)(x - x_-)) dx: the next term, of order 1."""
    x, _, weights = _nodes(ensemble)
    values = f(x)
    return (values[..., 0] + values[..., -1]) / 4 - (values * weights).sum(-1) / 2


def expected_sum(ensemble: Ensemble, f: Function) -> Array:
    """E sum_k f(lam_k) up to O(1/d), for f that change little over x ~ (1 - n / d)^2, the lower edge near n = d."""
    return bulk_sum(ensemble, f) + edge_sum(ensemble, f)


def expected_inverse_sum(ensemble: Ensemble) -> float:
    """E sum_k 1 / lam_k = d min(n, d) / (|d - n| - 1): the trace of an inverse Wishart matrix, exact at every size.

    Raises:
        InvalidArgument: n within one of d, where the mean is infinite.
    """
    gap = abs(ensemble.d - ensemble.n) - 1
    if gap <= 0:
        reject("n", ensemble.n, f"more than one away from d = {ensemble.d}: the mean is infinite there")
    return ensemble.d * min(ensemble.n, ensemble.d) / gap


def _nodes(ensemble: Ensemble) -> tuple[Array, Array, Array]:
    """Rates x(theta) from x_- to x_+, both included; pi - theta; and weights of the mean over theta in [0, pi]."""
    if ensemble.n == ensemble.d:
        reject("n", ensemble.n, f"another number than d = {ensemble.d}")
    small, large = sorted((ensemble.n, ensemble.d))
    root = np.sqrt(small / large)
    half = np.append(0.0, np.pi / 2 * 0.5 ** np.arange(HALVINGS, -1, -1))
    width = np.diff(half)[:, None] / 2
    angle = (half[:-1, None] + width * (1 + GAUSS)).ravel()  # in [0, pi / 2]; the other half mirrors it
    weights = (width * WEIGHTS).ravel() / np.pi
    ends, mirrored = np.array([0.0]), slice(None, None, -1)
    from_lower = np.concatenate([ends, angle, np.pi - angle[mirrored], ends + np.pi])
    both = np.concatenate([ends, weights, weights[mirrored], ends])
    # 1 + a - 2 sqrt a cos, without the cancellation at x_- = (1 - sqrt a)^2.
    lowest = (large - small) / large / (1 + root)
    x = (lowest**2 + 4 * root * np.sin(from_lower / 2) ** 2) * max(1.0, ensemble.aspect)
    return x, from_lower, both
