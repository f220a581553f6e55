"""Gradient descent on networks so wide that no pattern changes: the residual r = y - u follows (I - eta H)^k.

The bounds of Du et al. (2019) stand beside these limits, which are ours and sharp.
"""

import numpy as np
from jaxtyping import Float, Int

from theory.core.arrays import SQUARABLE, Array
from theory.core.validation import entries_inside, inside, positive, positive_integer, reject, times
from theory.kernel.inputs import Inputs

Steps = Int[Array, "*steps"] | int


def residual(
    inputs: Inputs, learning_rate: float, start: Float[Array, " n"], k: Int[Array, "*steps"] | int
) -> Float[Array, "*steps n"]:
    """y - u(k) = (I - eta H)^k (y - u(0)), after k steps (ours).

    Raises:
        InvalidArgument: here and below, a learning rate that is not above 0, a start that is not (n,) numbers, steps
            that are no whole numbers of at least 0, or so many that the residual grows beyond the floats.
    """
    return _of_modes(inputs, start, _powers(inputs, learning_rate, k))


def coefficients(
    inputs: Inputs, learning_rate: float, start: Float[Array, " n"], k: Int[Array, "*steps"] | int
) -> Float[Array, "*steps n"]:
    """c(k) = eta sum_(j < k) (I - eta H)^j (y - u(0)) = H^-1 (I - (I - eta H)^k) (y - u(0)).

    They say where the weights have gone: w_r(k) - w_r(0) = a_r m^(-1/2) sum_i c_i x_i 1{w_r . x_i >= 0}.
    """
    return _of_modes(inputs, start, _sums(inputs, learning_rate, k))


def squared_movement(
    inputs: Inputs, learning_rate: float, start: Float[Array, " n"], k: Int[Array, "*steps"] | int
) -> Float[Array, "*steps"]:
    """|W(k) - W(0)|_F^2 = c(k)^T H c(k), whatever the width; (y - u(0))^T H^-1 (y - u(0)) in the end (ours)."""
    c = coefficients(inputs, learning_rate, start, k)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.square(c @ inputs.eigenvectors * np.sqrt(inputs.eigenvalues)).sum(-1)


def moves(inputs: Inputs, W: Float[Array, "*runs m d"], c: Float[Array, " n"]) -> Float[Array, "*runs m"]:
    """|w_r(k) - w_r(0)| = m^(-1/2) |sum_i c_i x_i 1{w_r . x_i >= 0}| of each neuron of weights W at the start (ours).

    Raises:
        InvalidArgument: weights or coefficients that are not finite, or not of these shapes.
    """
    W, c = entries_inside("W", W), inputs.vector("c", c)
    if W.ndim < 2 or W.shape[-1] != inputs.d:
        reject("W.shape", W.shape, f"(..., m, {inputs.d})")
    return np.linalg.norm((W @ inputs.X.T >= 0) @ (c[:, None] * inputs.X), axis=-1) / np.sqrt(W.shape[-2])


def loss_factor(least: float, learning_rate: float, k: Int[Array, "*steps"] | int) -> Float[Array, "*steps"]:
    """(1 - eta lambda_0 / 2)^k, which bounds |y - u(k)|^2 over |y - u(0)|^2 (Theorem 4.1).

    Raises:
        InvalidArgument: a lambda_0 below 0, or a step so long that eta lambda_0 / 2 is above 1.
    """
    inside("least", least, 0, np.inf, "[)")
    share = positive("learning_rate", learning_rate) * least / 2
    if not share <= 1:
        reject("learning_rate", learning_rate, f"at most 2 / lambda_0 = {2 / least:g}")
    return np.power(1 - share, _whole(k))


def flow_factor(least: float, t: Float[Array, "*#shape"] | float) -> Float[Array, "*#shape"]:
    """exp(-lambda_0 t), which bounds |y - u(t)|^2 over |y - u(0)|^2 under gradient flow (Theorem 3.2).

    Raises:
        InvalidArgument: a lambda_0 that is not above 0, a negative or NaN time.
    """
    return np.exp(-positive("least", least) * times(t))


def movement_bound(n: int, least: float, m: Float[Array, "*#m"] | float, start: float) -> Float[Array, "*#m"]:
    """4 sqrt(n) |y - u(0)| / (sqrt(m) lambda_0) >= |w_r(k) - w_r(0)| (Corollary 4.1; its constant derived again).

    A step moves w_r by at most eta sqrt(n / m) |y - u(k)|, and the norms by Theorem 4.1 sum to at most
    |y - u(0)| / (1 - sqrt(1 - eta lambda_0 / 2)) <= 4 |y - u(0)| / (eta lambda_0).

    Raises:
        InvalidArgument: a size that is not above 0, a residual that is negative.
    """
    widths = entries_inside("m", m, 0)
    start = inside("start", start, 0, np.inf, "[)")
    return 4 * np.sqrt(positive_integer("n", n)) / positive("least", least) * start / np.sqrt(widths)


def longest_step(inputs: Inputs) -> float:
    """(2 - lambda_0 / (2 lambda_max)) / lambda_max: up to it Theorem 4.1 holds for lazy networks, whatever y (ours).

    (1 - eta lambda)^2 <= 1 - eta lambda_0 / 2 has to hold for each eigenvalue; the largest decides.
    """
    return (2 - inputs.least / inputs.largest / 2) / inputs.largest


def printed_step(inputs: Inputs) -> float:
    """lambda_0 / n^2, the order of the step that Theorem 4.1 asks for."""
    return inputs.least / inputs.n**2


def _powers(inputs: Inputs, learning_rate: float, k: Steps) -> Array:
    """(1 - eta lambda)^k (*steps, n)."""
    with np.errstate(over="ignore", under="ignore"):
        return np.power(1 - positive("learning_rate", learning_rate) * inputs.eigenvalues, _whole(k)[..., None])


def _sums(inputs: Inputs, learning_rate: float, k: Steps) -> Array:
    """eta sum_(j < k) (1 - eta lambda)^j, which is eta k at lambda = 0."""
    share = positive("learning_rate", learning_rate) * inputs.eigenvalues
    k = _whole(k)[..., None]
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        slowly = -np.expm1(k * np.log1p(-np.minimum(share, 0.5)))
        gone = np.where(share < 0.5, slowly, 1 - np.power(1 - share, k))
        return learning_rate * np.where(share > 0, gone / share, k)


def _of_modes(inputs: Inputs, start: Array, factors: Array) -> Array:
    if not (np.abs(factors) <= SQUARABLE).all():
        reject("k", "so many steps", f"residuals that have not grown beyond {SQUARABLE:g} times their start")
    return (factors * (inputs.vector("start", start) @ inputs.eigenvectors)) @ inputs.eigenvectors.T


def _whole(k: Steps) -> Array:
    """Steps as whole numbers, of at least 0."""
    k = np.asarray(k)
    if k.dtype.kind not in "iu" or (k < 0).any():
        reject("k", k if k.ndim == 0 else f"an array of {k.dtype}", "whole numbers of steps, at least 0")
    return k
