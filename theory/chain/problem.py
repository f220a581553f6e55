"""The chain, its minima, and what is measured of a state."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import inside, positive, positive_integer, reject, times

LARGEST = 1e200  # of the numbers of a chain, and the inverse of the smallest: their ratios are floats too


@dataclass(frozen=True)
class Chain:
    """L weights whose product is to be s.

    Attributes:
        s: target of the product, above 0 (for s < 0 change the signs of s and of one weight).
        L: number of weights.
        x: the input, above 0; the target is x s.
        power: k of the norm sum |w_l|^k / k, from 1 to 100.

    Raises:
        InvalidArgument: a number outside its range, or sigma, g or omega^k not between 1e-200 and 1e200.
    """

    s: float
    L: int
    x: float = 1.0
    power: float = 2.0

    def __post_init__(self) -> None:
        positive("s", self.s)
        positive_integer("L", self.L)
        positive("x", self.x)
        inside("power", self.power, 1, 100)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            sizes = np.array([self.sigma, self.g, self.omega**self.power])
        if not (sizes.min() >= 1 / LARGEST and sizes.max() <= LARGEST):  # NaN is neither
            reject("(sigma, g, omega^k)", sizes, f"numbers from {1 / LARGEST:g} to {LARGEST:g}")

    @property
    def sigma(self) -> float:
        return np.float64(self.x) ** 2

    @property
    def omega(self) -> float:
        """Size of every weight at a minimum of the norm."""
        return np.float64(self.s) ** (1 / self.L)

    @property
    def g(self) -> float:
        """|grad h|^2 at a minimum of the norm."""
        return self.sigma * self.L * self.omega ** (2 * self.L - 2)


def product(w: Float[Array, "*runs L"]) -> Float[Array, "*runs"] | float:
    """p = w_1 ... w_L; powers of 2 apart, so that nothing overflows on the way."""
    mantissas, exponents = np.frexp(w)
    return np.ldexp(mantissas.prod(-1), exponents.sum(-1))


def others(w: Float[Array, "*runs L"]) -> Float[Array, "*runs L"]:
    """q_l, the product of all weights but w_l; no division, so that a weight may be 0, and powers of 2 apart."""
    mantissas, exponents = np.frexp(w)
    one = np.ones_like(mantissas[..., :1])
    before = np.concatenate([one, np.cumprod(mantissas[..., :-1], axis=-1)], axis=-1)
    after = np.concatenate([one, np.cumprod(mantissas[..., :0:-1], axis=-1)], axis=-1)[..., ::-1]
    return np.ldexp(before * after, exponents.sum(-1, keepdims=True) - exponents)


def imbalance(w: Float[Array, "*runs L"]) -> Float[Array, "*runs L_minus_1"]:
    """w_l^2 - w_(l+1)^2: every D_ij is a sum of these."""
    return (w[..., :-1] - w[..., 1:]) * (w[..., :-1] + w[..., 1:])


def imbalance_solution(
    w: Float[Array, "*runs L"], rate: Float[Array, "*#runs"] | float, t: Float[Array, "*times"] | float
) -> Float[Array, "*times_runs L_minus_1"]:
    """Imbalance e^(-2 rate t) D(0) of the flow w_l' = f q_l - rate w_l from w, whatever the force f(t).

    The rate is gamma for weight decay, a for Minnorm (k = 2), and 0 for gradient flow, which conserves it; t has any
    shape, infinity included.

    >>> imbalance_solution(np.array([3.0, 1.0]), 0.5, np.array([0.0, np.log(2), np.inf])).round(12).tolist()
    [[8.0], [4.0], [0.0]]

    Raises:
        InvalidArgument: a negative or NaN time, a rate below 0.
    """
    t, rate = times(t), np.broadcast_to(np.asarray(rate, dtype=np.float64), w.shape[:-1])
    inside("rate", rate.min(), 0, np.inf, "[)")
    with np.errstate(invalid="ignore"):
        forgotten = np.where(rate == 0, 0.0, np.multiply.outer(t, rate))
    # The factors apart, so that their product overflows only where the imbalance does.
    shrunk = np.exp(-forgotten)[..., None]
    return (shrunk * (w[..., :-1] - w[..., 1:])) * (shrunk * (w[..., :-1] + w[..., 1:]))


def imbalance_after_step(
    w: Float[Array, "*runs L"],
    force: Float[Array, "*#runs"] | float,
    shrinkage: Float[Array, "*#runs"] | float = 0.0,
) -> Float[Array, "*runs L_minus_1"]:
    """Imbalance after the step w_l <- (1 - shrinkage) w_l + force q_l.

    It is (1 - shrinkage)^2 D_ij + force^2 (q_i^2 - q_j^2): exact, not an expansion, because the mixed terms of w_i^2
    and w_j^2 are the same, w_i q_i = w_j q_j = p. As q_i^2 - q_j^2 = -D_ij (p / (w_i w_j))^2, a balanced pair stays
    balanced. Gradient descent has the force eta sigma (s - p) and no shrinkage; weight decay the shrinkage eta gamma;
    Minnorm (k = 2) the force eta a x (lambda + c h) and the shrinkage eta a.

    Raises:
        InvalidArgument: a force or a shrinkage that is not finite.
    """
    for name, value in (("force", force), ("shrinkage", shrinkage)):
        if not np.isfinite(value).all():
            reject(name, value, "finite numbers")
    force, shrinkage = (np.expand_dims(np.asarray(value), -1) for value in (force, shrinkage))
    shrunk = np.abs(1 - shrinkage)
    return shrunk * imbalance(w) * shrunk + imbalance(force * others(w))


def minimum(chain: Chain, w: Float[Array, "*runs L"]) -> Float[Array, "*runs L"]:
    """The nearest minimum of the norm: +-omega with the signs of w; where they multiply to -1, the smallest turns."""
    signs = np.where(w < 0, -1.0, 1.0)
    smallest = np.abs(w).argmin(-1, keepdims=True) == np.arange(w.shape[-1])
    wrong = signs.prod(-1, keepdims=True) < 0
    return chain.omega * np.where(smallest & wrong, -signs, signs)


def distance(chain: Chain, w: Float[Array, "*runs L"]) -> Float[Array, "*runs"] | float:
    """|w - w*| to the nearest minimum of the norm."""
    return np.linalg.norm(w - minimum(chain, w), axis=-1)
