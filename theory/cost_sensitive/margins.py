"""What is left of weights, shifts and factors of margins in the limit of descent on separable examples.

Descent on sum_i g_i log(1 + e^(tau_i - f_i z_i . w)), z_i = y_i x_i: g re-weights, tau shifts (logit adjustment), f
scales margins (vector scaling, Kini et al. 2021, arXiv 2103.01550). Where all losses are small it is the exponential
loss sum_i e^(log g_i + tau_i - f_i z_i . w), so that g_i and e^(tau_i) cannot be told apart. With v_i = f_i z_i, the
max-margin classifier w_hat = sum alpha_i v_i of these and its support S (Soudry et al. 2018, for log g and tau 0):

    f_i z_i . w = L + log g_i + tau_i - log alpha_i + o(1),  i in S,   L the same for all i, L -> infinity

So w / |w| -> w_hat / |w_hat| whatever g and tau are; f alone changes the limit. (Ours, in this form.)
"""

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

from theory.core.arrays import Array
from theory.core.separable import Separable
from theory.core.validation import entries_inside, reject

LARGEST = 1e3  # of log g + tau
TELLS = 1e6  # condition of the support's Gram matrix, beyond which a part of w has no digits


def limit_margins(problem: Separable, log_g: Float[Array, "*runs n"]) -> Float[Array, "*runs n"]:
    """log g_i + tau_i - log alpha_i on the support, with mean 0 there; infinity elsewhere.

    Args:
        log_g: log g_i + tau_i.

    Raises:
        InvalidArgument: they are not a moderate number an example.
    """
    log_g = _per_example(problem, log_g)
    support = problem.support
    margins = log_g - np.log(np.where(support, problem.duals, 1.0))
    mean = (margins * support).sum(-1, keepdims=True) / support.sum(-1, keepdims=True)
    return np.where(support, margins - mean, np.inf)


def limit_move(problem: Separable, log_g: Float[Array, "*runs n"]) -> Float[Array, "*runs d"]:
    """The bounded difference that weights and shifts make to w, at equal L: Z_S^+ (log g + tau).

    It holds where every example is in the support, and these are linearly independent: then w has no other part.

    Raises:
        InvalidArgument: some example is not in the support, or examples that depend linearly on others to rounding.
    """
    log_g = _per_example(problem, log_g)
    if not problem.support.all():
        reject("support", f"{int(problem.support.sum())} examples", f"all {problem.support.size} examples")
    if np.linalg.cond(problem.Z).max() > TELLS:
        reject("Z", f"condition {np.linalg.cond(problem.Z).max():.3g}", "linearly independent examples")
    return (np.linalg.pinv(problem.Z) @ log_g[..., None])[..., 0]


def scaled(Z: Float[Array, "*runs n d"], factors: Float[Array, "*runs n"]) -> Separable:
    """The examples f_i z_i: their max-margin classifier is the cost-sensitive support vector machine,
    argmin |w|^2 s.t. f_i z_i . w >= 1.

    Raises:
        InvalidArgument: a factor outside [1e-6, 1e6], or examples that are not separable.
    """
    factors = entries_inside("factors", factors, 1e-6, 1e6, "[]")
    if factors.shape != np.shape(Z)[:-1]:
        reject("factors.shape", factors.shape, f"{np.shape(Z)[:-1]}, a number an example")
    return Separable(factors[..., None] * entries_inside("Z", Z))


def gaussian_recall(
    w: Float[Array, "*runs d"], bias: Float[Array, "*runs"] | float, mean: Float[Array, "*#runs d"]
) -> Float[Array, "*runs"]:
    """P(z . w + bias > 0) of z ~ N(mean, I): the recall of a class by the classifier w.

    Raises:
        InvalidArgument: w is 0 or not finite.
    """
    w = entries_inside("w", w)
    size = np.abs(w).max(-1, keepdims=True)
    if not (size > 0).all():
        reject("w", 0, "a classifier that is not 0")
    w, bias = w / size, entries_inside("bias", bias) / size[..., 0]
    return ndtr(((w * entries_inside("mean", mean)).sum(-1) + bias) / np.linalg.norm(w, axis=-1))


def _per_example(problem: Separable, log_g: Array) -> Array:
    log_g = entries_inside("log_g", log_g, -LARGEST, LARGEST, "[]")
    if log_g.shape != problem.duals.shape:
        reject("log_g.shape", log_g.shape, f"{problem.duals.shape}, a number an example")
    return log_g
