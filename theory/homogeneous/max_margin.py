"""Where linear networks of any depth, and of any number of classes, tend to; and where other losses take them.

Exponential tails (exponential, logistic, cross-entropy) lead to the max-margin direction, the solution of a hard-margin
problem `theory.shallow.problem.Separable`, whatever the start. Notation: w_hat, alpha and S as there; rho = |w|, where
w = W_L ... W_1 is the end-to-end map, and V = w / rho.
"""

from itertools import accumulate

import numpy as np
from jaxtyping import Float, Integer

from theory.core.arrays import SQUARABLE, Array
from theory.core.linear_networks import Layers, imbalances, squarable
from theory.core.separable import Separable
from theory.core.validation import entries_inside, inside, positive, positive_integer, reject, times
from theory.shallow import gradient_flow


def crammer_singer(
    X: Float[Array, "*runs n d"], labels: Integer[Array, "*runs n"], classes: int
) -> Float[Array, "*runs pairs Kd"]:
    """The examples (e_y - e_k) (x) x of K classes, k != y: `Separable` of them is the hard-margin problem
    min 1/2 |W|_F^2 s.t. (w_y - w_k) . x >= 1 of Crammer & Singer (2001), for W (K, d) flattened.

    Raises:
        InvalidArgument: fewer than two classes, a label that is none of 0 ... K - 1, or an entry that is not finite.
    """
    entries_inside("X", X)
    positive_integer("classes - 1", classes - 1)
    inside("labels", labels.min(), 0, classes - 1)
    inside("labels", labels.max(), 0, classes - 1)
    identity = np.eye(classes)
    # The other classes in the order after one's own, so that every example has the same number of rows.
    others = (labels[..., None] + np.arange(1, classes)) % classes
    difference = identity[labels][..., None, :] - identity[others]
    rows = difference[..., :, :, :, None] * X[..., :, None, None, :]
    *runs, n, d = X.shape
    return rows.reshape(*runs, n * (classes - 1), classes * d)


def approach_constant(problem: Separable, w0: Float[Array, "*runs d"]) -> Float[Array, "*runs"]:
    """lim rho |V - w_hat / |w_hat|| = |P w~|, P the projection orthogonal to w_hat: angle and 1 / rho are proportional.

    w~ as in `theory.shallow.gradient_flow.offset`, which says when it is known. For layers L > 1 balanced at the start
    (ours): the same constant if the support spans the space, since w' = rho^(2 - 2/L) (I + (L - 1) V V^T) (-grad)
    forces e^{-z_i . w~} / alpha_i to be one number again. It does not depend on the start then, nor on L.

    Raises as `offset`, and for a start that is not finite.
    """
    start = entries_inside("w0", w0)
    return gradient_flow.direction_constant(problem, gradient_flow.offset(problem, start)) / problem.margin


def unseen(start: Float[Array, "*#runs"], growth: Float[Array, "*#runs"], depth: int) -> Float[Array, "*runs"]:
    """|N V| = |N V(0)| (rho(0) / rho)^(1/L), N the projection orthogonal to all examples; balanced layers (ours).

    The first layer alone sees the input and N w_1 never moves, while all layers grow as rho^(1/L): the start is
    forgotten as (log t)^(-1/L), the slower the deeper.

    Args:
        start: |N V(0)|.
        growth: rho / rho(0).

    Raises:
        InvalidArgument: a start that is not finite, a growth not above 0 (infinity asks for the limit), no depth.
    """
    positive_integer("depth", depth)
    return entries_inside("start", start) * entries_inside("growth", growth, 0, np.inf, "(]") ** (-1 / depth)


def second_singular_bound(start: Layers) -> list[Array]:
    """sigma_2(W_l)^2 <= sum_{k >= l} |D_k(0)|_2 at all times, l = 1 ... L - 1: layers become of rank one as they grow.

    W_l W_l^T = W_{l+1}^T W_{l+1} - D_l and W_L has one row, so each D_k adds at most its norm (Weyl); D is conserved.
    One output only (after Ji & Telgarsky 2019).

    Raises:
        InvalidArgument: more than one output, entries beyond 1e150.
    """
    _one_output(start)
    norms = _norms_of_imbalances(start)
    return list(accumulate(norms[::-1]))[::-1]


