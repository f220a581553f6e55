r"""Appendix D: training (U, V) is training the NTK-scaled network, with a learning rate that depends on the width.

With a > 0, U~ = h^a U and V~ = h^a V,

    L(U, V) = 1/2 |Y - X U V^T|^2 = L~(U~, V~) = 1/2 |Y - h^(-2a) X U~ V~^T|^2
                                  = 1/2 |Y - (sqrt(m) / h^(2a - 1/2)) X U~ V~^T / sqrt(m h)|^2,

and grad L~ = h^(-a) grad L, so that gradient descent on L at eta is gradient descent on L~ at h^(2a) eta, step by
step, and the flow of L at time t is the flow of L~ at time h^(2a) t. (The paper's last display loses the 1/2.)

L~ is the loss of the problem whose inputs are h^(-2a) X: the rest of the theory applies to it unchanged.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import positive, positive_integer, reject
from theory.imbalance.problem import Network


def rescaled_problem(problem: Regression, h: int, exponent: float) -> Regression:
    """The problem whose loss is L~: inputs h^(-2a) X, a = `exponent`.

    Raises:
        InvalidArgument: h is no width, the exponent is not positive.
    """
    return Regression(problem.X / speedup(h, exponent), problem.Y)


def rescaled_network(network: Network, exponent: float) -> Network:
    """(h^a U, h^a V), a = `exponent`."""
    scale = speedup(network.h, exponent) ** 0.5
    return Network(scale * network.U, scale * network.V)


def speedup(h: int, exponent: float) -> float:
    """h^(2a): the learning rate and the time of L~ over those of L.

    Raises:
        InvalidArgument: h is no width, the exponent is not positive, or h^(2a) is too large for a number.
    """
    with np.errstate(over="ignore"):
        power = np.float64(positive_integer("h", h)) ** (2 * positive("exponent", exponent))
    if np.isinf(power):
        reject("exponent", exponent, f"one with h^(2a) below 1e308, h = {h}")
    return float(power)


def ntk_loss(problem: Regression, rescaled: Network, exponent: float) -> Float[Array, "*runs"]:
    """L~ in the form that shows the NTK factor 1 / sqrt(m h): the last display of Appendix D, its 1/2 restored.

    Raises:
        InvalidArgument: the network does not fit the problem.
    """
    m, h = problem.m, rescaled.h
    if (rescaled.U.shape[-2], rescaled.V.shape[-2]) != (problem.D, m):
        reject("rescaled", f"U {rescaled.U.shape}, V {rescaled.V.shape}", f"D = {problem.D} inputs, m = {m} outputs")
    factor = m**0.5 * h**0.5 / speedup(h, exponent)
    outputs = factor * (problem.X @ rescaled.end_to_end) / (m * h) ** 0.5
    return 0.5 * ((problem.Y - outputs) ** 2).sum((-2, -1))
