"""Squared hinge loss 1/2 sum_i (1 - z_i . w)_+^2: its minima are the classifiers with margins of at least 1.

The one of least norm is the max-margin classifier w_hat of `theory.shallow`. Halpern's iteration with the anchor 0
finds it from every start, at an error of 1/k, not 1 / log k (all of it ours).
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, apply
from theory.core.validation import entries_inside, positive, reject
from theory.halpern.schedules import Steps, counted


def hinge_error_limit(problem: Separable, eta: float | Float[Array, "*runs"]) -> Float[Array, "*runs d"]:
    """lim (k + 1) (w_k - w_hat) = -Z_S^+ alpha / eta in the span of the support vectors.

    Once only they have margins below 1 the step is affine, w + eta Z_S^T (1 - Z_S w), and `least_squares` applies:
    the error tends to -(eta Z_S^T Z_S)^+ w_hat, with w_hat = Z_S^T alpha. Of linearly dependent support vectors all
    count, and alpha are the duals of least norm.

    Raises:
        InvalidArgument: eta not above 0, or duals of least norm that are not positive on the margin: which examples
            stay below it then depends on the start.
    """
    positive("eta", np.min(eta))
    supported = _on_the_margin(problem)
    duals = apply(np.linalg.pinv(supported.mT), problem.w)
    if (duals < -64 * EPS * duals.max(-1, keepdims=True)).any():
        reject("problem.Z", "dependent examples on the margin, not all needed", "duals of least norm that are positive")
    return -apply(np.linalg.pinv(supported), duals) / np.expand_dims(np.asarray(eta), -1)


def duals_read_off(
    problem: Separable, eta: float | Float[Array, "*runs"], w: Float[Array, "*steps_runs d"], k: Steps
) -> Float[Array, "*steps_runs n"]:
    """eta (k + 1) (1 - z_i . w_k)_+, which tends to alpha_i: what is missing to the margins are the duals.

    Raises:
        InvalidArgument: k negative or NaN, or what is read off is not finite.
    """
    per_step = np.reshape(counted(k) + 1, (*np.shape(k), *[1] * problem.duals.ndim))
    missing = np.maximum(1 - apply(problem.Z, w), 0)
    return entries_inside("alpha", np.expand_dims(np.asarray(eta), -1) * per_step * missing)


def hinge_factor(problem: Separable, eta: float | Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """1 - eta h_min, h the eigenvalues of Z_S Z_S^T: a step shrinks what is left of (k + 1) (w_k - w_hat) to this, for
    eta up to 1 / |Z|^2, in their span."""
    values = np.linalg.svd(_on_the_margin(problem), compute_uv=False)
    smallest = np.where(values > max(problem.Z.shape[-2:]) * EPS * values[..., :1], values, np.inf).min(-1)
    return 1 - eta * smallest**2


def _on_the_margin(problem: Separable) -> Float[Array, "*runs n d"]:
    """The examples of margin 1, the others as rows of zeros."""
    return problem.Z * (problem.slack == 0)[..., None]
