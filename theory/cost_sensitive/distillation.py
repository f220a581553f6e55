"""Labels that are partly a teacher's probabilities: less noise, the same minimiser if the teacher is right.

n labels of one input are drawn; each is replaced by share x teacher + (1 - share) x one-hot. The loss is linear in the
label, so training sees their mean alone, p = share x teacher + (1 - share) x counts / n, and ends at log(G^T p). (The
setting is ours; that distilled labels improve is the abstract's.)
"""

from itertools import combinations

import numpy as np
from jaxtyping import Float, Int
from scipy.special import gammaln, xlogy

from theory.core.arrays import Array
from theory.core.validation import inside, positive_integer, reject
from theory.cost_sensitive.gains import probabilities, regret, scores, square

MOST = 200_000  # samples that are listed


def outcomes(n: int, K: int) -> Int[np.ndarray, "outcomes K"]:
    """Every way in which n labels can fall on K classes: counts that add up to n.

    Raises:
        InvalidArgument: n or K is no whole number of at least 1, or there are more than 200000 ways.
    """
    n, K = positive_integer("n", n), positive_integer("K", K)
    ways = np.exp(gammaln(n + K) - gammaln(n + 1) - gammaln(K))
    if not ways <= MOST:
        reject("outcomes", f"{ways:.3g}", f"at most {MOST} ways in which labels can fall")
    bars = list(combinations(range(n + K - 1), K - 1))  # K - 1 bars among n stars
    ends = np.full((len(bars), 1), n + K - 1)
    return np.diff(np.hstack([0 * ends - 1, np.reshape(bars, (len(bars), K - 1)).astype(int), ends]), axis=1) - 1


def chances(counts: Int[np.ndarray, "outcomes K"], eta: Float[Array, "*cells K"]) -> Float[Array, "*cells outcomes"]:
    """Multinomial probabilities of these counts.

    Raises:
        InvalidArgument: counts below 0, or eta no probabilities of as many labels.
    """
    counts = np.asarray(counts)
    if (counts < 0).any():
        reject("counts", counts.min(), "counts of at least 0")
    eta = probabilities("eta", eta, counts.shape[-1])
    ways = gammaln(counts.sum(-1) + 1.0) - gammaln(counts + 1.0).sum(-1)
    return np.exp(ways + xlogy(counts, eta[..., None, :]).sum(-1))


def mixed_labels(
    counts: Int[np.ndarray, "outcomes K"], teacher: Float[Array, " K"], share: float
) -> Float[Array, "outcomes K"]:
    """share x teacher + (1 - share) x counts / n, the mean label of each sample.

    Raises:
        InvalidArgument: a share outside [0, 1], counts without a label, a teacher that is no probability of as many.
    """
    counts = np.asarray(counts, dtype=float)
    if not ((counts >= 0).all() and (counts.sum(-1) > 0).all()):
        reject("counts", counts.min(), "counts of at least 0, one label or more")
    teacher = probabilities("teacher", teacher, counts.shape[-1])
    return inside("share", share, 0, 1) * teacher + (1 - share) * counts / counts.sum(-1, keepdims=True)


def mean_regret(
    G: Float[Array, "K K"], eta: Float[Array, " K"], n: int, share: float, teacher: Float[Array, " K"]
) -> float:
    """What predictions trained on n such labels earn less than the best rule, on average over the labels: exact.

    Raises:
        InvalidArgument: see `gains.scores`, `outcomes`, `mixed_labels`.
    """
    G = square("G", G)
    counts = outcomes(n, len(G))
    chosen = scores(G, mixed_labels(counts, teacher, share)).argmax(-1)
    return float(chances(counts, eta) @ regret(G, np.broadcast_to(eta, counts.shape), chosen))


def gradient_covariance(
    M: Float[Array, "K K"], q: Float[Array, " K"], eta: Float[Array, " K"], n: int, share: float
) -> Float[Array, "K K"]:
    """(1 - share)^2 B^T (diag eta - eta eta^T) B / n, B = M - M 1 q^T: of the loss's gradient, mean over n labels.

    The gradient is linear in the label: M^T p less q times its sum, up to its sign, with q = softmax(s - log D).

    Raises:
        InvalidArgument: M is no square matrix, q or eta no probability, n no whole number, a share outside [0, 1].
    """
    M = square("M", M)
    eta, q = probabilities("eta", eta, len(M)), probabilities("q", q, len(M))
    B = M - np.outer(M.sum(1), q)
    spread = B.T @ (np.diag(eta) - np.outer(eta, eta)) @ B
    return (1 - inside("share", share, 0, 1)) ** 2 * spread / positive_integer("n", n)
