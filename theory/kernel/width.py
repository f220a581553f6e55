"""Finite width: the kernel H(W) of given weights, how far it is from H, and which widths keep it near."""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive, positive_integer, reject
from theory.kernel.inputs import Inputs


def kernel(inputs: Inputs, W: Float[Array, "*runs m d"]) -> Float[Array, "*runs n n"]:
    """H_ij(W) = x_i . x_j / m times how many of the m neurons have w_r . x_i >= 0 and w_r . x_j >= 0.

    Raises:
        InvalidArgument: weights that are not finite, or not (..., m, d).
    """
    W = entries_inside("W", W)
    if W.ndim < 2 or W.shape[-1] != inputs.d or W.size == 0:
        reject("W.shape", W.shape, f"(..., m, {inputs.d})")
    active = (W @ inputs.X.T >= 0).astype(float)
    return inputs.gram * (active.mT @ active) / W.shape[-2]


def squared_deviation(inputs: Inputs, m: Float[Array, "*#m"] | float) -> Float[Array, "*#m"]:
    """E |H(W) - H|_F^2 = (1/m) sum_ij (x_i . x_j)^2 p_ij (1 - p_ij), p = `both_active`: exact at every width (ours).

    Raises:
        InvalidArgument: a width that is not above 0.
    """
    p = inputs.both_active
    return np.sum(inputs.gram**2 * p * (1 - p)) / entries_inside("m", m, 0)


def squared_step(inputs: Inputs, r: Float[Array, " n"]) -> float:
    """m E |(H(W) - H) r|^2: what a step from the residual r is off by, over eta^2, at every width (ours).

    Three half-spaces with normals x_i, x_j, x_l meet with probability (2 pi - the three angles) / (4 pi).

    Raises:
        InvalidArgument: r is not (n,) finite numbers.
    """
    r, angle = inputs.vector("r", r), inputs.angles
    meet = (2 * np.pi - angle[:, :, None] - angle[:, None] - angle) / (4 * np.pi)
    pushed = inputs.gram * r
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,il,ijl->", pushed, pushed, meet) - np.square(inputs.H @ r).sum()
    return float(np.maximum(squares, 0))


def covariance_at_start(inputs: Inputs) -> Float[Array, "n n"]:
    """E u(0) u(0)^T = (sin angle + (pi - angle) cos angle) / (2 pi), at every width (ours; Cho & Saul's kernel)."""
    angle = inputs.angles
    return (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)


def squared_residual_at_start(y: Float[Array, " n"]) -> float:
    """E |y - u(0)|^2 = |y|^2 + n / 2, at every width (ours).

    Raises:
        InvalidArgument: y is not finite.
    """
    y = entries_inside("y", y, -1e150, 1e150)
    return float(y @ y + y.size / 2)


def theorem_width(n: int, least: float, delta: float) -> float:
    """n^6 / (lambda_0^4 delta^3), the order of the width that Theorem 4.1 asks for.

    Raises:
        InvalidArgument: here and below, delta outside (0, 1), a lambda_0 that is not above 0.
    """
    with np.errstate(over="ignore"):
        inverse = np.float64(positive_integer("n", n)) ** 1.5 / positive("least", least)
        return float(inverse**4 / _delta(delta) ** 3)


def lemma_width(n: int, least: float, delta: float) -> float:
    """n^2 / lambda_0^2 log(n / delta), the order of the width that Lemma 3.1 asks for."""
    with np.errstate(over="ignore"):
        ratio = np.float64(positive_integer("n", n)) / positive("least", least)
        return float(ratio**2 * np.log(n / _delta(delta)))


def markov_width(inputs: Inputs, delta: float, *, share: float = 0.25) -> float:
    """From it on |H(W) - H| <= lambda_0 / 4 with probability at least 1 - delta: Markov's inequality (ours).

    Args:
        share: another one than 1/4.

    Raises:
        InvalidArgument: also, inputs with lambda_0 = 0, a share outside (0, 1).
    """
    radius = inside("share", share, 0, 1, "()") * _least(inputs)
    return float(squared_deviation(inputs, 1.0) / radius**2 / _delta(delta))


def hoeffding_width(inputs: Inputs, delta: float) -> float:
    """The same by the paper's proof: Hoeffding's inequality for each entry of H, and no constant left out (ours).

    n (n + 1) / 2 entries, two sides: each off by at most |x_i . x_j| (log(n (n + 1) / delta) / (2 m))^(1/2).
    """
    logarithm = np.log(inputs.n * (inputs.n + 1) / _delta(delta))
    return float(8 * np.sum(inputs.gram**2) * logarithm / _least(inputs) ** 2)


def chernoff_width(inputs: Inputs, delta: float) -> float:
    """From it on lambda_min(H(W)) >= 3/4 lambda_0 with probability at least 1 - delta, by Tropp (2012) (ours).

    H(W) is a mean of m independent matrices between 0 and |X|^2, and the lower tail of its least eigenvalue at a
    quarter off is n exp(-m lambda_0 (1/4 + 3/4 log(3/4)) / |X|^2): it takes the first power of 1 / lambda_0.
    """
    exponent = 0.25 + 0.75 * np.log(0.75)
    return float(inputs_norm(inputs) * np.log(inputs.n / _delta(delta)) / (_least(inputs) * exponent))


def inputs_norm(inputs: Inputs) -> float:
    """|X|^2, the largest eigenvalue of the matrix of x_i . x_j: at most n, and no kernel H(W) has a larger one."""
    return float(np.linalg.eigvalsh(inputs.gram)[-1])


def perturbation_radius(n: int, least: float, delta: float) -> float:
    """R = sqrt(2 pi) delta lambda_0 / (16 n^2): weights no farther off have lambda_min(H(W)) >= lambda_0 / 2.

    Lemma 3.2 with its constant derived again: a pattern can change only where |w_r . x_i| <= R, which has probability
    at most 2 R / sqrt(2 pi); so E sum_ij |H_ij(W) - H_ij(0)| <= 4 n^2 R / sqrt(2 pi), delta lambda_0 / 4 here.
    """
    n = positive_integer("n", n)
    return float(np.sqrt(2 * np.pi) / 16 * _delta(delta) * positive("least", least) / n**2)


def _delta(delta: float) -> float:
    return inside("delta", delta, 0, 1, "()")


def _least(inputs: Inputs) -> float:
    if inputs.least < 1e-12 * inputs.largest:
        reject("inputs", f"lambda_0 = {inputs.least:.3g}", "inputs whose kernel has a least eigenvalue above 0")
    return inputs.least
