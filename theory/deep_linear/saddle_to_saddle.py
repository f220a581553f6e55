r"""Two layers from a small start, which is neither aligned nor balanced: one saddle after the other, and when (ours).

Whitened examples, X X^T = x^2 P, whose labels have the modes W^ = U s V^T, s_1 > s_2 > ... While W is small, the part
G = (W_2^T U + W_1 V) / 2 of the start grows, column k as e^(x^2 s_k t), and the other half dies out. Up to terms of the
conserved imbalance, of the order of the start squared, W_2^T U = W_1 V = Z then, Z' = x^2 Z (S - Z^T Z), which is
Riccati's equation: a mode that is learned keeps its direction in the hidden layer for itself. With G = Q R, as G -> 0

    u_k(t) = s_k / (1 + e^(-2 x^2 s_k (t - t_k))),    t_k = log(s_k / R_kk^2) / (2 x^2 s_k).

A Gaussian start makes the R_kk^2 independent multiples of chi^2 with h - k + 1 degrees of freedom (Bartlett). The
neighbours change t_k first, by powers of the start; descent keeps a clock of its own.

Jacot et al. 2021 conjecture the path from saddle to saddle; Pesme & Flammarion 2023 have jump times of diagonal nets.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special, stats

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive, positive_integer, reject, times
from theory.deep_linear.modes import decoupled_starts

SMALLEST, LARGEST = 1e-100, 1e100  # strengths and inputs between which products of them are floats


def jump_times(s: Float[Array, " r"], x: float, G: Float[Array, "*runs h r"]) -> Float[Array, "*runs r"]:
    """t_k, when mode k is half learned, to leading order in G; infinite where nothing of its column is left for it.

    As time is, in units step x learning rate; below 0 where G is not small at all.

    >>> jump_times(np.array([2.0, 1.0]), 1.0, np.exp(-4.0) * np.array([[1.0, 5.0], [0.0, 1.0]])).round(3).tolist()
    [2.173, 4.0]

    Raises:
        InvalidArgument: strengths that increase, or are outside [1e-100, 1e100], as x; another number of columns.
    """
    s, rate = _rates(s, x, G)
    with np.errstate(divide="ignore"):
        return (np.log(s) - np.log(decoupled_starts(G))) / (2 * rate)


def correction(s: Float[Array, " r"], x: float, G: Float[Array, "*runs h r"]) -> Float[Array, "*runs r"]:
    """What the neighbours of each mode add to its t_k, to first order; 0 for one that is never learned.

    Until t_k the next mode has grown to R_{k,k+1}^2 e^(2 x^2 s_{k+1} t_k) in the direction of mode k, which comes the
    later for it; and the mode before has, by then, not quite taken away what it takes:

        2 x^2 s_k (t_k's change) = R_{k,k+1}^2 e^(2 x^2 s_{k+1} t_k) / s_{k+1}
                                   - (R_{k-1,k} / R_kk)^2 e^(-2 x^2 s_{k-1} (t_k - t_{k-1})).

    What is left out is smaller by a power of G again, or of the order |G|^2 log |G|. Of a G that is far from small it
    is no correction, and may be beyond all numbers.

    Raises:
        InvalidArgument: as in `jump_times`.
    """
    s, rate = _rates(s, x, G)
    jumps = jump_times(s, x, G)
    R = np.linalg.qr(G, mode="r")
    beside = np.abs(np.diagonal(R, 1, -2, -1))  # R_{k,k+1}, of as many modes as have a next one and a direction
    n = beside.shape[-1]
    added = np.zeros_like(jumps)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_beside = np.log(beside)
        added[..., :n] += np.exp(2 * (log_beside + rate[1 : n + 1] * jumps[..., :n])) / s[1 : n + 1]
        waited = rate[:n] * (jumps[..., 1 : n + 1] - jumps[..., :n])
        log_start = np.log(decoupled_starts(G))[..., 1 : n + 1] / 2
        taken = np.exp(2 * (log_beside - log_start - waited))
        added[..., 1 : n + 1] -= np.where(np.isfinite(jumps[..., :n]) & (beside > 0), taken, 0.0)
    return np.where(np.isfinite(jumps), added, 0.0) / (2 * rate)


def error_exponents(s: Float[Array, " r"]) -> Float[Array, " r"]:
    """q of each mode: `jump_times` is off by the order |G|^q, the larger of what the two neighbours change; at most 2.

    The next mode changes t_k by |G|^(2 (1 - s_{k+1} / s_k)), the one before by |G|^(2 (s_{k-1} / s_k - 1)). From 2 on
    it is the start's own size that counts. Where strengths are equal, q = 0: there is no such law.

    >>> error_exponents(np.array([4.0, 3.0, 0.5])).round(3).tolist()
    [0.5, 0.667, 2.0]

    Raises:
        InvalidArgument: strengths that increase, or are outside [1e-100, 1e100].
    """
    s = _decreasing(s)
    after = np.append(2 * (1 - s[1:] / s[:-1]), 2.0)
    before = np.append(2.0, np.minimum(2 * (s[:-1] / s[1:] - 1), 2.0))
    return np.minimum(after, before)


def strengths(
    s: Float[Array, " r"], x: float, jumps: Float[Array, "*runs r"], t: Float[Array, "*times"] | float
) -> Float[Array, "*times_runs r"]:
    """u_k(t) of modes that jump at these times: sigmoids; a mode whose time is infinite stays at 0, for ever.

    >>> strengths(np.array([2.0]), 1.0, np.array([3.0]), np.array([0.0, 3.0, np.inf])).round(3).ravel().tolist()
    [0.0, 1.0, 2.0]

    Raises:
        InvalidArgument: strengths that increase, or are outside [1e-100, 1e100], as x; NaN for a jump, or minus
            infinity; a negative or NaN time.
    """
    s = _decreasing(s)
    jumps = entries_inside("jumps", jumps, -np.inf, np.inf, "(]")
    rate = inside("x", x, SMALLEST, LARGEST) ** 2 * s
    t = times(t)
    since = t.reshape((*t.shape, *[1] * jumps.ndim)) - np.where(np.isinf(jumps), 0.0, jumps)
    return s * special.expit(np.where(np.isinf(jumps), -np.inf, 2 * rate * since))


def flow_time(
    s: Float[Array, " r"], x: float, learning_rate: float, t: Float[Array, "*runs r"], share: float = 0.5
) -> Float[Array, "*runs r"]:
    """When modes of the flow pass a share of their strength that descent with this learning rate passes at t.

    A step multiplies what is small by 1 + a, a = learning_rate x^2 s, not by e^a, and saturates late: n steps are

        n log(1 + a) = x^2 s t_flow + 3/4 log(1 - share) a + (5/8 share - 1/4 log(1 - share)) a^2 + O(a^3).

    (Of the function psi = log w + ..., w -> 0, that each step w <- w + a w (1 - w^2) increases by log(1 + a), the
    expansion in a; w^2 is the share. Another order of a can be extrapolated away.)

    Raises:
        InvalidArgument: strengths that increase, or are outside [1e-100, 1e100], as x; a learning rate not above 0, or
            at which a is 1 or more; a share not in (0, 1).
    """
    s = _decreasing(s)
    rate = inside("x", x, SMALLEST, LARGEST) ** 2 * s
    a = positive("learning_rate", learning_rate) * rate
    inside("learning_rate x^2 s", a.max(), 0, 1, "[)")
    late = np.log1p(-inside("share", share, 0, 1, "()"))
    return (t / learning_rate * np.log1p(a) - 0.75 * late * a - (0.625 * share - 0.25 * late) * a**2) / rate


@dataclass(frozen=True)
class JumpTime:
    """The law of log(s / (scale chi^2)) / (2 x^2 s): when a mode is learned whose R_kk^2 is scale x chi^2.

    Attributes:
        rate: x^2 s.
        s: strength of the mode.
        degrees: of freedom of chi^2.
        scale: a quarter of the sum of the variances of the two layers' entries.
    """

    rate: float
    s: float
    degrees: int
    scale: float

    def start(self, t: Float[Array, "*shape"] | float) -> Float[Array, "*shape"] | float:
        """The chi^2 that makes a mode jump at t."""
        return np.exp(np.log(self.s) - np.log(self.scale) - 2 * self.rate * np.asarray(t))

    def cdf(self, t: Float[Array, "*shape"] | float) -> Float[Array, "*shape"] | float:
        """P(t_k <= t)."""
        return stats.chi2.sf(self.start(t), self.degrees)

    def pdf(self, t: Float[Array, "*shape"] | float) -> Float[Array, "*shape"] | float:
        """Its density."""
        return 2 * self.rate * self.start(t) * stats.chi2.pdf(self.start(t), self.degrees)

    def ppf(self, probability: float) -> float:
        """The time by which a mode is learned with this probability."""
        start = stats.chi2.isf(probability, self.degrees)
        return float((np.log(self.s) - np.log(self.scale) - np.log(start)) / (2 * self.rate))

    def mean(self) -> float:
        """[log(s / scale) - log 2 - psi(degrees / 2)] / (2 x^2 s)."""
        logs = np.log(self.s) - np.log(self.scale) - np.log(2)
        return float((logs - special.digamma(self.degrees / 2)) / (2 * self.rate))

    def var(self) -> float:
        """psi'(degrees / 2) / (2 x^2 s)^2."""
        return float(special.polygamma(1, self.degrees / 2) / (2 * self.rate) ** 2)


def jump_time_laws(s: Float[Array, " r"], x: float, h: int, deviations: tuple[float, float]) -> list[JumpTime]:
    """The laws of t_1, ..., t_r, which are independent, from two layers of independent normal entries.

    The columns of G = (W_2^T U + W_1 V) / 2 are normal of variance (e_1^2 + e_2^2) / 4, and chi^2 of mode k has
    h - k + 1 degrees of freedom. Modes beyond the width h have none: they are never learned, and have no law here.

    Args:
        deviations: e_1, e_2 of the entries of W_1 and W_2.

    Raises:
        InvalidArgument: strengths that increase, or are outside [1e-100, 1e100], as x; a width that is no whole number
            above 0; a negative deviation, or not one above 0, or outside that range.
    """
    s = _decreasing(s)
    rate = inside("x", x, SMALLEST, LARGEST) ** 2 * s
    e = entries_inside("deviations", deviations, 0, LARGEST, "[]")
    scale = inside("e_1^2 + e_2^2", (e**2).sum(), SMALLEST, 2 * LARGEST**2) / 4
    modes = range(min(positive_integer("h", h), len(s)))
    return [JumpTime(float(rate[k]), float(s[k]), h - k, scale) for k in modes]


def _rates(s: Array, x: float, G: Array) -> tuple[Array, Array]:
    """s, and x^2 s."""
    s = _decreasing(s)
    if G.shape[-1] != s.size:
        reject("G.shape", G.shape, f"(*runs, h, {s.size}), a column a mode")
    entries_inside("G", G)
    return s, inside("x", x, SMALLEST, LARGEST) ** 2 * s


def _decreasing(s: Array) -> Array:
    s = entries_inside("s", s, SMALLEST, LARGEST, "[]")
    if s.ndim != 1 or not s.size or (np.diff(s) > 0).any():
        reject("s", s, "a row of strengths that decrease")
    return s
