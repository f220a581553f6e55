"""Online gradient descent against any adversary: how many steps of which length leave a small robust loss.

The pseudo-network is linear in the weights and the loss is convex, so whatever examples the adversary chooses,

    sum_t <G_t, W_t - U> = (|W_0 - U|^2 - |W_T - U|^2) / (2 eta) + eta / 2 sum_t |G_t|^2,    W_(t+1) = W_t - eta G_t

exactly, and the left side is at least sum_t L_t(W_t) - L_t(U) (Zinkevich 2003). Learning rates are eta = eta' m^(-1/3),
and lengths of weights |U - W_0| = m^(-1/6) |u|, |u| the norm of the function u in the space of kappa: m cancels.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import SQUARABLE, Array
from theory.core.validation import entries_inside, inside, positive

GRADIENT = float(np.sqrt(0.5))  # kappa(1)^(1/2): of a loss with slopes up to 1, at inputs of length 1


def mean_loss_bound(
    loss: Float[Array, "*#shape"] | float,
    norm: Float[Array, "*#shape"] | float,
    learning_rate: Float[Array, "*#shape"] | float,
    steps: Float[Array, "*#shape"] | float,
    gradient: float = GRADIENT,
) -> Float[Array, "*#shape"]:
    """loss + norm^2 / (2 eta' T) + eta' gradient^2 / 2 >= mean over T steps of the robust loss, any u of this norm.

    Args:
        loss: of u against the same adversary.
        norm: of u in the space of kappa.
        learning_rate: eta' = eta m^(1/3).

    Raises:
        InvalidArgument: a loss, norm or gradient below 0, a learning rate or steps that are not above 0.
    """
    loss, norm = (entries_inside(name, x, 0, SQUARABLE, "[]") for name, x in (("loss", loss), ("norm", norm)))
    rate, T = (entries_inside(name, x, 0) for name, x in (("learning_rate", learning_rate), ("steps", steps)))
    gradient = inside("gradient", gradient, 0, SQUARABLE)
    with np.errstate(over="ignore", divide="ignore"):
        return loss + (norm / rate) * (norm / T) / 2 + rate * gradient**2 / 2


def best_rate(norm: float, steps: float, gradient: float = GRADIENT) -> float:
    """eta' = norm / (gradient sqrt(T)), at which the bound is least: loss + norm gradient / sqrt(T).

    Raises:
        InvalidArgument: a norm, number of steps or gradient that is not above 0.
    """
    return float(positive("norm", norm) / (positive("gradient", gradient) * np.sqrt(positive("steps", steps))))


def sufficient_steps(norm: float, error: float, gradient: float = GRADIENT) -> float:
    """(norm gradient / error)^2: steps after which the bound is loss + error, at the best rate.

    Raises:
        InvalidArgument: a norm or gradient below 0, an error that is not above 0.
    """
    norm, gradient = (inside(name, x, 0, SQUARABLE) for name, x in (("norm", norm), ("gradient", gradient)))
    with np.errstate(over="ignore"):
        return float(np.square(np.float64(norm) / positive("error", error) * gradient))


def regret(
    before: Float[Array, "*#runs"], after: Float[Array, "*#runs"], squares: Float[Array, "*#runs"], learning_rate: float
) -> Float[Array, "*#runs"]:
    """sum_t <G_t, W_t - U>, exactly: (|W_0 - U|^2 - |W_T - U|^2) / (2 eta) + eta / 2 sum_t |G_t|^2.

    Args:
        before, after: |W_0 - U|^2 and |W_T - U|^2.
        squares: sum_t |G_t|^2.

    Raises:
        InvalidArgument: a square below 0, a learning rate that is not above 0.
    """
    names = ("before", before), ("after", after), ("squares", squares)
    before, after, squares = (entries_inside(name, x, 0, SQUARABLE, "[]") for name, x in names)
    eta = positive("learning_rate", learning_rate)
    with np.errstate(over="ignore", invalid="ignore"):
        return (before - after) / (2 * eta) + eta / 2 * squares
