r"""All critical points of the Procrustes loss in a component of O(d), and how many directions lead down from each.

With M = P diag(s) Q^T, |s| distinct and not 0, they are R = P diag(e) Q^T, e in {-1, 1}^d with prod e = 1: R^T M must
be symmetric, its square is Q diag(s^2) Q^T, and distinct |s| leave it nothing but signs. About each of them the flow
is linear in Cayley's coordinates, A_ij' = -(e_i s_i + e_j s_j) / 2 A_ij, so that the sign of i decides for all j > i:

    index = sum_{i: e_i s_i < 0} (d - i),    sum_e z^index = prod_{k < d} (1 + z^k).

The right-hand side is the Poincare polynomial of SO(d) modulo 2: the loss has no critical point more than it must.
"""

from itertools import product

import numpy as np
from jaxtyping import Float, Int

from theory.core.arrays import Array
from theory.core.validation import inside, positive_integer, reject
from theory.orthogonal.procrustes import Component

LARGEST = 20  # dimension of which the half million points are still listed


def signs(d: int) -> Float[Array, "points d"]:
    """The 2^(d-1) vectors e of signs with product 1, that of the optimum first; d <= 20."""
    inside("d", positive_integer("d", d), 1, LARGEST)
    every = np.array(list(product((1.0, -1.0), repeat=d)))
    return every[every.prod(-1) == 1]


def critical_points(chart: Component) -> Float[Array, "points d d"]:
    """Critical points R = P diag(e) Q^T, one for each of `signs`.

    Raises:
        InvalidArgument: a batch of runs, or singular values of which two are equal or one is 0.
    """
    _require_isolated(chart)
    return chart.P * signs(len(chart.s))[:, None, :] @ chart.Q.mT


def spectrum(chart: Component) -> Float[Array, "points pairs"]:
    """Rates (e_i s_i + e_j s_j) / 2, i < j, of the flow about each critical point, increasing; negative if away.

    Raises:
        InvalidArgument: a batch of runs.
    """
    _require_one(chart)
    signed = signs(len(chart.s)) * chart.s
    i, j = np.triu_indices(len(chart.s), 1)
    return np.sort((signed[:, i] + signed[:, j]) / 2, axis=-1)


def index(chart: Component) -> Int[Array, " points"]:
    """How many directions descend from each critical point: sum_{i: e_i s_i < 0} (d - i).

    Raises:
        InvalidArgument: see `critical_points`: where two |s| are equal, some directions go neither up nor down.
    """
    _require_isolated(chart)
    d = len(chart.s)
    return ((signs(d) * chart.s < 0) * np.arange(d - 1, -1, -1)).sum(-1)


def excess_loss(chart: Component) -> Float[Array, " points"]:
    """Height of each critical point above the optimum: sum_i s_i (1 - e_i).

    Raises:
        InvalidArgument: a batch of runs.
    """
    _require_one(chart)
    return ((1 - signs(len(chart.s))) * chart.s).sum(-1)


def poincare_polynomial(d: int) -> Int[Array, " degrees"]:
    """Coefficients of prod_{k=1}^{d-1} (1 + z^k), degree 0 first: how many critical points have each index.

    Raises:
        InvalidArgument: d outside 1 ... 63: beyond, the 2^(d-1) points are more than an integer counts.
    """
    inside("d", positive_integer("d", d), 1, 63)
    coefficients = np.array([1])
    for k in range(1, d):
        coefficients = np.convolve(coefficients, [1, *[0] * (k - 1), 1])
    return coefficients


def _require_one(chart: Component) -> None:
    if chart.s.ndim != 1:
        reject("chart.s.shape", chart.s.shape, "(d,), the singular values of one problem")


def _require_isolated(chart: Component) -> None:
    _require_one(chart)
    sizes = np.append(np.abs(chart.s), 0.0)
    if (np.diff(sizes) > -1e-12 * sizes[0]).any() or sizes[0] == 0:
        reject("chart.s", chart.s, "distinct singular values (d,), none 0, or the critical points are not isolated")
