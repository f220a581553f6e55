"""How fast margins grow once the data are fitted: aligned networks of any depth, and two points (after Lyu & Li 2020).

The loss is the exponential one, sum_n e^{-m_n}, a sum and not a mean; t is step x learning rate of gradient flow on it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expi, hyp1f1, hyp2f1

from theory.core.arrays import Array
from theory.core.validation import inside, positive, positive_integer, reject, times

BISECTIONS = 60  # each halves an interval no longer than a few hundred


@dataclass(frozen=True)
class Aligned:
    """A balanced network of `depth` layers, all aligned, whose `copies` examples share one margin.

    W_l = rho_l u_l u_{l-1}^T with unit vectors, u_0 = V the direction the examples see, and rho_l all equal; then
    m = gain rho_l^L for every example, gain = y_n x_n . V their normalised margin. It stays so if the examples' mean is
    along V.

    Raises:
        InvalidArgument: depth or copies no whole number above 0, gain not above 0.
    """

    depth: int
    gain: float
    copies: int

    def __post_init__(self) -> None:
        positive_integer("depth", self.depth)
        positive_integer("copies", self.copies)
        positive("gain", self.gain)

    @property
    def power(self) -> float:
        """2 - 2 / L, by which the margin speeds up its own growth."""
        return 2 - 2 / self.depth

    @property
    def rate(self) -> float:
        """n L gain^(2/L)."""
        return self.copies * self.depth * self.gain ** (2 / self.depth)


def layer_norms(network: Aligned, m: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """rho_l = (m / gain)^(1/L), each layer's."""
    return (m / network.gain) ** (1 / network.depth)


def growth(network: Aligned, m: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """m' = n L gain^(2/L) m^(2 - 2/L) e^{-m}: gradient flow of the exponential loss (after Lyu & Li 2020; ours)."""
    return network.rate * m**network.power * np.exp(-m)


def growth_time(
    network: Aligned, start: Float[Array, "*#runs"], m: Float[Array, "*#runs"]
) -> Float[Array, "*runs"] | float:
    """t from margin `start` to m: int_start^m e^x x^-(2 - 2/L) dx = n L gain^(2/L) t.

    The exponential integral at L = 2, e^x at L = 1; a margin of infinity is never reached.

    Raises:
        InvalidArgument: a margin that is not above 0, where the network would not be aligned.
    """
    for name, value in (("start", start), ("m", m)):
        if not (np.asarray(value) > 0).all():
            reject(name, np.min(value), "margins above 0")
    return (_antiderivative(network, m) - _antiderivative(network, start)) / network.rate


def logistic_growth_time(
    network: Aligned, start: Float[Array, "*#runs"], m: Float[Array, "*#runs"]
) -> Float[Array, "*runs"] | float:
    """As `growth_time` for the logistic loss, m' = rate m^(2 - 2/L) / (1 + e^m): int x^-(2 - 2/L) dx in addition."""
    power = 2 / network.depth - 1
    early = np.log(m / start) if power == 0 else (m**power - start**power) / power
    return growth_time(network, start, m) + early / network.rate


def solution(network: Aligned, start: float, t: Float[Array, "*times"] | float) -> Float[Array, "*times"]:
    """m(t) of the exponential loss: `growth_time` solved for m; start at t = 0, infinite at t = inf.

    >>> solution(Aligned(depth=1, gain=1.0, copies=1), 1.0, np.array([0.0, np.exp(2) - np.e, np.inf])).round(9).tolist()
    [1.0, 2.0, inf]

    Raises:
        InvalidArgument: a start that is not above 0, a negative or NaN time.
    """
    t, start = times(t), positive("start", start)
    finite = np.where(np.isinf(t), 0.0, t)
    low = np.full(t.shape, start)
    # e^m / m^2 is above start's by more than rate x t there: x^(2/L - 2) >= m^-2 for m >= 1.
    reach = max(start, 1.0) + 1 + np.log1p(network.rate * finite)
    high = reach + 2 * np.log(reach + 8)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        late = growth_time(network, np.array(start), middle) > finite
        low, high = np.where(late, low, middle), np.where(late, middle, high)
    return np.where(np.isinf(t), np.inf, np.where(t == 0, start, (low + high) / 2))


def _antiderivative(network: Aligned, m: Array) -> Array:
    """int e^x x^{-a} dx = e^m m^{1-a} / (1 - a) 1F1(1; 2 - a; -m), a = 2 - 2/L; Ei(m) at a = 1."""
    if network.depth == 2:
        return expi(m)
    rest = 1 - network.power
    with np.errstate(invalid="ignore"):
        value = np.exp(m) * m**rest / rest * hyp1f1(1, 1 + rest, -np.asarray(m))
    return np.where(np.isinf(m), np.inf, value)


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
    """
    s, d = m.sum(-1), m[..., 0] - m[..., 1]
    return np.sinh(d / 2) * np.exp(points.kappa * s / 2)


def two_point_log_clock(points: TwoPoints, m: Float[Array, "*runs 2"]) -> Float[Array, "*runs"]:
    """log T(m): gradient flow of the exponential loss takes the time T(m(t)) - T(m(0)) = t from m(0) to m(t) (ours).

    T = e^{s/2} sech(d/2) 2F1(1/2, 1; (1 + 3 kappa) / (2 kappa); sech^2(d/2)) / ((1 + kappa) (a + b)), in logarithms
    since margins may be large. With m_1 = m_2 it is e^m / (a + b), and m = log(e^{m(0)} + (a + b) t).
    """
    kappa = points.kappa
    s, sech = m.sum(-1), 1 / np.cosh((m[..., 0] - m[..., 1]) / 2)
    series = hyp2f1(0.5, 1, (1 + 3 * kappa) / (2 * kappa), sech**2)
    return s / 2 + np.log(sech * series / ((1 + kappa) * (points.square + points.product)))


def two_point_difference(points: TwoPoints, start: Float[Array, "*runs 2"]) -> Float[Array, "*runs"]:
    """lim t^kappa (m_1 - m_2) = 2 sinh(d(0)/2) e^{kappa s(0)/2} (a + b)^{-kappa} (ours)."""
    return 2 * two_point_invariant(points, start) * (points.square + points.product) ** -points.kappa
