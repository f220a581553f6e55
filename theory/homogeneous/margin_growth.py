"""How fast margins grow once the data are fitted: aligned networks of any depth, and two points (after Lyu & Li 2020).

The loss is the exponential one, sum_n e^{-m_n}, a sum and not a mean; t is step x learning rate of gradient flow on it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expi, hyp1f1, hyp2f1, xlogy

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive, positive_integer, reject, times

BISECTIONS = 70  # each halves an interval of log margins, no longer than about a thousand
NODES, WEIGHTS = (np.polynomial.legendre.leggauss(24)[i] for i in (0, 1))
NODES, WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2  # on [0, 1]
LARGE = 500.0
LATE = 1e300  # e^-m is 0 long before


@dataclass(frozen=True)
class Aligned:
    """A balanced network of `depth` layers, all aligned, whose `copies` examples share one margin.

    W_l = rho_l u_l u_{l-1}^T with unit vectors, u_0 = V the direction the examples see, and rho_l all equal; then
    m = gain rho_l^L for every example, gain = y_n x_n . V their normalised margin. It stays so if the examples' mean is
    along V.

    Raises:
        InvalidArgument: depth or copies no whole number above 0, gain not from 1e-150 to 1e150.
    """

    depth: int
    gain: float
    copies: int

    def __post_init__(self) -> None:
        positive_integer("depth", self.depth)
        positive_integer("copies", self.copies)
        inside("gain", positive("gain", self.gain), 1e-150, 1e150)

    @property
    def power(self) -> float:
        """2 - 2 / L, by which the margin speeds up its own growth."""
        return 2 - 2 / self.depth

    @property
    def rate(self) -> float:
        """n L gain^(2/L)."""
        return self.copies * self.depth * self.gain ** (2 / self.depth)


def layer_norms(network: Aligned, m: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """rho_l = (m / gain)^(1/L), each layer's.

    Raises:
        InvalidArgument: a margin below 0, where the network would not be aligned.
    """
    return entries_inside("m", m, 0, np.inf, "[]") ** (1 / network.depth) / network.gain ** (1 / network.depth)


def growth(network: Aligned, m: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """m' = n L gain^(2/L) m^(2 - 2/L) e^{-m}: gradient flow of the exponential loss (after Lyu & Li 2020; ours).

    Raises as `layer_norms`.
    """
    m = np.minimum(entries_inside("m", m, 0, np.inf, "[]"), LATE)
    return np.exp(np.log(network.rate) + xlogy(network.power, m) - m)


def growth_time(
    network: Aligned, start: Float[Array, "*#runs"] | float, m: Float[Array, "*#runs"] | float
) -> Float[Array, "*runs"] | float:
    """t from margin `start` to m: int_start^m e^x x^-(2 - 2/L) dx = n L gain^(2/L) t.

    The exponential integral at L = 2, e^x at L = 1; a margin of infinity is never reached.

    Raises:
        InvalidArgument: a margin that is not above 0, where the network would not be aligned; an infinite start.
    """
    growth = _log_growth(start, m)
    with np.errstate(over="ignore"):
        return np.sign(growth) * np.exp(_log_integral(network, np.asarray(start), growth) - np.log(network.rate))


def logistic_growth_time(
    network: Aligned, start: Float[Array, "*#runs"] | float, m: Float[Array, "*#runs"] | float
) -> Float[Array, "*runs"] | float:
    """As `growth_time` for the logistic loss, m' = rate m^(2 - 2/L) / (1 + e^m): int x^-(2 - 2/L) dx in addition."""
    power, growth = 2 / network.depth - 1, _log_growth(start, m)
    early = growth if power == 0 else np.asarray(start) ** power * np.expm1(power * growth) / power
    return growth_time(network, start, m) + early / network.rate


