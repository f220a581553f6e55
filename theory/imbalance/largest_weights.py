r"""How large weights can become, and how far they are from where they end: the second half of Theorem 1.

With the imbalance Lambda conserved, the product alone decides how large the weights are. Let lambda_k be eigenvalues in
decreasing order, 0 beyond the width, and

    above = [lambda_1(Lambda)]_+,  below = [lambda_m(-Lambda)]_+   for U1,
    above = [lambda_1(-Lambda)]_+, below = [lambda_r(Lambda)]_+    for V.

Then x = |U1|_2^2, and |V|_2^2 with its own pair, obeys (ours)

    (x - above) (x + below) <= |U1 V^T|_2^2,
    x <= (above - below + ((above + below)^2 + 4 |U1 V^T|_2^2)^(1/2)) / 2.

Proof. With G = Z Z^T the nonzero eigenvalues of Lambda are those of K = G^(1/2) J G^(1/2), r positive ones
up to `above` and m negative ones from -`below` down, if G is regular. There (x - above) (x + below) / x <= 0, so that
K - (above - below) - above below K^-1 <= 0; between two factors G^(1/2) this is

    G J G - (above - below) G - above below J <= 0,

whose block of U1, on the vector that U1^T stretches most, is the first inequality. A singular G is a limit of regular
ones. It is an equality where Lambda has no other eigenvalues than `above`, r times, and -`below`, m times: for
r = m = 1, and for orthogonal rows at the start, those of U1 of one length and those of V.

The velocity is |Z'|_F^2 <= |S E|_F^2 (|U1|_2^2 + |V|_2^2), and by Theorem 1 |E(t)|_F <= e^(-kt) |E(0)|_F,
k = lambda_r(Sigma_x) c. So the weights converge if c > 0, and what is left of their way is

    |Z(t) - Z(inf)|_F <= sigma_1 / k sup_(s >= t) (|U1|_2^2 + |V|_2^2)^(1/2) |E(0)|_F e^(-kt).
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import entries_inside, inside, positive, times
from theory.imbalance.convergence import convergence_rate, exponential_bound, imbalance_spectrum
from theory.imbalance.dynamics import residual
from theory.imbalance.one_mode import scalar_solution
from theory.imbalance.problem import Network, coordinates
from theory.imbalance.tighter_rate import side


def squared_weights(
    problem: Regression, network: Network, product: Float[Array, "*#batch"] | float
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Bounds on (|U1|_2^2, |V|_2^2) of every state with the imbalance of `network` and |U1 V^T|_2 <= `product`.

    Args:
        product: broadcasts with the runs.

    Raises:
        InvalidArgument: a product that is negative or not finite.
    """
    product = entries_inside("product", product, 0, np.inf, "[)")
    spectrum, r = imbalance_spectrum(problem, coordinates(problem, network)), problem.r
    hidden, output = np.maximum(spectrum, 0), np.maximum(-spectrum, 0)
    return (
        _larger_root(hidden[..., 0], output[..., r], product),
        _larger_root(output[..., -1], hidden[..., r - 1], product),
    )


def _larger_root(above: Array, below: Array, product: Array) -> Array:
    """Of (x - above) (x + below) = product^2."""
    return np.asarray(above + side(above + below, np.zeros_like(above), product) / 2)


def largest_product(
    problem: Regression, network: Network, t: Float[Array, "*times"] | float
) -> Float[Array, "*times_runs"]:
    """|U1 V^T|_2 <= |S^-1 y~|_2 + |E(0)|_F e^(-kt) / sigma_r from the time t onwards, shape (*times, *runs).

    Raises:
        InvalidArgument: here and below, a negative or NaN time.
    """
    reached = np.linalg.norm(problem.targets / problem.S[:, None], ord=2)
    return reached + _residual(problem, network, t) / problem.S[-1]


