"""The largest mean recall where each label has to be predicted with some probability, of Gaussian classes on a line.

Maximise sum_i recall_i / K subject to coverage_j = P(prediction j) >= tau. With multipliers lambda >= 0 the Lagrangian
is a sum of gains G_ij = delta_ij / (K pi_i) + lambda_j, so the best prediction at x is

    argmax_j N_j(x) / K + lambda_j p(x),   p = sum_i pi_i N_i,

and lambda <- max(lambda - step (coverage - tau), 0) descends the dual (Narasimhan & Menon 2021, equation 2 and its
algorithm). The gains are no diagonal matrix: it takes the hybrid loss to train for them.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import ndtr

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive_integer, reject
from theory.cost_sensitive.gaussian_classes import Classes

NODES = 801  # between which the best label changes at most once, with those of `_nodes` among them
REACH = 12.0  # in sigma beyond the outer means: what lies farther has no probability left
LARGEST = 1e6  # of a multiplier
SOLVED = 1e-10  # of a coverage
NEWTON_STEPS = 60
HALVES = 0.5 ** np.arange(12)  # of a step


def gain_matrix(classes: Classes, multipliers: Float[Array, " K"]) -> Float[Array, "K K"]:
    """G_ij = delta_ij / (K pi_i) + lambda_j.

    Raises:
        InvalidArgument: multipliers that are not K numbers from 0 to a million.
    """
    return np.diag(1 / (classes.K * classes.priors)) + _multipliers(classes, multipliers)


def confusion(classes: Classes, multipliers: Float[Array, " K"]) -> Float[Array, "K K"]:
    """P(prediction j | y = i) of the best rule at these multipliers. Raises as `gain_matrix`."""
    return confusion_between(classes, *rule(classes, multipliers))


def rule(
    classes: Classes, multipliers: Float[Array, " K"]
) -> tuple[Float[Array, " edges"], Int[np.ndarray, " intervals"]]:
    """Edges of the intervals of the best rule, and the label of each. Raises as `gain_matrix`."""
    lam = _multipliers(classes, multipliers)
    nodes = _nodes(classes, lam)
    best = _worth(classes, lam, nodes).argmax(1)
    changes = np.flatnonzero(np.diff(best))

    def edge(at: int) -> float:
        def ahead(x: float) -> float:
            worth = _worth(classes, lam, np.array([x]))[0]
            return float(worth[best[at]] - worth[best[at + 1]])

        return float(brentq(ahead, nodes[at], nodes[at + 1], xtol=1e-14 * REACH * classes.sigma))

    return np.array([edge(at) for at in changes.tolist()]), best[[*changes, -1]]


def confusion_between(
    classes: Classes, edges: Float[Array, " edges"], labels: Int[np.ndarray, " intervals"]
) -> Float[Array, "K K"]:
    """P(prediction j | y = i) of the rule that predicts labels[k] in the k-th interval between increasing edges.

    Raises:
        InvalidArgument: edges that do not increase, or labels that are not one more than the edges, from 0 to K - 1.
    """
    entries_inside("labels", labels, 0, classes.K - 1, "[]")
    entries_inside("edges", edges)
    if (np.diff(edges) < 0).any() or len(labels) != len(edges) + 1:
        reject("edges", edges, f"{len(labels) - 1} increasing numbers between {len(labels)} labels")
    ends = np.concatenate([[-np.inf], edges, [np.inf]])
    shares = np.diff(ndtr((ends - classes.means[:, None]) / classes.sigma), axis=1)
    return shares @ np.eye(classes.K)[np.asarray(labels)]


def coverage(classes: Classes, multipliers: Float[Array, " K"]) -> Float[Array, " K"]:
    """P(prediction j) of the best rule at these multipliers. Raises as `gain_matrix`."""
    return classes.priors @ confusion(classes, multipliers)


def optimum(classes: Classes, least: float) -> tuple[float, Float[Array, " K"]]:
    """The largest mean recall with coverages of at least `least`, and its multipliers; 0 where nothing is bound.

    The dual, the Lagrangian of the best rule, is convex: its minimum over lambda >= 0 is the optimum, since there the
    best rule meets the constraints, and those with a multiplier exactly. Newton's steps find these to rounding.

    Raises:
        InvalidArgument: `least` outside [0, 0.99 / K], or multipliers that are not found to ten digits of a coverage.
    """
    inside("least", least, 0, 0.99 / classes.K)

    def dual(lam: Array) -> tuple[float, Array]:
        earned = classes.priors[:, None] * gain_matrix(classes, lam) * confusion(classes, lam)
        return float(earned.sum() - least * lam.sum()), coverage(classes, lam) - least

    start = np.full(classes.K, 1 / classes.K)
    lam = minimize(dual, start, jac=True, bounds=[(0, LARGEST)] * classes.K, options={"ftol": 0.0, "gtol": 1e-10}).x
    lam -= lam.min()  # equal gains for all labels change no rule, and cost 1 - K least
    value, slope = dual(lam)
    for _ in range(NEWTON_STEPS):
        bound = (lam > 0) | (slope < 0)
        if np.abs(slope[bound]).max(initial=0) <= SOLVED / 10:
            break
        step = np.zeros(classes.K)
        step[bound] = np.linalg.pinv(curvature(classes, lam)[np.ix_(bound, bound)]) @ slope[bound]
        # Where a label's interval opens its coverage grows like a root, and a whole step leads too far.
        for share in HALVES:
            there = np.clip(lam - share * step, 0, LARGEST)
            there -= there.min()
            new_value, new_slope = dual(there)
            if new_value < value or _left(there, new_slope) < _left(lam, slope):
                lam, value, slope = there, new_value, new_slope
                break
    if not _left(lam, slope) <= SOLVED:
        reject("least", least, "a coverage whose multipliers are found")
    return float(np.diag(confusion(classes, lam)).mean()), lam


def curvature(classes: Classes, multipliers: Float[Array, " K"]) -> Float[Array, "K K"]:
    """d coverage_i / d lambda_j, the Hessian of the dual (ours). Raises as `gain_matrix`.

    An edge between labels i and k moves by p / |(worth_i - worth_k)'| as lambda_i grows, and coverage by p times that.
    """
    lam = _multipliers(classes, multipliers)
    edges, labels = rule(classes, lam)
    densities = np.exp(classes.log_densities(edges))
    slopes = -densities * (edges[:, None] - classes.means) / classes.sigma**2
    p = densities @ classes.priors
    worth = slopes / classes.K + np.outer(slopes @ classes.priors, lam)
    H = np.zeros((classes.K, classes.K))
    for at, (i, k) in enumerate(zip(labels, labels[1:])):
        apart = np.eye(classes.K)[i] - np.eye(classes.K)[k]
        H += np.outer(apart, apart) * p[at] ** 2 / max(abs(worth[at] @ apart), np.finfo(float).tiny)
    return H


def dual_descent(classes: Classes, least: float, step: float, rounds: int) -> Float[Array, "rounds_and_start K"]:
    """lambda after 0, ..., rounds of lambda <- max(lambda - step (coverage - least), 0), from 0.

    Raises:
        InvalidArgument: `least` or step not in (0, 1) and (0, 1000], rounds that are no whole number of at least 1.
    """
    inside("least", least, 0, 1, "()")
    inside("step", step, 0, 1e3, "(]")
    path = [np.zeros(classes.K)]
    for _ in range(positive_integer("rounds", rounds)):
        path.append(np.maximum(path[-1] - step * (coverage(classes, path[-1]) - least), 0))
    return np.array(path)


def _left(lam: Array, slope: Array) -> float:
    """By how much a coverage misses: the largest |slope| of the dual where lambda > 0, and -slope where it is 0."""
    return float(np.where(lam > 0, np.abs(slope), -slope).max())


def _nodes(classes: Classes, lam: Array) -> Array:
    """A grid, and in each interval of a label that is too thin for it the place where the label leads by most.

    A label's lead over the others, at its largest between three nodes, is a concave function or nearly: it reaches no
    higher than the line through two of them, and is climbed where that line is above 0.
    """
    reach = REACH * classes.sigma
    nodes = np.linspace(classes.means[0] - reach, classes.means[-1] + reach, NODES)
    lead = _lead(classes, lam, nodes)
    before, here, after = lead[:-2], lead[1:-1], lead[2:]
    may = (here < 0) & (here >= before) & (here >= after) & (2 * here > np.minimum(before, after))
    thin = [_peak(classes, lam, j, nodes[at], nodes[at + 2]) for at, j in np.argwhere(may).tolist()]
    return np.unique([*nodes, *(x for x, ahead in thin if ahead > 0)])


def _lead(classes: Classes, lam: Array, x: Array) -> Array:
    """By how much each label is worth more than the best other, (x, K)."""
    worth = _worth(classes, lam, x)
    others = np.where(np.eye(classes.K, dtype=bool), -np.inf, worth[:, None, :]).max(2)
    return worth - others


def _peak(classes: Classes, lam: Array, j: int, low: float, high: float) -> tuple[float, float]:
    """Where between low and high label j leads by most, and by how much."""
    found = minimize_scalar(
        lambda x: -_lead(classes, lam, np.array([x]))[0, j], bounds=(low, high), options={"xatol": 1e-9 * (high - low)}
    )
    return float(found.x), -float(found.fun)


def _worth(classes: Classes, lam: Array, x: Array) -> Array:
    """N_j / K + lambda_j p, over p: of the order of lambda and 1 / pi wherever x is."""
    return classes.posteriors(x) / (classes.K * classes.priors) + lam


def _multipliers(classes: Classes, value: Array) -> Array:
    lam = entries_inside("multipliers", value, 0, LARGEST, "[]")
    if lam.shape != (classes.K,):
        reject("multipliers.shape", lam.shape, f"({classes.K},), a number a class")
    return lam