def misalignment_bound(
    start: Layers, first: Float[Array, "*times_runs L"], second: Float[Array, "*times_runs L"]
) -> list[Array]:
    """1 - <u_l, v_{l+1}>^2 <= (|D_l(0)|_2 / (sigma_1(W_{l+1})^2 - sigma_2(W_l)^2))^2, l = 1 ... L - 1; 1 where that
    says nothing. u_l and v_{l+1} are the top left and right singular vectors of neighbours.

    D_l is the difference of W_{l+1}^T W_{l+1} and W_l W_l^T, and conserved: the sine theorem of Davis & Kahan (1970).
    Sharp for layers of rank one and of one size (ours; Ji & Telgarsky 2019 show that layers align).

    Args:
        start: the layers at time 0.
        first, second: sigma_1 and sigma_2 of each layer (0 where there is no second), at the state.

    Raises:
        InvalidArgument: entries beyond 1e150, or singular values that are not one a layer.
    """
    for name, values in (("first", first), ("second", second)):
        if np.shape(entries_inside(name, values, 0, SQUARABLE, "[]"))[-1:] != (len(start),):
            reject(f"{name}.shape", np.shape(values), f"(..., {len(start)}), one number a layer")
    bounds = []
    for l, size in enumerate(_norms_of_imbalances(start)):
        gap = first[..., l + 1] ** 2 - second[..., l] ** 2
        sine = size / np.where(gap > 0, gap, np.nan)
        bounds.append(np.fmin(sine**2, 1))
    return bounds


def polynomial_solution(
    Z: Float[Array, "n d"], w0: Float[Array, "*runs d"], t: Float[Array, "*times"] | float, power: float
) -> Float[Array, "*times_runs n"]:
    """m_i^(p+2) = m_i(0)^(p+2) + p (p + 2) |z_i|^2 t: pairwise orthogonal examples, loss sum m_i^-p (ours).

    So m_i / m_j -> (|z_i| / |z_j|)^(2 / (p + 2)), where exponential tails make all margins equal.

    >>> polynomial_solution(np.eye(2), np.ones(2), np.array([0.0, 10.0, np.inf]), 2.0).tolist()
    [[1.0, 1.0], [3.0, 3.0], [inf, inf]]

    Raises:
        InvalidArgument: examples that are not pairwise orthogonal or have entries beyond 1e150, a start that
            misclassifies or is not finite, bad times or power.
    """
    Z, w0 = entries_inside("Z", Z, -SQUARABLE, SQUARABLE, "[]"), entries_inside("w0", w0)
    m0, squares, time = w0 @ Z.T, (Z**2).sum(1), times(t)
    positive("power", power)
    lengths = np.sqrt(np.where(squares > 0, squares, 1))
    if np.abs((Z @ Z.T - np.diag(squares)) / lengths / lengths[:, None]).max() > 1e-12:
        reject("Z", "examples that are not", "pairwise orthogonal examples")
    if not (m0 > 0).all():
        reject("w0", f"a start of margin {m0.min():g}", "margins above 0, where the loss is defined")
    time = time.reshape((*time.shape, *[1] * m0.ndim))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        powers = m0 ** (power + 2) + power * (power + 2) * squares * time
        log_grown = np.log(power) + np.log(power + 2) + np.log(squares) + np.log(time)
        in_logarithms = np.exp(np.logaddexp((power + 2) * np.log(m0), log_grown) / (power + 2))
    return np.where((powers > 1e-290) & (powers < np.inf), powers ** (1 / (power + 2)), in_logarithms)


def interpolant(Z: Float[Array, "n d"], w0: Float[Array, "*runs d"]) -> Float[Array, "*runs d"]:
    """Z^+ 1 + N w0: where gradient descent of the squared loss 1/2 |Z w - 1|^2 ends, from w0; d >= n, rank n.

    Raises:
        InvalidArgument: linearly dependent examples, which no w fits in general; entries beyond 1e150.
    """
    for name, entries in (("Z", Z), ("w0", w0)):
        entries_inside(name, entries, -SQUARABLE, SQUARABLE, "[]")
    lengths = np.linalg.norm(Z, axis=1, keepdims=True)
    if lengths.min() == 0 or np.linalg.matrix_rank(Z / lengths) < len(Z):
        reject("Z", f"{len(Z)} examples in {Z.shape[1]} dimensions", "linearly independent examples")
    inverse = np.linalg.pinv(Z / lengths) / lengths.T
    return inverse.sum(1) + w0 - (w0 @ Z.T) @ inverse.T


def _norms_of_imbalances(W: Layers) -> list[Array]:
    """|D_l|_2, l = 1 ... L - 1."""
    return [np.linalg.norm(D, ord=2, axis=(-2, -1)) for D in imbalances(squarable(W))]


def _one_output(W: Layers) -> None:
    if W[-1].shape[-2] != 1:
        reject("W[-1].shape", W[-1].shape, "one output, (*runs, 1, h)")
