"""Gradient flow of 1/2 h^2: w_l' = sigma (s - p) q_l. Reconstruction and closed forms are ours."""

import numpy as np
from jaxtyping import Float
from scipy.special import digamma, factorial, hyp2f1, poch

from theory.chain.problem import Chain, imbalance, others, product
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.imbalance.closed_forms import scalar_solution

NEWTON_STEPS = 100  # far more than a convex increasing function needs
NODES, WEIGHTS = (np.polynomial.legendre.leggauss(16)[i] for i in (0, 1))
NODES, WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2  # on [0, 1]


def velocity(chain: Chain, w: Float[Array, "*runs L"]) -> Float[Array, "*runs L"]:
    """w_l' = sigma (s - p) q_l."""
    return chain.sigma * np.expand_dims(chain.s - product(w), -1) * others(w)


def product_velocity(chain: Chain, w: Float[Array, "*runs L"]) -> Float[Array, "*runs"] | float:
    """p' = sigma (s - p) sum_l q_l^2."""
    return chain.sigma * (chain.s - product(w)) * (others(w) ** 2).sum(-1)


def two_layer_solution(
    chain: Chain, w: Float[Array, "*runs L"], t: Float[Array, "*times"] | float
) -> Float[Array, "*times_runs"]:
    """p(t) at depth 2, shape (*times, *runs): p' = sigma (s - p) (D^2 + 4 p^2)^(1/2), a mode of level |D|.

    The same equation governs one mode of a single-hidden-layer network, where it is solved; t has any shape, infinity
    included.

    >>> two_layer_solution(Chain(2.0, 2), np.ones(2), np.array([0.0, np.log(3) / 4, np.inf])).round(9).tolist()
    [1.0, 1.5, 2.0]

    Raises:
        InvalidArgument: a depth other than 2, a negative or NaN time.
    """
    if chain.L != 2:
        reject("chain.L", chain.L, "depth 2")
    level = np.abs(imbalance(w)[..., 0])
    return scalar_solution(chain.s, level, product(w), chain.sigma * np.asarray(t, dtype=np.float64))


def balanced_time(
    chain: Chain, start: Float[Array, "*#shape"] | float, p: Float[Array, "*#shape"] | float
) -> Float[Array, "*shape"] | float:
    """Time at which the product of a balanced chain, at `start` at time 0, is p; infinite at p = s, 0 at p = start.

    p' = L sigma p^(2 - 2/L) (s - p), so t = (H(p) - H(start)) / (L sigma), H' = p^(2/L - 2) / (s - p).

    Raises:
        InvalidArgument: products not above 0 or infinite, p not between the start and s (where no flow comes).
    """
    start, p = np.broadcast_arrays(np.asarray(start, dtype=np.float64), np.asarray(p, dtype=np.float64))
    on_the_way = (start > 0) & np.isfinite(start) & (np.sign(p - start) * np.sign(chain.s - p) >= 0)
    if not on_the_way.all():
        reject("p", p[~on_the_way].flat[0], f"products from the start, above 0, to s = {chain.s:g}")
    with np.errstate(divide="ignore", invalid="ignore"):
        grown, approached = np.log1p((p - start) / start), np.log1p((p - start) / (chain.s - p))
        if chain.L == 1:
            return np.where(p == start, 0.0, np.where(p == chain.s, np.inf, approached)) / chain.sigma
        far = _antiderivative(chain, p) - _antiderivative(chain, start)
        close = (np.abs(grown) < 0.5) & (np.abs(approached) < 0.5)
        # By how much log v / (s - v) grows.
        moved = np.where(close, np.log1p(chain.s / start * ((p - start) / (chain.s - p))), 0.0)
        near = _short(chain, start, moved)
    return np.where(p == start, 0.0, np.where(close, near, far)) / (chain.L * chain.sigma)


def _short(chain: Chain, start: Array, moved: Array) -> Array:
    """H(p) - H(start) = int v^(2/L - 1) / s dy, y = log v / (s - v), without a difference: by Gauss's rule."""
    y = moved[..., None] * NODES
    v = chain.s / (chain.s / start[..., None] * np.exp(-y) - np.expm1(-y))
    return moved / chain.s * (WEIGHTS * v ** (2 / chain.L - 1)).sum(-1)


def _antiderivative(chain: Chain, v: Array) -> Array:
    """H with H' = v^(e - 1) / (s - v), e = 2/L - 1: the geometric series in v/s, or s/v, integrated term by term."""
    s, e = chain.s, 2 / chain.L - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        if chain.L == 2:
            return np.where(v > s, np.log1p(s / (v - s)), np.log(v / (s - v))) / s
        small, large = np.minimum(v / s, 1), np.minimum(s / v, 1)
        below = v**e / (s * e) * _series(e, small)
        above = v ** (e - 1) / (1 - e) * _series(1 - e, large)
        # At z = 1 the series is infinite, with the sign of its factor lost.
        return np.where(v == s, np.inf, np.where(v < s, below, above))


def _series(b: float, z: Array) -> Array:
    """2F1(1, b; 1 + b; z) = sum_k b z^k / (b + k), 0 <= z <= 1.

    scipy's loses all digits next to the logarithmic singularity at z = 1 (b = 5/3, z = 0.999: wrong in the first), so
    there the expansion in 1 - z takes its place (DLMF 15.8.10), whose 20 terms leave 0.1^20.
    """
    k = np.arange(20)
    near = np.where(z > 0.9, 1 - z, 0.05)[..., None]
    weights = poch(b, k) / factorial(k)
    expansion = b * (weights * near**k * (digamma(k + 1) - digamma(b + k) - np.log(near))).sum(-1)
    return np.where(z > 0.9, expansion, hyp2f1(1, b, 1 + b, np.minimum(z, 0.9)))


def limit(chain: Chain, w: Float[Array, "*runs L"]) -> Float[Array, "*runs L"]:
    """w(infinity), any depth: w_l^2 = z + d_l with the conserved d_l = w_l^2 - min_j w_j^2 and prod (z + d_l) = s^2.

    Where p > 0 no weight crosses 0, so the signs stay. At depth 2, |w(infinity)|^2 = (D^2 + 4 s^2)^(1/2).

    Raises:
        InvalidArgument: p is not positive (a weight would cross 0), or a weight is infinite.
    """
    if not ((np.sign(w).prod(-1) > 0).all() and np.isfinite(w).all()):
        reject("product(w)", np.min(product(w)), "products above 0 of finite weights")
    size, log_s = np.abs(w), np.log(chain.s)
    least = size.min(-1, keepdims=True)
    with np.errstate(divide="ignore"):
        log_d = np.log(size - least) + np.log(size + least)
    # log prod (z + d_l) is convex and increasing in y = log z: Newton from above comes down to the root.
    y = np.full(least.shape, 2 / chain.L * log_s)
    for _ in range(NEWTON_STEPS):
        log_squares = np.logaddexp(y, log_d)
        y = y - (log_squares.sum(-1, keepdims=True) - 2 * log_s) / np.exp(y - log_squares).sum(-1, keepdims=True)
    return np.sign(w) * np.exp(np.logaddexp(y, log_d) / 2)
