"""Worst-case recall of Gaussian classes on a line, where the logits of every loss here are straight lines.

Class i is N(mu_i, sigma^2) with prior pi_i. With gains diag(a_i / pi_i) the Bayes rule is argmax_i log a_i + log N_i,
so that every label has an interval, and recalls are differences of normal probabilities. (The setting is ours.)
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from theory.core.arrays import Array
from theory.core.validation import entries_inside, finite_arrays, inside, positive, positive_integer, reject
from theory.cost_sensitive.gains import probabilities

CLOSEST, FARTHEST = 1e-3, 30.0  # means, in units of sigma: beyond, recalls are 0 or 1 to rounding
LARGEST = 1e4  # log a
HIGHEST = 1 - 1e-9  # least recall: beyond, the edges that leave so little have no digits


@dataclass(frozen=True)
class Classes:
    """Gaussian classes on a line.

    Attributes:
        means: mu (K,), increasing.
        priors: pi (K,), positive.
        sigma: their common standard deviation.

    Raises:
        InvalidArgument: fewer than two classes, means that do not increase by 0.001 to 30 sigma each, priors that are
            not positive or do not add up to 1.
    """

    means: Float[Array, " K"]
    priors: Float[Array, " K"]
    sigma: float = 1.0

    def __post_init__(self) -> None:
        finite_arrays(self, means="K", priors="K")
        if self.means.size < 2:
            reject("means", self.means, "two classes or more")
        sigma = inside("sigma", positive("sigma", self.sigma), 1e-50, 1e50)
        entries_inside("means", self.means, -1e8 * sigma, 1e8 * sigma, "[]")
        entries_inside("steps between means, in sigma", np.diff(self.means) / sigma, CLOSEST, FARTHEST, "[]")
        entries_inside("priors", self.priors, 1e-12, 1, "[]")
        object.__setattr__(self, "priors", probabilities("priors", self.priors, self.means.size))

    @property
    def K(self) -> int:
        """How many classes."""
        return int(self.means.size)

    def log_densities(self, x: Float[Array, " nodes"]) -> Float[Array, "nodes K"]:
        """log N_i(x)."""
        return norm.logpdf(x[:, None], self.means, self.sigma)

    def posteriors(self, x: Float[Array, " nodes"]) -> Float[Array, "nodes K"]:
        """eta_i(x)."""
        logits = self.log_densities(x) + np.log(self.priors)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        return shares / shares.sum(1, keepdims=True)


def edges(classes: Classes, log_a: Float[Array, " K"]) -> tuple[Float[Array, " K"], Float[Array, " K"]]:
    """Where each label's interval begins and ends; one that ends where it begins, or before, is never predicted.

    Raises:
        InvalidArgument: log a is not K moderate numbers.
    """
    crossing = _crossings(classes, log_a)
    later = np.triu(np.full_like(crossing, True, dtype=bool), 1)
    return np.where(later.T, crossing, -np.inf).max(1), np.where(later, crossing, np.inf).min(1)


def recalls(classes: Classes, log_a: Float[Array, " K"]) -> Float[Array, " K"]:
    """P(prediction i | y = i) of the rule argmax_i log a_i + log N_i(x). Raises as `edges`."""
    begin, end = ((edge - classes.means) / classes.sigma for edge in edges(classes, log_a))
    return np.maximum(ndtr(end) - ndtr(begin), 0)


def sensitivity(classes: Classes, log_a: Float[Array, " K"]) -> Float[Array, "K K"]:
    """J_ij = d recall_i / d log a_j. diag(a) J is symmetric, and no eigenvalue of J is negative.

    An edge between i and its neighbour k moves by sigma^2 / |mu_k - mu_i| as log a_i grows, and recall_i by the density
    of class i there. Raises as `edges`.
    """
    crossing, J = _crossings(classes, log_a), np.zeros((classes.K, classes.K))
    begins, ends = edges(classes, log_a)
    for i in np.flatnonzero(begins < ends):
        for edge in (begins[i], ends[i]):
            if np.isfinite(edge):
                k = int(np.flatnonzero((crossing[i] == edge) & (np.arange(classes.K) != i))[0])
                moved = norm.pdf((edge - classes.means[i]) / classes.sigma)
                moved *= classes.sigma / abs(classes.means[k] - classes.means[i])
                J[i, i] += moved
                J[i, k] -= moved
    return J


def equaliser(classes: Classes) -> tuple[float, Float[Array, " K"]]:
    """The recall that all classes share, and log a, of sum a = 1, at which they do: the largest least recall there is.

    With a recall r in mind the edges follow from left to right; r is where the last class has it too. No rule has a
    larger least recall: of all rules this one has the largest sum a_i recall_i, and its least recall is that sum.

    Raises:
        InvalidArgument: classes so far apart that the least recall, or what lies beyond an edge, is 1 to a billionth.
    """
    value = float(brentq(lambda r: _last_recall(classes, r)[0] - r, 0.0, 1.0, xtol=1e-15))
    edge = _last_recall(classes, value)[1]
    if value > HIGHEST or not np.isfinite(edge).all():
        reject("means", classes.means, "classes that overlap, each with the next, by a billionth at least")
    middle = (classes.means[1:] + classes.means[:-1]) / 2
    steps = (middle - edge) * np.diff(classes.means) / classes.sigma**2
    log_a = np.concatenate([[0.0], np.cumsum(steps)])
    return value, log_a - np.logaddexp.reduce(log_a)


def exponentiated_gradient(
    classes: Classes, step: float, rounds: int, log_a: Float[Array, " K"]
) -> Float[Array, "rounds_and_start K"]:
    """log a after 0, ..., rounds of a <- a exp(step (1 - recall)) / sum, each recall that of the Bayes rule for a.

    Raises:
        InvalidArgument: a step that is not above 0 and at most 1000, rounds that are no whole number of at least 1.
    """
    inside("step", step, 0, 1e3, "(]")
    path = [entries_inside("log_a", log_a, -LARGEST, LARGEST, "[]")]
    for _ in range(positive_integer("rounds", rounds)):
        grown = path[-1] + step * (1 - recalls(classes, path[-1]))
        path.append(grown - np.logaddexp.reduce(grown))
    return np.array(path)


def spectrum(classes: Classes) -> Float[Array, " others"]:
    """Eigenvalues of J at the equaliser without the 0 of a common factor of all a, increasing (ours).

    A round multiplies what is left along them by 1 - step x eigenvalue: it converges below a step of 2 / the largest.
    """
    log_a = equaliser(classes)[1]
    root = np.exp(log_a / 2)
    J = sensitivity(classes, log_a)
    return np.linalg.eigvalsh(root[:, None] * J / root)[1:]


def _crossings(classes: Classes, log_a: Array) -> Array:
    """Where labels i and k are worth the same (K, K); 0 on the diagonal."""
    log_a = entries_inside("log_a", log_a, -LARGEST, LARGEST, "[]")
    if log_a.shape != (classes.K,):
        reject("log_a.shape", log_a.shape, f"({classes.K},), a number a class")
    mu = classes.means
    apart = np.subtract.outer(mu, mu) + np.eye(classes.K)
    middle = np.add.outer(mu, mu) / 2
    return middle - np.subtract.outer(log_a, log_a) * classes.sigma**2 / apart * (1 - np.eye(classes.K))


def _last_recall(classes: Classes, r: float) -> tuple[float, Array]:
    """Recall of the last class if all others have recall r, and the edges between them."""
    found: list[float] = []
    for mean in classes.means[:-1]:
        before = ndtr((found[-1] - mean) / classes.sigma) if found else 0.0
        found.append(mean + classes.sigma * ndtri(min(r + before, 1.0)))
    return float(ndtr((classes.means[-1] - found[-1]) / classes.sigma)), np.array(found)