def solution(network: Aligned, start: float, t: Float[Array, "*times"] | float) -> Float[Array, "*times"]:
    """m(t) of the exponential loss: `growth_time` solved for m; start at t = 0, infinite at t = inf.

    >>> solution(Aligned(depth=1, gain=1.0, copies=1), 1.0, np.array([0.0, np.exp(2) - np.e, np.inf])).round(9).tolist()
    [1.0, 2.0, inf]

    Raises:
        InvalidArgument: a start that is not above 0, a negative or NaN time.
    """
    t, start = times(t), positive("start", start)
    with np.errstate(divide="ignore"):
        wanted = np.log(network.rate) + np.log(np.where(np.isinf(t), 0.0, t))  # of int e^x x^-a dx
    # e^m / m^2 is above start's by more than rate x t there: x^(2/L - 2) >= m^-2 for m >= 1.
    reach = max(start, 1.0) + 1 + np.logaddexp(0, wanted)
    low, high = np.zeros(t.shape), np.log((reach + 2 * np.log(reach + 8)) / start)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        late = _log_integral(network, np.array(start), middle) > wanted
        low, high = np.where(late, low, middle), np.where(late, middle, high)
    grown = start + start * np.expm1((low + high) / 2)
    return np.where(np.isinf(t), np.inf, np.where(t == 0, start, grown))


def _log_growth(start: Array | float, m: Array | float) -> Array:
    """log(m / start), to all digits where they are close."""
    start, m = np.asarray(start, dtype=np.float64), np.asarray(m, dtype=np.float64)
    for name, value in (("start", start), ("m", m)):
        if not (value > 0).all():
            reject(name, np.min(value), "margins above 0")
    if np.isinf(start).any():
        reject("start", np.inf, "finite margins")
    with np.errstate(over="ignore", divide="ignore"):
        ratio = m / start
        return np.where(np.abs(ratio - 1) < 0.5, np.log1p((m - start) / start), np.log(m) - np.log(start))


def _log_integral(network: Aligned, start: Array, growth: Array) -> Array:
    """log |int_start^m e^x x^-a dx|, growth = log(m / start): by Gauss's rule in log x where m is close, otherwise a
    difference of antiderivatives, the exponential of the larger end taken out."""
    with np.errstate(over="ignore", divide="ignore"):
        above = np.minimum(start * np.expm1(growth), LATE)
        close = (np.abs(growth) < 0.7) & (np.abs(above) < 1)
        u = np.where(close, growth, 0.0)[..., None] * NODES
        s = start[..., None]
        near = np.where(close, growth, 0.0) * (
            WEIGHTS * np.exp(s * np.expm1(u)) * (s * np.exp(u)) ** (1 - network.power)
        ).sum(-1)
        top, m = np.maximum(above, 0), np.exp(np.log(start) + growth)
        far = np.exp(above - top) * _antiderivative(network, m) - np.exp(-top) * _antiderivative(network, start)
        return start + np.where(close, np.log(np.abs(near)), top + np.log(np.abs(far)))


def _antiderivative(network: Aligned, m: Array) -> Array:
    """e^-m int e^x x^{-a} dx = m^{1-a} / (1 - a) 1F1(1; 2 - a; -m), a = 2 - 2/L; e^-m Ei(m) at a = 1.

    From m = 50 on the asymptotic series m^-a (1 + a / m + a (a + 1) / m^2 + ...): its smallest term is below rounding.
    """
    a, early, late = network.power, np.clip(m, 1e-300, 50.0), np.clip(m, 50.0, 1e150)
    orders = np.cumprod((a + np.arange(39)) / late[..., None], axis=-1).sum(-1)
    small = np.exp(-early) * expi(early) if a == 1 else early ** (1 - a) / (1 - a) * hyp1f1(1, 2 - a, -early)
    return np.where(m > 50, late**-a * (1 + orders), small)


@dataclass(frozen=True)
class TwoPoints:
    """Two examples z_1, z_2 of the same squared length `square`, with z_1 . z_2 = `product`, of a linear classifier.

    At no obtuse angle: beyond, m_1 - m_2 = O(t^-kappa) soon rounds away, and with it what `two_point_log_clock` needs.

    Raises:
        InvalidArgument: square not above 0, product below 0 or not below it.
    """

    square: float
    product: float

    def __post_init__(self) -> None:
        positive("square", self.square)
        inside("product", self.product, 0, self.square, "[)")

    @property
    def kappa(self) -> float:
        """(a - b) / (a + b), in (0, 1]."""
        return (self.square - self.product) / (self.square + self.product)


