"""The hybrid loss -sum_j M_yj log softmax(s - log D)_j, whose minimiser is log(G^T eta) for every D (Proposition 4)."""

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from theory.core.arrays import Array
from theory.core.validation import entries_inside, reject
from theory.cost_sensitive.gains import LARGEST, probabilities, square

SMALLEST = 1e-100  # of D, and of what a label earns at all
LONGEST = 1e3  # of logits: softmax is 0 or 1 long before


def split(G: Float[Array, "K K"], D: Float[Array, " K"] | None = None) -> Float[Array, "K K"]:
    """M = G D^-1, M_ij = G_ij / D_j; by default D is the diagonal of G.

    Raises:
        InvalidArgument: G is no square matrix without negative numbers, D not K numbers above 0.
    """
    G = square("G", G)
    entries_inside("G", G, 0, LARGEST, "[]")
    D = np.diag(G) if D is None else D
    return G / _per_label("D", D, len(G), SMALLEST, LARGEST)


def minimiser(
    M: Float[Array, "K K"], log_D: Float[Array, " K"], eta: Float[Array, "*cells K"]
) -> Float[Array, "*cells K"]:
    """The logits, with mean 0, of least expected loss sum_i eta_i l(i, s): log D + log(M^T eta), up to a constant.

    The expected loss is the cross-entropy of softmax(s - log D) to the labels M^T eta / 1^T M^T eta. If M D = G, then
    the minimiser is log(G^T eta) whatever D.

    Raises:
        InvalidArgument: M has a negative entry, eta is no probability, log D no K numbers; or some label earns nothing,
            where its logit tends to minus infinity.
    """
    targets = earned(M, eta)
    if not (targets > 0).all():
        reject("M^T eta", targets.min(), "every label to earn something")
    s = np.log(targets) + _per_label("log_D", log_D, len(M), -LONGEST, LONGEST)
    return s - s.mean(-1, keepdims=True)


def gradient(
    M: Float[Array, "K K"], log_D: Float[Array, " K"], labels: Float[Array, "*#cells K"], s: Float[Array, "*#cells K"]
) -> Float[Array, "*cells K"]:
    """(1^T M^T p) softmax(s - log D) - M^T p of the loss sum_i p_i l(i, s); labels p are one-hot or a teacher's.

    The rows of M need not have equal sums: the loss of label i, and so its largest stable step, scales with sum_j M_ij.

    Raises:
        InvalidArgument: as for `minimiser`; logits that are not K numbers of moderate size.
    """
    targets = earned(M, labels)
    s = entries_inside("s", s, -LONGEST, LONGEST, "[]")
    if s.shape[-1:] != targets.shape[-1:]:
        reject("s.shape", s.shape, f"(..., {len(M)}), a logit a label")
    adjusted = softmax(s - _per_label("log_D", log_D, len(M), -LONGEST, LONGEST), axis=-1)
    return targets.sum(-1, keepdims=True) * adjusted - targets


def earned(M: Float[Array, "K K"], labels: Float[Array, "*cells K"]) -> Float[Array, "*cells K"]:
    """M^T p. Raises as `minimiser`."""
    M = square("M", M)
    entries_inside("M", M, 0, LARGEST, "[]")
    return probabilities("labels", labels, len(M)) @ M


def _per_label(name: str, value: Array, K: int, low: float, high: float) -> Array:
    numbers = entries_inside(name, value, low, high, "[]")
    if numbers.shape != (K,):
        reject(f"{name}.shape", numbers.shape, f"({K},), a number a label")
    return numbers