def distance_from_limit(
    problem: Regression,
    network: Network,
    t: Float[Array, "*times"] | float,
    *,
    largest: Float[Array, "*#times_runs"] | float | None = None,
) -> Float[Array, "*times_runs"]:
    """sigma_1 / k (|U1|_2^2 + |V|_2^2)^(1/2) |E(0)|_F e^(-kt), a bound on |Z(t) - Z(inf)|_F.

    Infinite if c = 0 < |E(0)|.

    Args:
        largest: of (|U1|_2^2 + |V|_2^2)^(1/2) from the time t onwards; by default what `squared_weights` and
            `largest_product` allow, so that nothing of the path is needed.

    Raises:
        InvalidArgument: a `largest` that is negative or not finite.
    """
    left = problem.S[0] * _residual(problem, network, t)
    if largest is None:
        hidden, output = squared_weights(problem, network, largest_product(problem, network, t))
        largest = np.sqrt(hidden + output)
    way = left * entries_inside("largest", largest, 0, np.inf, "[)")
    k = convergence_rate(problem, network) / 2
    with np.errstate(over="ignore"):
        return np.divide(way, k, out=np.where(way > 0, np.inf, 0.0), where=np.broadcast_to(k > 0, way.shape))


def growth_exponent(problem: Regression, network: Network) -> Float[Array, "*runs"]:
    """2 sigma_1 |E(0)|_F / k: log(|Z(t)|_F^2 / |Z(0)|_F^2) is at most this (Appendix C).

    It prints lambda_n for the lambda_r of k, which is 0 where n > r. Infinite if c = 0 < |E(0)|.
    """
    start = 2 * problem.S[0] * np.linalg.norm(residual(problem, coordinates(problem, network)), axis=(-2, -1))
    k = convergence_rate(problem, network) / 2
    with np.errstate(over="ignore"):
        return np.divide(start, k, out=np.where(start > 0, np.inf, 0.0), where=k > 0)


def exponent_over_growth(
    c: Float[Array, "*#modes"] | float, start: Float[Array, "*#modes"] | float, y: Float[Array, "*#modes"] | float
) -> Float[Array, "*modes"]:
    """`growth_exponent` over what |Z|^2 = (c^2 + 4 p^2)^(1/2) grows by in logarithm as p goes from `start` to y.

    Of one whitened mode, r = m = 1. It is (c^2 + 4 p^2) / (2 p c) in the limit of a short way, and so never below 2,
    its value at p = c / 2.

    Raises:
        InvalidArgument: a level c that is not above 0; start and y not both above 0, or equal.
    """
    c, start, y = np.broadcast_arrays(
        *(entries_inside(name, value, 0) for name, value in (("c", c), ("start", start), ("y", y)))
    )
    entries_inside("|y - start|", np.abs(y - start), 0)
    # log((c^2 + 4 y^2) / (c^2 + 4 p^2)) / 2, without the cancellation of a short way.
    larger, smaller = 2 * np.maximum(y, start), 2 * np.minimum(y, start)
    size = np.hypot(c, smaller)
    grown = np.log1p((larger - smaller) / size * ((larger + smaller) / size)) / 2
    return np.asarray(2 * (np.abs(y - start) / c) / grown)


def sharp_distance(
    y: float, c: Float[Array, "*#modes"] | float, sigma: float, t: Float[Array, "*times"] | float
) -> Float[Array, "*times_modes"]:
    """|Z(t) - Z(inf)|_F from orthogonal rows with |u|^2 + |v|^2 = c and one target y (closed form, ours).

    All of X's singular values are sigma, rows of U1 are orthogonal and of one length, and so are those of V; y is the
    one singular value of the targets. One pair (u, v) moves, by hyperbolic turns of angle phi, p = c / 2 sinh 2 phi:
    the distance is 2 (c cosh(phi + phi_end))^(1/2) |sinh((phi - phi_end) / 2)|.

    Raises:
        InvalidArgument: a c or sigma that is not above 0, a y that is not finite.
    """
    c, sigma, y = entries_inside("c", c, 0), positive("sigma", sigma), inside("y", y, -np.inf, np.inf, "()")
    end = y / sigma
    p = scalar_solution(end, c, 0.0, sigma * (sigma * times(t)))
    phi, phi_end = np.arcsinh(2 * p / c) / 2, np.arcsinh(2 * end / c) / 2
    return np.asarray(2 * np.sqrt(c * np.cosh(phi + phi_end)) * np.abs(np.sinh((phi - phi_end) / 2)))


def _residual(problem: Regression, network: Network, t: Array | float) -> Array:
    """|E(0)|_F e^(-kt), shape (*times, *runs)."""
    start = np.linalg.norm(residual(problem, coordinates(problem, network)), axis=(-2, -1))
    return exponential_bound(start, convergence_rate(problem, network) / 2, times(t))