def two_point_invariant(points: TwoPoints, m: Float[Array, "*runs 2"]) -> Float[Array, "*runs"]:
    """sinh(d/2) e^{kappa s/2}, s = m_1 + m_2, d = m_1 - m_2: conserved, so that d -> 0 like t^-kappa (ours).

    From s' = 2 (a + b) e^{-s/2} cosh(d/2) and d' = -2 (a - b) e^{-s/2} sinh(d/2).

    Raises:
        InvalidArgument: a margin that is not finite.
    """
    return _signed_invariant(points, m, 0.0)


def two_point_log_clock(points: TwoPoints, m: Float[Array, "*runs 2"]) -> Float[Array, "*runs"]:
    """log T(m): gradient flow of the exponential loss takes the time T(m(t)) - T(m(0)) = t from m(0) to m(t) (ours).

    T = e^{s/2} sech(d/2) 2F1(1/2, 1; c; sech^2(d/2)) / ((1 + kappa) (a + b)), c = (1 + 3 kappa) / (2 kappa), which is
    2 e^{min m} 2F1(1, 2 - c; c; e^{-|d|}) / ((1 + kappa) (a + b)) by a quadratic transformation, and keeps its digits
    where m_1 and m_2 are close; in logarithms since margins may be large. With m_1 = m_2 it is e^m / (a + b), and
    m = log(e^{m(0)} + (a + b) t). Raises as `two_point_invariant`.
    """
    m, kappa = entries_inside("m", m), points.kappa
    series = _gauss(1.5 + 0.5 / kappa, np.exp(-np.abs(m[..., 0] - m[..., 1])))
    return m.min(-1) + np.log(2 * series / ((1 + kappa) * (points.square + points.product)))


def _gauss(c: float, z: Array) -> Array:
    """2F1(1, 2 - c; c; z) = (c - 1) int_0^1 [(1 - x) (1 - z x)]^(c - 2) dx, 0 <= z <= 1; scipy has no answer for large
    c, where nearly all of the integral comes from x = O(1 / c)."""
    if c < LARGE:
        end = z > 1 - 1e-13  # where scipy has NaN for c above 60, and the sum is Gauss's to rounding
        return np.where(end, (c - 1) / (2 * c - 3), hyp2f1(1, 2 - c, c, np.where(end, 0.0, z)))
    y, weights = np.polynomial.laguerre.laggauss(40)
    x = y / (c - 2) / (1 + z[..., None])
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = (c - 2) * (np.log1p(-x) + np.log1p(-z[..., None] * x)) + y
    inside = weights * np.where(x < 1, np.exp(beyond), 0.0)
    return (c - 1) / (c - 2) / (1 + z) * inside.sum(-1)


def _signed_invariant(points: TwoPoints, m: Array, shift: float) -> Array:
    """sinh(d/2) e^{kappa s/2 + shift}: in one exponential, so that large margins do not overflow on the way."""
    s, d = entries_inside("m", m).sum(-1), m[..., 0] - m[..., 1]
    half = np.abs(d) / 2
    with np.errstate(over="ignore", divide="ignore"):
        return np.sign(d) * np.exp(np.log(-np.expm1(-2 * half) / 2) + half + points.kappa * s / 2 + shift)


def two_point_difference(points: TwoPoints, start: Float[Array, "*runs 2"]) -> Float[Array, "*runs"]:
    """lim t^kappa (m_1 - m_2) = 2 sinh(d(0)/2) e^{kappa s(0)/2} (a + b)^{-kappa} (ours).

    Raises as `two_point_invariant`.
    """
    return 2 * _signed_invariant(points, start, -points.kappa * np.log(points.square + points.product))
