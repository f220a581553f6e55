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

# With x = 1 + a + 2 sqrt a cos(theta) every integrand is smooth and periodic, so that the trapezoidal rule converges
# geometrically: the pole of 1/x^2 at x = 0 leaves sqrt(a)^NODES.
NODES = 4096

Function = Callable[[Array], Array]


def bulk_sum(ensemble: Ensemble, f: Function) -> Array:
    """n int rho f dx: the leading term of E sum_k f(lam_k). `f` maps rates (nodes,) to (..., nodes).

    Raises:
        InvalidArgument: n = d, where the density reaches 0 and f(0) decides.
    """
    x, theta = _nodes(ensemble)
    # rho dx = (2 / pi) sin^2(theta) / x dtheta for x of aspect below 1; n and d exchange their parts where n > d.
    below = x * min(1.0, 1 / ensemble.aspect)
    return min(ensemble.n, ensemble.d) * _average(f(x) * 2 * np.sin(theta) ** 2 / below)


def edge_sum(ensemble: Ensemble, f: Function) -> Array:
    """(f(x_-) + f(x_+)) / 4 - (1 / 2 pi) int f / sqrt((x_+ - x)(x - x_-)) dx: the next term, of order 1."""
    x, _ = _nodes(ensemble)
    values = f(x)
    return (values[..., 0] + values[..., -1]) / 4 - _average(values) / 2


def expected_sum(ensemble: Ensemble, f: Function) -> Array:
    """E sum_k f(lam_k) up to O(1/d)."""
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


def _nodes(ensemble: Ensemble) -> tuple[Array, Array]:
    """Rates x(theta), theta from pi to 0, so that they increase from x_- to x_+."""
    if ensemble.n == ensemble.d:
        reject("n", ensemble.n, f"another number than d = {ensemble.d}")
    a = min(ensemble.aspect, 1 / ensemble.aspect)
    theta = np.linspace(np.pi, 0, NODES)
    return (1 + a + 2 * np.sqrt(a) * np.cos(theta)) * max(1.0, ensemble.aspect), theta


def _average(values: Array) -> Array:
    """Mean over theta in [0, pi], by the trapezoidal rule."""
    return (values[..., :-1] + values[..., 1:]).mean(-1) / 2
