r"""Where the dynamics of whitened data (every singular value of X equal to 1) can be solved; `one_mode` has one mode.

Many modes: in the singular bases y~ = sum_i y_i a_i b_i^T each pair u_i = U1^T a_i, v_i = V^T b_i follows its own such
equation, if it is orthogonal to the other pairs and to the rows that belong to no mode.

Riccati: if every row of Z0 is an eigenvector of Lambda to one eigenvalue lam (balanced starts: lam = 0), then

    Z' = F Z - 1/2 Z Z^T Z,    F = [[0, y~^T], [y~, 0]] + lam/2 J,
    G = Z Z^T = e^(F t) Z0 (I + Z0^T int_0^t e^(2 F s) ds Z0)^-1 Z0^T e^(F t)

(lam = 0: Fukumizu 1998). For a general Lambda G obeys no such equation of its own.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, SQUARABLE, Array
from theory.core.regression import Regression
from theory.core.validation import entries_inside, finite_matrix, inside, positive_integer, reject, times
from theory.imbalance.dynamics import signature, split
from theory.imbalance.one_mode import scalar_level, scalar_solution
from theory.imbalance.problem import Network, coordinates

# Infinite time, as a number: 0 x FOREVER is 0, and every rate from 1e-197 times the largest on has long settled.
FOREVER = 1e200
HYPOTHESIS = 1e-8  # how far each part of a start may be, relative to its own size, from what a closed form asks of it


@dataclass(frozen=True)
class Modes:
    """A start in the singular bases of the targets, y~ = sum_i y_i a_i b_i^T, i = 1 ... k = min(r, m).

    Attributes:
        hidden, output: the a_i as columns (r, k), the b_i as columns (m, k).
        y: (k,).
        c, p: level and product of each mode, (*runs, k).
        coupling: the largest inner product of weights of different modes (*runs), relative to the lengths of the two
            and to the rounding of both. Where it is 0 the modes are decoupled, for ever, and the solution is exact.
    """

    hidden: Float[Array, "r k"]
    output: Float[Array, "m k"]
    y: Float[Array, " k"]
    c: Float[Array, "*runs k"]
    p: Float[Array, "*runs k"]
    coupling: Float[Array, "*runs"]

    def product(self, t: Float[Array, "*times"] | float) -> Float[Array, "*times_runs r m"]:
        """U1 V^T = sum_i p_i(t) a_i b_i^T."""
        return (self.hidden * scalar_solution(self.y, self.c, self.p, t)[..., None, :]) @ self.output.T


def modes(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Modes:
    """The start Z = [V; U1] mode by mode. (Whether its modes are decoupled is for `coupling` to say.)"""
    V, U1 = split(problem, Z)
    a, y, bT = np.linalg.svd(problem.targets)
    k = y.size
    u, v = a.T @ U1, bT @ V
    rows = np.concatenate([v, u], axis=-2)
    mode = np.minimum(np.concatenate([np.arange(problem.m), np.arange(problem.r)]), k)
    inner = np.abs(rows @ rows.mT) * (mode[:, None] != mode)
    length = np.linalg.norm(rows, axis=-1)
    # The bases turn rounding of the longest row into every other: a row of that length has no direction of its own.
    pairs, noise = length[..., :, None] * length[..., None, :], len(mode) * EPS * length.max(-1)[..., None, None]
    pairs = pairs + noise / HYPOTHESIS * (length[..., :, None] + length[..., None, :])
    coupling = np.divide(inner, pairs, out=np.zeros_like(inner), where=pairs > 0).max((-2, -1))
    u, v = u[..., :k, :], v[..., :k, :]
    return Modes(a[:, :k], bT[:k].T, y, scalar_level(u, v), (u * v).sum(-1), coupling)


def decoupled_solution(
    problem: Regression, network: Network, t: Float[Array, "*times"] | float
) -> Float[Array, "*times_runs r m"]:
    """U1 V^T at the times t (any shape, infinity included), from a start whose modes are decoupled.

    Raises:
        InvalidArgument: the data are not whitened, the modes of the start are coupled, a negative or NaN time.

    >>> data = Regression(np.eye(2), np.diag([2.0, 1.0]))
    >>> start = decoupled(data, 4, np.random.default_rng(0))
    >>> decoupled_solution(data, start, np.array([0, np.inf])).shape
    (2, 1, 2, 2)
    >>> decoupled_solution(data, start, np.inf)[0].round(6) + 0.0
    array([[2., 0.],
           [0., 1.]])
    """
    require_whitened(problem)
    start = modes(problem, coordinates(problem, network))
    if not (start.coupling <= HYPOTHESIS).all():
        expected = "0: weights of different modes that are orthogonal (see Modes)"
        reject("coupling of the modes", start.coupling.max(), expected)
    return start.product(t)


def require_whitened(problem: Regression) -> None:
    """Reject data whose singular values are not all 1."""
    if np.abs(problem.S - 1).max() > HYPOTHESIS:
        reject("singular values of X", problem.S, "whitened data, every one of them 1")


def decoupled(problem: Regression, h: int, rng: np.random.Generator, *, runs: int = 1) -> Network:
    """Random starts with decoupled modes and U2 = 0: each pair (u_i, v_i) is Gaussian in a plane of its own.

    Raises:
        InvalidArgument: h < m + r leaves no room for the planes.
    """
    r, m, k = problem.r, problem.m, min(problem.r, problem.m)
    positive_integer("runs", runs)
    if positive_integer("h", h) < m + r:
        reject("h", h, f"at least m + r = {m + r}: a plane for each mode, a direction for each row that has none")
    frame = np.linalg.qr(rng.standard_normal((runs, h, m + r)))[0].mT
    planes = frame[:, : 2 * k].reshape(runs, k, 2, h)
    pairs = np.moveaxis(rng.standard_normal((runs, k, 2, 2)) @ planes, 2, 0)
    a, _, bT = np.linalg.svd(problem.targets)
    u, v = (np.concatenate([pair, frame[:, 2 * k :]], axis=-2) for pair in pairs)
    return Network(problem.Phi1 @ (a @ u[:, :r]), bT.T @ v[:, :m])


def mean_imbalance(problem: Regression, Z: Float[Array, "m_plus_r h"]) -> float:
    """tr(Z Lambda Z^T) / tr(Z Z^T): the eigenvalue of Lambda that the rows of Z share, or else a mean; 0 for Z = 0."""
    Z = np.concatenate(split(problem, Z))
    size = float(np.abs(Z).max())
    if size == 0:
        return 0.0
    G = (Z / size) @ (Z / size).T
    return float((signature(problem) @ G**2).sum() / np.trace(G)) * size * size


def _defect(problem: Regression, Z: Array, lam: float) -> float:
    """The largest entry of Lambda - lam I between the right singular vectors of Z, relative to the singular values.

    So that a long direction excuses nothing of a short one, but for the rounding of Lambda.
    """
    P, sigma, _ = np.linalg.svd(Z / np.abs(Z).max(), full_matrices=False)
    P, sigma, lam = P[:, sigma > 0], sigma[sigma > 0], lam / np.abs(Z).max() ** 2
    pairs = np.outer(sigma, sigma)
    is_long = sigma > len(Z) * EPS * sigma[0]  # of the others only the length is known: they are rounding
    entries = np.abs(P.T @ (signature(problem)[:, None] * P) * pairs - lam * np.eye(sigma.size))
    return float((entries / (pairs + len(Z) * EPS * sigma[0] ** 2 / HYPOTHESIS))[np.ix_(is_long, is_long)].max())


def riccati_solution(
    problem: Regression, network: Network, t: Float[Array, "*times"] | float
) -> Float[Array, "*times size size"]:
    """G(t) = Z Z^T, size m + r, for a start (one run) whose rows Z0 all satisfy Z0 Lambda = lam Z0.

    Args:
        t: times of any shape, infinity included.

    Raises:
        InvalidArgument: more than one run, the data are not whitened, the rows of Z0 do not lie in one eigenspace of
            Lambda, a negative or NaN time.

    >>> data = Regression(np.eye(2), np.array([[2.0], [1.0]]))
    >>> start = homogeneous(data, 0.3, 2, np.random.default_rng(0))
    >>> G = riccati_solution(data, start, np.array([0, np.inf]))
    >>> G.shape, G[1, 1:, 0].round(6)
    ((2, 3, 3), array([2., 1.]))
    """
    require_whitened(problem)
    if network.U.shape[:-2] not in ((), (1,)):
        reject("network.U.shape", network.U.shape, "one run")
    Z = coordinates(problem, network).reshape(problem.m + problem.r, -1)
    if not Z.any():
        return np.zeros((*np.shape(times(t)), len(Z), len(Z)))
    lam = mean_imbalance(problem, Z)
    if (defect := _defect(problem, Z, lam)) > HYPOTHESIS:
        reject("relative size of Lambda - lam I", defect, "0: rows of Z in one eigenspace of the imbalance Lambda")
    return riccati_gram(problem.targets, lam, Z, t)


def riccati_gram(
    targets: Float[Array, "r m"], lam: float, Z: Float[Array, "size h"], t: Float[Array, "*times"] | float
) -> Float[Array, "*times size size"]:
    """G(t) = e^(F t) Z (I + Z^T int_0^t e^(2 F s) ds Z)^-1 Z^T e^(F t), F = [[-lam/2 I, y~^T], [y~, lam/2 I]].

    In the eigenbasis of F, fastest growth first, a rotation of the hidden layer gives Z an echelon form: unit j has no
    part in the modes before `pivots[j]`. Dividing what belongs to unit j by the growth of that mode, which cancels in
    G, leaves nothing that can overflow, at infinite time neither.

    Raises:
        InvalidArgument: a negative or NaN time, a lam or an entry that is not finite, or one of Z whose square is not.
    """
    targets = finite_matrix("targets", targets)
    Z = entries_inside("Z", finite_matrix("Z", Z, rows=sum(targets.shape)), -SQUARABLE, SQUARABLE, "[]")
    lam = inside("lam", lam, -np.inf, np.inf, "()")
    unit = max(np.abs(targets).max(), abs(lam), np.abs(Z).max() ** 2) or 1.0
    with np.errstate(over="ignore"):
        t = np.minimum(times(t) * unit, FOREVER)
    return unit * _gram(targets / unit, lam / unit, Z / np.sqrt(unit), t[..., None])


def _gram(targets: Array, lam: float, Z: Array, t: Array) -> Array:
    """`riccati_gram` where the largest of its arguments is 1, so that what counts as late is the same in any units."""
    r, m = targets.shape
    F = np.block([[-lam / 2 * np.eye(m), targets.T], [targets, lam / 2 * np.eye(r)]])
    w, Q = (part[..., ::-1] for part in np.linalg.eigh(F))
    w = _without_rounding(w)
    scale = np.abs(Z).max() or 1.0
    K, pivots = _echelon(Q.T @ (Z / scale))
    K = scale * K
    length = np.abs(K[pivots, np.arange(len(pivots))])
    growing = np.maximum(w, 0)
    speed = 2 * np.abs(w)
    # int_0^t e^(2 w s) ds without its growth e^(2 w t), w > 0.
    integral = np.where(speed > 0, -np.expm1(-speed * t) / np.where(speed > 0, speed, 1), t)
    start, root = np.exp(-growing * t), np.sqrt(integral)
    unit = np.hypot(start[..., pivots], length * root[..., pivots])[..., None, :]
    t = t[..., None]
    N = K * _decay(w[:, None] - growing[pivots], t) / unit
    B = K * _decay(growing[:, None] - growing[pivots], t) * root[..., None] / unit
    C = B.mT @ B + (start[..., None, pivots] / unit) ** 2 * np.eye(len(pivots))
    return Q @ N @ np.linalg.solve(C, (Q @ N).mT)


def _without_rounding(w: Array) -> Array:
    """Decreasing eigenvalues, those made equal (or 0) that only rounding separates: time would tell them apart."""
    rounding = w.size * EPS * np.abs(w).max()
    first = np.maximum.accumulate(np.where(np.diff(w, prepend=np.inf) < -rounding, np.arange(w.size), 0))
    return np.where(np.abs(w[first]) > rounding, w[first], 0.0)


def _decay(w: Array, t: Array) -> Array:
    """e^(w t) where w <= 0. A positive w stands above a pivot, where it multiplies an entry that is 0."""
    return np.exp(np.minimum(w, 0) * t)


def _echelon(K: Array) -> tuple[Array, Array]:
    """(K O, pivots) with O of orthonormal columns: column j of K O is 0 above row pivots[j], and no column is lost."""
    frame, pivots = np.zeros((0, K.shape[1])), []
    for i, row in enumerate(K):
        rest = row
        for _ in range(2):  # once more against the rounding of the first projection
            rest = rest - (rest @ frame.T) @ frame
        size = np.linalg.norm(rest)
        if size > K.size * EPS * np.linalg.norm(K):
            frame = np.vstack([frame, rest / size])
            pivots.append(i)
    pivot = np.array(pivots, dtype=int)
    return np.where(np.arange(len(K))[:, None] >= pivot, K @ frame.T, 0.0), pivot


def homogeneous(problem: Regression, lam: float, h: int, rng: np.random.Generator) -> Network:
    """A random start (one run), U2 = 0, with Z Lambda = lam Z: its rows lie in one eigenspace of the imbalance.

    It uses k = min(h, r) hidden directions (lam < 0: min(h, m)) and, turned by a random frame O of them, is

        V Gaussian, U1 = P (V^T V + lam I)^(1/2)   (lam < 0: U1 Gaussian, V = P (U1^T U1 - lam I)^(1/2)),

    P with orthonormal columns. Lambda = lam O O^T, which is lam I where h = k.
    """
    r, m, lam = problem.r, problem.m, inside("lam", lam, -np.inf, np.inf, "()")
    free, bound = (m, r) if lam >= 0 else (r, m)
    k = min(positive_integer("h", h), bound)
    free_rows = rng.standard_normal((free, k)) / np.sqrt(k)
    _, sigma, vectors = np.linalg.svd(free_rows)
    roots = np.hypot(np.pad(sigma, (0, k - sigma.size)), np.sqrt(abs(lam)))
    P = np.linalg.qr(rng.standard_normal((bound, k)))[0]
    bound_rows = P @ (vectors.T * roots) @ vectors
    frame = np.linalg.qr(rng.standard_normal((h, k)))[0].T
    V, U1 = (free_rows, bound_rows) if lam >= 0 else (bound_rows, free_rows)
    return Network((problem.Phi1 @ U1 @ frame)[None], (V @ frame)[None])
