"""The kernel of the pseudo-network, which polynomials are in its space, and networks of finite width.

The pseudo-network g(x) = sum_r a_r (w_r - w_r(0)) . x 1{w_r(0) . x + b_r >= 0} is linear in the weights. Its kernel is
m^(1/3) times kappa, whose biases make the odd degrees; `bias` is m times their variance, 1 as the paper has it.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

from theory.core.arrays import EPS, SQUARABLE, Array
from theory.core.validation import entries_inside, finite_matrix, inside, positive, positive_integer, reject

LARGEST = 1e35  # of inputs and coefficients, which are multiplied with each other four times
LONGEST = 1e6  # standard deviations of biases, squared: beyond, all neurons see the same


def kappa(t: Float[Array, "*shape"] | float, bias: float = 1.0) -> Float[Array, "*shape"]:
    """t (pi - arccos((t + bias) / (1 + bias))) / (2 pi), t = <x, x'> of inputs of length 1.

    Raises:
        InvalidArgument: an inner product outside [-1, 1], a bias outside [0, 1e6].
    """
    t, bias = entries_inside("t", t, -1, 1, "[]"), _bias(bias)
    # arccos((t + b) / (1 + b)) from the half-angle: exact near t = 1.
    turn = 2 * np.arctan2(np.sqrt(1 - t), np.sqrt(1 + t + 2 * bias))
    return t * (np.pi - turn) / (2 * np.pi)


def coefficients(count: int, bias: float = 1.0, slope: float = 1.0, offset: float = 0.0) -> Float[Array, " count"]:
    """Of 1, s, s^2, ... in kappa(slope s + offset): all that is in the space has sum_j q_j^2 / b_j finite (ours).

    With bias 0 only the degree 1 and even degrees have any, at offset 0. With biases all degrees from 1 on have, and
    with a coordinate that is always 1/2, for which s = <x, x'> of the free coordinates scaled to length 1, slope 3/4
    and offset 1/4, the constant too.

    P(s)^(-1/2), P = (1 + b)^2 - (t + b)^2, solves P y' = -P' y / 2, and the angle of kappa is its integral.

    Raises:
        InvalidArgument: a count that is no whole number of at least 1, a bias outside [0, 1e6], a slope outside (0, 1],
            an offset outside [0, 1 - slope].
    """
    count, b = positive_integer("count", count), _bias(bias)
    a = inside("slope", slope, 0, 1, "(]")
    c = min(inside("offset", offset, 0, 1 - a + EPS), 1 - a)
    p0, p1, p2 = (1 - c) * (1 + c + 2 * b), -2 * a * (c + b), -(a**2)
    if not p0 > 0:
        reject("slope", slope, "a number above 0 beside this offset")
    y = np.zeros(count)
    y[0] = p0**-0.5
    for k in range(count - 1):
        before = y[k - 1] if k else 0.0
        y[k + 1] = -(p1 * (k + 0.5) * y[k] + p2 * k * before) / (p0 * (k + 1))
    chance = np.zeros(count)
    chance[0] = 0.25 + np.arcsin((c + b) / (1 + b)) / (2 * np.pi)
    chance[1:] = a * y[:-1] / np.arange(1, count) / (2 * np.pi)
    return c * chance + a * np.append(0.0, chance[:-1])


def squared_norm(q: Float[Array, " count"], b: Float[Array, " count"]) -> float:
    """sum_j q_j^2 / b_j, of the polynomial sum_j q_j <x_i, x>^j in the space; infinite where a needed b_j is 0.

    Raises:
        InvalidArgument: coefficients that are not finite or of different numbers, a b_j below 0.
    """
    q, b = entries_inside("q", q, -SQUARABLE, SQUARABLE, "[]"), entries_inside("b", b, 0, np.inf, "[)")
    if q.shape != b.shape:
        reject("b.shape", b.shape, f"that of q, {q.shape}")
    with np.errstate(divide="ignore", over="ignore"):
        return float(np.sum(np.divide(q**2, b, out=np.where(q == 0, 0.0, np.inf), where=b > 0)))


def seen_by_both(X: Float[Array, "n d"], Z: Float[Array, "k d"], bias: float = 1.0) -> Float[Array, "n k"]:
    """P(w . x + b >= 0 and w . z + b >= 0) = (pi - angle) / (2 pi), the angle between (x, b) and (z, b).

    Raises:
        InvalidArgument: no finite matrices of one number of columns, a bias outside [0, 1e6], a row without direction.
    """
    return (np.pi - _angles(_with_bias("X", X, bias), _with_bias("Z", Z, bias))) / (2 * np.pi)


def gram(X: Float[Array, "n d"], Z: Float[Array, "k d"], bias: float = 1.0) -> Float[Array, "n k"]:
    """<x, z> P(both seen): kappa of inputs of length 1, and of others."""
    return finite_matrix("X", X) @ finite_matrix("Z", Z).T * seen_by_both(X, Z, bias)


def sampling_variance(
    x: Float[Array, "k d"], X: Float[Array, "n d"], alpha: Float[Array, " n"], bias: float = 1.0
) -> Float[Array, " k"]:
    """m Var sum_i alpha_i K_m(X_i, x) of the kernel K_m of m random neurons, at every width (ours).

    The variance over neurons of sum_i alpha_i x . X_i 1{X_i seen} 1{x seen}; three half-spaces meet with probability
    (2 pi - the three angles) / (4 pi).

    Raises:
        InvalidArgument: see `seen_by_both`; alpha that is not (n,) numbers, one of these beyond 1e35.
    """
    at, data = _with_bias("x", x, bias), _with_bias("X", X, bias)
    alpha = entries_inside("alpha", alpha, -LARGEST, LARGEST, "[]")
    if alpha.shape != (len(data),):
        reject("alpha.shape", alpha.shape, f"({len(data)},)")
    pushes = finite_matrix("x", x) @ finite_matrix("X", X).T * alpha
    here, between = _angles(at, data), _angles(data, data)
    meet = (2 * np.pi - here[:, :, None] - here[:, None] - between) / (4 * np.pi)
    mean = np.sum(pushes * (np.pi - here), 1) / (2 * np.pi)
    return np.maximum(np.einsum("ki,kj,kij->k", pushes, pushes, meet) - mean**2, 0)


def least_norm(K: Float[Array, "n n"], y: Float[Array, " n"], slack: float) -> tuple[Float[Array, " n"], float]:
    """alpha of the smallest f = sum_k alpha_k K(x_k, .) with |f(x_k) - y_k| <= slack for all k; and its squared norm.

    Least-distance programming by non-negative least squares (Lawson & Hanson 1974, chapter 23).

    Raises:
        InvalidArgument: K is no finite symmetric matrix without eigenvalues below 0, y is not (n,) finite numbers, a
            slack that is not above 0; a slack so small that no f has it, by rounding.
    """
    K = finite_matrix("K", K)
    y = entries_inside("y", y, -1e6, 1e6, "[]")
    if K.shape != (len(K), len(K)) or y.shape != (len(K),):
        reject("K.shape", K.shape, f"(n, n) with n = {y.size} labels")
    slack = positive("slack", slack)
    values, vectors = np.linalg.eigh(K)
    if not np.allclose(K, K.T, rtol=1e-9, atol=0) or values[0] < -1e-9 * abs(values[-1]) or values[-1] <= 0:
        reject("K", f"a matrix with eigenvalues from {values[0]:.3g}", "a kernel: symmetric, none below 0")
    # In units of the largest eigenvalue and label: what nnls and the refusal below take for 0 is no matter of scale.
    unit, height = values[-1], max(np.abs(y).max(), slack)
    kept = values > 1e-13 * unit
    features = vectors[:, kept] * np.sqrt(values[kept] / unit)
    G, h = np.vstack([features, -features]), np.concatenate([y - slack, -y - slack]) / height
    E = np.vstack([G.T, h])
    weights, _ = nnls(E, np.append(np.zeros(kept.sum()), 1.0), maxiter=100 * len(h))
    rest = np.append(np.zeros(kept.sum()), 1.0) - E @ weights
    if not rest[-1] > 1e-12:
        reject("slack", slack, "one that some f of this kernel has")
    alpha = (weights[: len(y)] - weights[len(y) :]) / rest[-1] * height / unit
    return alpha, float(alpha @ K @ alpha)


def start_variance(m: Float[Array, "*#m"] | float, bias: float = 1.0) -> Float[Array, "*#m"]:
    """E f(x)^2 = m^(-2/3) (1 + bias) / 2 of networks at the start, |x| = 1, at every width (ours).

    Raises:
        InvalidArgument: a width that is not above 0, a bias outside [0, 1e6].
    """
    return (1 + _bias(bias)) / 2 * np.power(entries_inside("m", m, 0), -2 / 3)


def _bias(bias: float) -> float:
    return inside("bias", bias, 0, LONGEST)


def _with_bias(name: str, X: Float[Array, "n d"], bias: float) -> Array:
    """(x, bias^(1/2)), scaled to length 1."""
    X = entries_inside(name, finite_matrix(name, X), -LARGEST, LARGEST, "[]")
    longer = np.hstack([X, np.full((len(X), 1), _bias(bias) ** 0.5)])
    size = np.abs(longer).max(1, keepdims=True)
    if not (size > 0).all():
        reject(f"{name}[{int(np.argmin(size))}]", "0 without bias", "a row that has a direction")
    longer = longer / size
    return longer / np.linalg.norm(longer, axis=1, keepdims=True)


def _angles(X: Array, Z: Array) -> Array:
    """Between rows of length 1, in [0, pi]; those near 0 and pi as exact as others (Kahan)."""
    if X.shape[1] != Z.shape[1]:
        reject("Z.shape", (len(Z), Z.shape[1] - 1), f"(any, {X.shape[1] - 1})")
    apart, together = (np.linalg.norm(X[:, None] + sign * Z, axis=-1) for sign in (-1, 1))
    return 2 * np.arctan2(apart, together)
