r"""The rate with the margin term (Min, Tarmoun, Vidal, Mallada 2022): a start near the target helps the imbalance.

With lambda_k eigenvalues and sigma_k singular values in decreasing order, 0 beyond the smaller dimension, Lambda the
imbalance and c of Theorem 1 written Delta:

    Delta+ = [lambda_1(Lambda)]_+  - [lambda_r(Lambda)]_+      Delta- = [lambda_1(-Lambda)]_+ - [lambda_m(-Lambda)]_+
    Delta  = [lambda_r(Lambda)]_+  + [lambda_m(-Lambda)]_+

    B(sigma_m, sigma_r) = - Delta+ + sqrt((Delta+ + Delta)^2 + 4 sigma_m^2)
                          - Delta- + sqrt((Delta- + Delta)^2 + 4 sigma_r^2)

    Proposition 1'   -d/dt log(L - L*) >= lambda_r(Sigma_x) B,  sigma_k of U1 V^T; attained when r != m (Proposition 14)
    Theorem 3        the same with sigma_k replaced by the margin [sigma_k(y~) - |E|]_+ / lambda_1(Sigma_x)^(1/2),
                     which can only grow: L(t) - L* <= exp(-lambda_r(Sigma_x) c(0) t) (L(0) - L*), c(0) >= 2 Delta
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import entries_inside, inside, positive, positive_integer, reject, times
from theory.imbalance.convergence import exponential_bound, imbalance_spectrum
from theory.imbalance.dynamics import excess_loss, residual, split
from theory.imbalance.problem import Network


def singular_value(matrix: Float[Array, "*runs rows columns"], k: int) -> Float[Array, "*runs"]:
    """sigma_k, k = 1, 2, ..., in decreasing order; 0 beyond the smaller dimension.

    Raises:
        InvalidArgument: a k below 1, an entry that is not finite.
    """
    matrix = entries_inside("matrix", matrix)
    if positive_integer("k", k) > min(matrix.shape[-2:]):
        return np.zeros(matrix.shape[:-2])
    return np.linalg.svd(matrix, compute_uv=False)[..., k - 1]


def smallest_gram_eigenvalue(D: Float[Array, "*runs h h"], product: Float[Array, "*runs r m"]) -> Float[Array, "*runs"]:
    """Lower bound on lambda_m(B^T B) for every A (r, h), B (h, m) with A^T A - B B^T = D and A B = product (Lemma 8).

    It is the larger root of (x + above)(x - below) = sigma_m(A B)^2, above = [lambda_1(D)]_+, below = [lambda_m(-D)]_+.

    Raises:
        InvalidArgument: a number that is not finite.
    """
    m, h = product.shape[-1], D.shape[-1]
    eigenvalues = np.linalg.eigvalsh(entries_inside("D", D))
    above = np.maximum(eigenvalues[..., -1], 0)
    below = np.maximum(-eigenvalues[..., m - 1], 0) if m <= h else np.zeros_like(above)
    return _larger_root(above, below, singular_value(product, m))


def spreads(
    problem: Regression, Z: Float[Array, "*runs m_plus_r h"]
) -> tuple[Float[Array, "*runs"], Float[Array, "*runs"], Float[Array, "*runs"]]:
    """(Delta+, Delta-, Delta): how far the imbalance is from homogeneous on either side, and its level c."""
    spectrum = imbalance_spectrum(problem, Z)
    hidden, output = np.maximum(spectrum, 0), np.maximum(-spectrum, 0)
    r = problem.r
    plus = hidden[..., 0] - hidden[..., r - 1]
    minus = output[..., -1] - output[..., r]
    return plus, minus, hidden[..., r - 1] + output[..., r]


def level(
    problem: Regression,
    Z: Float[Array, "*runs m_plus_r h"],
    sigma_m: Float[Array, "*#runs"],
    sigma_r: Float[Array, "*#runs"],
) -> Float[Array, "*runs"]:
    """B(sigma_m, sigma_r) with the imbalance of Z: at least 2 Delta, its value where both vanish."""
    plus, minus, delta = spreads(problem, Z)
    return side(plus, delta, sigma_m) + side(minus, delta, sigma_r)


def side(spread: Float[Array, "*#runs"], delta: Float[Array, "*#runs"], sigma: Float[Array, "*#runs"]) -> Array:
    """One of the two sides of B: -spread + sqrt((spread + delta)^2 + 4 sigma^2), without its cancellation.

    Raises:
        InvalidArgument: a number that is not finite, or negative.
    """
    spread, delta, sigma = (
        entries_inside(name, value, 0, np.inf, "[)")
        for name, value in (("spread", spread), ("delta", delta), ("sigma", sigma))
    )
    root = np.hypot(spread + delta, 2 * sigma)
    total = np.where(root > 0, root + spread, 1.0)
    return delta * (2 * (spread / total) + delta / total) + 4 * sigma * (sigma / total)


def product_rate(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs"]:
    """lambda_r(Sigma_x) B at sigma_k(U1 V^T): lower bound on -d/dt log(L - L*) at the state Z (Proposition 1')."""
    V, U1 = split(problem, Z)
    product = U1 @ V.mT
    sigma_m, sigma_r = (singular_value(product, k) for k in (problem.m, problem.r))
    return problem.S[-1] * (problem.S[-1] * level(problem, Z, sigma_m, sigma_r))


def margin(problem: Regression, Z: Float[Array, "*runs m_plus_r h"], k: int) -> Float[Array, "*runs"]:
    """[sigma_k(y~) - |E|_F]_+ / lambda_1(Sigma_x)^(1/2) <= sigma_k(U1 V^T), non-decreasing along the flow."""
    size = np.linalg.norm(residual(problem, Z), axis=(-2, -1))
    return np.maximum(singular_value(problem.targets, k) - size, 0) / problem.S[0]


def margin_rate(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs"]:
    """lambda_r(Sigma_x) c, c = B at the margins of Z: lower bound on the rate of L - L* from Z onwards (Theorem 3)."""
    sigma_m, sigma_r = (margin(problem, Z, k) for k in (problem.m, problem.r))
    return problem.S[-1] * (problem.S[-1] * level(problem, Z, sigma_m, sigma_r))


def limiting_rate(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs"]:
    """What `margin_rate` tends to as the loss vanishes: the margins are sigma_k(y~) / sigma_1(X) (equation 22)."""
    sigma_m, sigma_r = (
        np.broadcast_to(singular_value(problem.targets, k) / problem.S[0], Z.shape[:-2]) for k in (problem.m, problem.r)
    )
    return problem.S[-1] * (problem.S[-1] * level(problem, Z, sigma_m, sigma_r))


def loss_bound(
    problem: Regression, Z: Float[Array, "*runs m_plus_r h"], t: Float[Array, "*times"]
) -> Float[Array, "*times_runs"]:
    """exp(-lambda_r(Sigma_x) c t) (L - L*), a bound on L - L* at time t after the state Z (Theorem 3).

    Returns:
        Shape (*times, *runs), t in units step x learning rate.

    Raises:
        InvalidArgument: a negative or NaN time.
    """
    return exponential_bound(excess_loss(problem, Z), margin_rate(problem, Z), t)


def restarted_exponent(
    problem: Regression, Z: Float[Array, "*times_runs m_plus_r h"], t: Float[Array, " times"]
) -> Float[Array, "*times_runs"]:
    """q(t_k) = sum over j < k of lambda_r(Sigma_x) c(t_j) (t_{j+1} - t_j): L(t_k) - L* <= exp(-q) (L(t_0) - L*).

    Theorem 3 restarted at every recorded state (Corollary 6): tighter, as c only grows. Z has the times first.

    Raises:
        InvalidArgument: times that are not finite and in increasing order, or not as many as states.
    """
    t = times(t)
    if t.shape != Z.shape[:1] or not np.isfinite(t).all() or (np.diff(t) < 0).any():
        reject("t", t if t.size < 8 else f"{t.size} times", f"{len(Z)} finite times in increasing order, one a state")
    rate = margin_rate(problem, Z)
    steps = np.diff(t).reshape(-1, *[1] * (rate.ndim - 1))
    return np.concatenate([np.zeros_like(rate[:1]), np.cumsum(rate[:-1] * steps, axis=0)])


def equality_case(
    rng: np.random.Generator,
    *,
    S: Float[Array, " r"],
    m: int,
    above: float,
    below: float,
    products: Float[Array, " k"],
    extra: Float[Array, " gap"],
    residual_size: float,
) -> tuple[Regression, Network]:
    """A problem and a start (one run, width m + r) where Proposition 1' holds with equality (Proposition 14).

    Row i of U1 and row i of V span a plane of their own, i = 1 ... k = min(r, m), with inner product products[i] and
    imbalance eigenvalues `above` and -`below` in every plane; the |r - m| rows left over, on whichever side has them,
    are orthogonal to everything, of squared length `extra`. The residual, of norm `residual_size`, sits where the
    decrease is slowest.

    Args:
        S: singular values of X, decreasing, shape (r,).
        products: decreasing for the equality of Proposition 1'; any order is a valid start.
        extra: decreasing, at most `above` (r > m) or `below` (r < m).

    Raises:
        InvalidArgument: a size that is not positive, `extra` out of range, or counts that do not fit r and m.
    """
    for i, value in enumerate(S):
        positive(f"S[{i}]", value)
    positive("above", above)
    positive("below", below)
    positive("residual_size", residual_size)
    r, k = len(S), min(len(S), m)
    if len(products) != k or len(extra) != abs(r - m):
        reject("products, extra", (len(products), len(extra)), f"min(r, m) = {k} and |r - m| = {abs(r - m)} values")
    for value in extra:
        inside("extra", value, 0, above if r > m else below)
    p = np.asarray(products, dtype=np.float64)
    output = _larger_root(np.full(k, above), np.full(k, below), p)
    hidden = output + above - below
    Z1, Z2 = np.zeros((r, m + r)), np.zeros((m, m + r))
    planes = np.arange(k)
    Z2[planes, planes] = np.sqrt(output)
    Z1[planes, planes] = p / np.sqrt(output)
    Z1[planes, k + planes] = np.sqrt(hidden - p**2 / output)
    longer = Z1 if r > m else Z2
    longer[np.arange(k, max(r, m)), np.arange(2 * k, m + r)] = np.sqrt(np.asarray(extra, dtype=np.float64))
    W, Phi1 = (np.linalg.qr(rng.standard_normal((size, r)))[0] for size in (r + 2, r + 3))
    targets = np.asarray(S)[:, None] * (Z1 @ Z2.T)
    targets[r - 1, np.argmin((Z2**2).sum(1))] += residual_size
    # Y has a part that no linear map of X reaches, so that L* is not 0 and its treatment is tested too.
    beyond = rng.standard_normal((r + 2, m))
    Y = W @ targets + 0.1 * (beyond - W @ (W.T @ beyond))
    rotation = np.linalg.qr(rng.standard_normal((m + r, m + r)))[0]
    return Regression((W * np.asarray(S)) @ Phi1.T, Y), Network((Phi1 @ Z1 @ rotation)[None], (Z2 @ rotation)[None])


def _larger_root(above: Array, below: Array, sigma: Array) -> Array:
    """Of (x + above)(x - below) = sigma^2: x - below is half of a `side` of spread above + below."""
    return below + side(above + below, np.zeros_like(sigma), sigma) / 2
